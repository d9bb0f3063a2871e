/** Evaluation: held-out tasks, greedy, through the gateway's own loop, judged by the reference. Never trained on. */
import { newId } from '../core/ids.js';
import { GYRE_POLICY } from '../core/learning/policy_name.js';
import { type Task, taskSetHash } from '../core/learning/task.js';
import type { Evaluation, EvaluationResult } from '../core/learning/version.js';
import { askAll } from '../judge/ask.js';
import { evaluationOf, saveEvaluation } from '../store/learning/evaluations.js';
import { saveVerdicts } from '../store/learning/verdicts.js';
import { attempt } from './attempt.js';
import type { Learner } from './deps.js';
import { inParallel } from './pool.js';

/** Tasks answered at once. */
const CONCURRENCY = 32;

/** The version's evaluation on exactly these tasks: the one on record, or a new one. */
export async function evaluate(learner: Learner, version: number, tasks: readonly Task[]): Promise<Evaluation> {
  const taskSet = taskSetHash(tasks);
  const known = evaluationOf(learner.db, GYRE_POLICY, version, taskSet);
  if (known !== undefined) return known;
  const results: EvaluationResult[] = [];
  await inParallel(tasks, CONCURRENCY, async (task) => {
    const result = await score(learner, version, task);
    if (result !== undefined) results.push(result);
    learner.progress({ stage: 'evaluate', done: results.length, total: tasks.length, note: `version ${version}` });
  });
  const order = new Map(tasks.map((task, at) => [task.id, at]));
  results.sort((a, b) => (order.get(a.taskId) ?? 0) - (order.get(b.taskId) ?? 0));
  const evaluation: Evaluation = { id: newId('eval'), version, taskSet, results, createdAt: Date.now() };
  saveEvaluation(learner.db, GYRE_POLICY, evaluation);
  return evaluation;
}

/** Undefined where no answer came, since the engine failed; a wrong answer, or one that was cut short, scores 0. */
async function score(learner: Learner, version: number, task: Task): Promise<EvaluationResult | undefined> {
  const answer = await attempt(learner, task, { version, origin: 'evaluate', sampling: { temperature: 0 } });
  if (answer.outcome === 'failed' || answer.outcome === 'cancelled') return undefined;
  const { verdicts } = await askAll(
    learner.judges,
    {
      kind: 'response',
      id: answer.responseId,
      messages: task.messages,
      tools: [],
      text: answer.text,
      calls: [],
      index: 0,
      reference: task.reference,
    },
    learner.signal,
  );
  saveVerdicts(learner.db, verdicts);
  const outcome = verdicts.find((verdict) => verdict.score !== undefined);
  if (outcome?.score === undefined) return undefined;
  return {
    taskId: task.id,
    trajectoryId: answer.trajectoryId,
    score: answer.outcome === 'completed' ? outcome.score : 0,
  };
}
