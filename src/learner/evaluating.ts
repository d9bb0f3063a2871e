/** Evaluation: held-out tasks, greedy, through the gateway's own loop, judged by the reference. Never trained on. */
import { GyreError } from '../core/errors.js';
import { newId } from '../core/ids.js';
import type { AskedAs, TaskAnswer } from '../core/learning/evaluation.js';
import { deciding } from '../core/learning/deciding.js';
import type { Verdict } from '../core/learning/judging.js';
import { type Task, taskSetHash } from '../core/learning/task.js';
import type { Evaluation } from '../core/learning/version.js';
import { askAll } from '../judge/ask.js';
import { type Attempt, attempt } from './attempt.js';
import type { Learner } from './deps.js';
import { inParallel } from './pool.js';
import { comparedWith } from './reference.js';

/** Tasks answered at once. */
const CONCURRENCY = 32;
/** Tasks asked until what came is on record. */
const SLICE = 64;

/** How tasks are asked: the likeliest answer, so that the same is said each time. */
export const GREEDY = { temperature: 0 } as const;

/** A task that a version is to answer. */
export interface ToAnswer {
  readonly task: Task;
  readonly version: number;
  readonly as: AskedAs;
}

export interface Answered {
  readonly answers: readonly TaskAnswer[];
  readonly verdicts: readonly Verdict[];
}

/**
 * Asks each, started in the order given. What is not answered has no row, whosever fault it was; once interrupted
 * nothing more is asked.
 */
export async function answered(learner: Learner, asked: readonly ToAnswer[]): Promise<Answered> {
  const answers: TaskAnswer[] = [];
  const verdicts: Verdict[] = [];
  await inParallel(asked, CONCURRENCY, async (what) => {
    if (learner.signal.aborted) return;
    const judged = await judgedAnswer(learner, what);
    for (const verdict of judged.verdicts) verdicts.push(verdict);
    if (judged.answer !== undefined) answers.push(judged.answer);
  });
  return { answers, verdicts };
}

interface Judged {
  readonly answer?: TaskAnswer;
  readonly verdicts: readonly Verdict[];
}

/** A wrong answer scores 0, and so does one that was cut short. */
async function judgedAnswer(learner: Learner, { task, version, as }: ToAnswer): Promise<Judged> {
  const made = await attempted(learner, task, version);
  if (made === undefined || made.outcome === 'failed' || made.outcome === 'cancelled') return { verdicts: [] };
  const said = await askAll(
    learner.judges,
    [
      {
        kind: 'response',
        id: made.responseId,
        messages: task.messages,
        tools: [],
        text: made.text,
        calls: [],
        index: 0,
        ...comparedWith(task),
      },
    ],
    learner.signal,
  ).catch(nothingOnceInterrupted(learner.signal));
  const { verdicts, faults } = said;
  // A judge that failed is waited for: the task is asked again, and nobody after it decides.
  const { right } = deciding(verdicts, learner.declared, new Set(faults.map(({ judge }) => judge)));
  if (right?.score === undefined) return { verdicts };
  return {
    verdicts,
    answer: {
      version,
      taskId: task.id,
      taskHash: taskSetHash([task]),
      judge: right.judge,
      judgeVersion: right.judgeVersion,
      score: made.outcome === 'completed' ? right.score : 0,
      trajectoryId: made.trajectoryId,
      askedAs: as,
      createdAt: Date.now(),
    },
  };
}

/** Nothing is said of an answer any more; those that were judged before stay. */
function nothingOnceInterrupted(signal: AbortSignal): (thrown: unknown) => Awaited<ReturnType<typeof askAll>> {
  return (thrown) => {
    if (signal.aborted) return { verdicts: [], faults: [] };
    throw thrown;
  };
}

/** Undefined where the engine failed: the candidate may be what brings it down, and then that is its answer. */
async function attempted(learner: Learner, task: Task, version: number): Promise<Attempt | undefined> {
  try {
    return await attempt(learner, task, { version, origin: 'evaluate', sampling: GREEDY });
  } catch (thrown) {
    if (thrown instanceof GyreError && thrown.side === 'engine') return undefined;
    throw thrown;
  }
}

/** What a whole evaluation came to, and how many of its tasks have no answer. */
export interface Evaluated {
  /** On record only where all tasks were answered. */
  readonly evaluation: Evaluation;
  readonly unanswered: number;
}

/** For a report: the version's answers to exactly these tasks, those on record and what is asked now. */
export async function evaluate(learner: Learner, version: number, tasks: readonly Task[]): Promise<Evaluated> {
  const { evaluations } = learner.rows;
  const taskSet = taskSetHash(tasks);
  const known = await evaluations.of(version, taskSet);
  if (known !== undefined) return { evaluation: known, unanswered: 0 };
  const found = new Map(await evaluations.answers(version, tasks, learner.judges));
  const open = tasks.filter(({ id }) => !found.has(id));
  for (let from = 0; from < open.length; from += SLICE) {
    const slice = open.slice(from, from + SLICE).map((task) => ({ task, version, as: 'report' as const }));
    const { answers, verdicts } = await answered(learner, slice);
    await learner.rows.verdicts.save({ verdicts, faults: [] });
    await evaluations.save(answers);
    learner.signal.throwIfAborted();
    for (const answer of answers) found.set(answer.taskId, answer);
    learner.progress({ stage: 'evaluate', done: found.size, total: tasks.length, note: `version ${version}` });
  }
  const results = tasks.flatMap(({ id }) => {
    const answer = found.get(id);
    return answer === undefined ? [] : [{ taskId: id, trajectoryId: answer.trajectoryId, score: answer.score }];
  });
  const evaluation: Evaluation = { id: newId('eval'), version, taskSet, results, createdAt: Date.now() };
  const unanswered = tasks.length - results.length;
  if (unanswered === 0) await evaluations.close(evaluation);
  return { evaluation, unanswered };
}
