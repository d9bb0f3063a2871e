/**
 * A whole evaluation for a report: one version asked in one way, with what its trajectories were like. Greedy it says
 * what the gate sees; with several answers a task it says what the policy can come to. Never trained on.
 */
import { newId } from '../core/ids.js';
import { meanOf, passAt, shareOf } from '../core/judging/mean.js';
import { deciding, needsReference } from '../core/learning/deciding.js';
import type { EvaluationNumbers, EvaluationReport, EvaluationSetting } from '../core/learning/evaluation.js';
import type { Judge, Subject, Verdict } from '../core/learning/judging.js';
import { answersOf, metricOf, type Task, taskSetHash } from '../core/learning/task.js';
import { GyreError } from '../core/errors.js';
import { isObjectJson } from '../core/text/arguments.js';
import type { Step } from '../core/trajectory.js';
import { askAll } from '../judge/ask.js';
import { FORMATS } from '../tasks/loaders/formats.js';
import { exactMatch, f1 } from '../tasks/metrics.js';
import { type Attempt, attempt } from './attempt.js';
import type { Learner } from './deps.js';
import { inParallel } from './pool.js';
import { comparedWith } from './reference.js';

/** Tasks answered at once. */
const CONCURRENCY = 32;
/** pass@k is told for these, as far as so many answers were drawn. */
const TRIES = [1, 2, 4, 8, 16, 32, 64] as const;

interface MeasuredStep {
  readonly good: boolean | undefined;
  readonly labels: readonly (readonly [judge: string, good: boolean])[];
  readonly callable: boolean;
  readonly calls: boolean;
  readonly misunderstood: boolean;
  readonly tokens: number;
}

interface Tried {
  readonly task: Task;
  /** Absent where no answer came: it is wrong. */
  readonly made?:
    { readonly right: boolean; readonly text: string; readonly steps: readonly MeasuredStep[] } | undefined;
}

/** Asks all of it anew, and puts the numbers on record. */
export async function measure(
  learner: Learner,
  version: number,
  tasks: readonly Task[],
  setting: EvaluationSetting,
): Promise<EvaluationReport> {
  const asked = Array.from({ length: setting.samples }, () => tasks).flat();
  const tried: Tried[] = [];
  await inParallel(asked, CONCURRENCY, async (task) => {
    learner.signal.throwIfAborted();
    tried.push(await tryOnce(learner, version, task, setting));
    const note = `version ${version}, ${setting.tools ? 'with' : 'without'} tools`;
    learner.progress({ stage: 'evaluate', done: tried.length, total: asked.length, note });
  });
  learner.signal.throwIfAborted();
  const report: EvaluationReport = {
    id: newId('eval'),
    version,
    taskSet: taskSetHash(tasks),
    setting,
    numbers: numbersOf(tasks, tried),
    createdAt: Date.now(),
  };
  await learner.rows.evaluations.report(report);
  return report;
}

async function tryOnce(
  learner: Learner,
  version: number,
  task: Task,
  { tools, temperature }: EvaluationSetting,
): Promise<Tried> {
  const made = await attempted(learner, version, task, { temperature, ...(tools ? {} : { tools: [] }) });
  if (made === undefined || made.outcome === 'failed' || made.outcome === 'cancelled') return { task };
  const answer: Subject = {
    ...{ kind: 'response', id: made.responseId, messages: task.messages, tools: [], text: made.text, calls: [] },
    ...{ index: 0, ...comparedWith(task) },
  };
  const { right, verdicts } = await decided(learner, answer);
  const steps: MeasuredStep[] = [];
  const kept: Verdict[] = [...verdicts];
  for (const [index, step] of made.steps.entries()) {
    const said = await decided(learner, subjectOf(step, index, task));
    for (const verdict of said.verdicts) kept.push(verdict);
    steps.push(measured(step, said, learner.judges));
  }
  await learner.log.flush();
  await learner.rows.verdicts.save({ verdicts: kept, faults: [] });
  return { task, made: { right: made.outcome === 'completed' && right === true, text: made.text, steps } };
}

async function attempted(
  learner: Learner,
  version: number,
  task: Task,
  { temperature, tools }: { readonly temperature: number; readonly tools?: readonly string[] },
): Promise<Attempt | undefined> {
  try {
    return await attempt(learner, task, { version, origin: 'evaluate', sampling: { temperature }, tools });
  } catch (thrown) {
    if (thrown instanceof GyreError && thrown.side === 'engine') return undefined;
    throw thrown;
  }
}

function subjectOf({ id, messages, tools, action, appended }: Step, index: number, task: Task): Subject {
  const [text, calls] = [action?.text ?? '', action?.calls ?? []];
  return { kind: 'step', id, messages, tools, text, calls, after: appended.slice(1), index, ...comparedWith(task) };
}

interface Said {
  /** By who knows right from wrong. */
  readonly right: boolean | undefined;
  /** By whoever decides. */
  readonly good: boolean | undefined;
  readonly verdicts: readonly Verdict[];
}

async function decided({ judges, declared, signal }: Learner, subject: Subject): Promise<Said> {
  const { verdicts, faults } = await askAll(judges, [subject], signal);
  const ruling = deciding(verdicts, declared, new Set(faults.map(({ judge }) => judge)));
  const { right } = ruling;
  return {
    right: right?.score === undefined ? undefined : right.score > 0.5,
    good: ruling.verdict?.good,
    verdicts,
  };
}

/** Hermes-style markup is left in the text where the engine's parser could not read a call. */
function measured(step: Step, { good, verdicts }: Said, judges: readonly Judge[]): MeasuredStep {
  const { action, tools, toolChoice, callsAllowed } = step;
  const models = new Set(judges.flatMap((judge) => (needsReference(judge) ? [] : [judge.name])));
  const calls = action?.calls ?? [];
  return {
    good,
    labels: verdicts.flatMap((verdict) =>
      models.has(verdict.judge) && verdict.good !== undefined ? [[verdict.judge, verdict.good] as const] : [],
    ),
    callable: tools.length > 0 && toolChoice !== 'none' && callsAllowed !== false,
    calls: calls.length > 0,
    misunderstood: /<\/?tool_call>/.test(action?.text ?? '') || calls.some((call) => !isObjectJson(call.arguments)),
    tokens: action?.tokenIds?.length ?? action?.usage.completion_tokens ?? 0,
  };
}

/** Of each task its answers are one number, so that an interval is over tasks. */
function numbersOf(tasks: readonly Task[], tried: readonly Tried[]): EvaluationNumbers {
  const answers = new Map<string, Tried[]>();
  for (const one of tried) answers.set(one.task.id, [...(answers.get(one.task.id) ?? []), one]);
  const perTask = (of: (one: Tried, task: Task) => number, list: readonly Task[] = tasks): number[] =>
    list.map((task) => mean((answers.get(task.id) ?? []).map((one) => of(one, task))));
  const right = ({ made }: Tried): number => Number(made?.right === true);
  const made = tried.flatMap((one) => one.made ?? []);
  const steps = made.flatMap((one) => one.steps);
  const told = steps.flatMap(({ good }) => (good === undefined ? [] : [Number(good)]));
  const spans = tasks.filter(countsWords);
  const scored = (by: typeof f1): number[] =>
    perTask((one, { reference = [] }) => by(one.made?.text ?? '', answersOf(reference)), spans);
  const judges = [...new Set(steps.flatMap(({ labels }) => labels.map(([judge]) => judge)))];
  return {
    tasks: tasks.length,
    unanswered: tried.length - made.length,
    right: shareOf(perTask(right)),
    passAt: TRIES.filter((k) => k > 1 && tried.length >= k * tasks.length).map((k) => ({
      k,
      ...shareOf(
        tasks.map(({ id }) => {
          const list = answers.get(id) ?? [];
          return passAt(k, list.length, list.filter((one) => right(one) === 1).length);
        }),
      ),
    })),
    ...(spans.length === 0 ? {} : { exactMatch: shareOf(scored(exactMatch)), f1: shareOf(scored(f1)) }),
    goodSteps: shareOf(told),
    goodTrajectories: shareOf(made.map((one) => Number(one.steps.every(({ good }) => good !== false)))),
    processLabels: Object.fromEntries(
      judges.map((name) => {
        const labels = steps.flatMap((step) => step.labels.filter(([judge]) => judge === name));
        return [name, shareOf(labels.map(([, good]) => Number(good)))];
      }),
    ),
    toolCallRate: shareOf(steps.filter(({ callable }) => callable).map(({ calls }) => Number(calls))),
    parseFailures: shareOf(steps.map(({ misunderstood }) => Number(misunderstood))),
    stepsATrajectory: meanOf(made.map((one) => one.steps.length)),
    tokensAStep: meanOf(steps.map(({ tokens }) => tokens)),
    tokensATrajectory: meanOf(made.map((one) => one.steps.reduce((sum, { tokens }) => sum + tokens, 0))),
  };
}

function mean(values: readonly number[]): number {
  return values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Whether the set the task is of is counted by the words of a span. */
function countsWords({ metadata, reference }: Task): boolean {
  const format = FORMATS.find(({ name }) => name === metadata['family']);
  return reference !== undefined && (format?.metric === 'exact match and F1' || metricOf({ metadata }) !== undefined);
}
