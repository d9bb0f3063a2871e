/**
 * The gate on one version: held-out tasks are asked of it and of what serves, step by step, until it is shown to be
 * better or hardly will be. What came is on record before more is asked, so a test that was stopped goes on where it
 * was; a decision and the promotion that follows from it are one save.
 */
import { alarmOf, type Drift } from '../core/judging/drift.js';
import type { Update } from '../core/learning/alarms.js';
import type { TaskAnswer } from '../core/learning/evaluation.js';
import { candidateNumber } from '../core/learning/standing.js';
import type { Task } from '../core/learning/task.js';
import type { Decision, NewDecision } from '../core/learning/version.js';
import type { LearningStore } from '../core/ports.js';
import { type Ask, askUntilShown } from '../promote/asking.js';
import { LEAST_COVERAGE, type Pair, tallyOf } from '../promote/look.js';
import { outcomeOf } from '../promote/outcome.js';
import { type GatePlan, gatesOwn, inTurn, planOf } from '../promote/plan.js';
import { askable } from './askable.js';
import type { Learner } from './deps.js';
import { type Answered, GREEDY, type ToAnswer } from './evaluating.js';

/** Tasks asked until what came is on record, where a step is longer. */
const SLICE = 32;

export interface Gating extends Pick<Learner, 'judges' | 'config' | 'progress' | 'signal'> {
  readonly rows: Pick<LearningStore, 'versions' | 'decisions' | 'evaluations' | 'verdicts'>;
  readonly answer: (asked: readonly ToAnswer[]) => Promise<Answered>;
  /** How the judges that reward do on the actions of these versions. */
  readonly drifts: (versions: readonly number[]) => Promise<readonly Drift[]>;
}

/** What became of a candidate. Without a decision nothing is on record but the answers. */
export interface Gated {
  readonly decision?: Decision;
  readonly promoted: boolean;
  readonly reason: string;
  /** Without a decision: whether the candidate alone left too much unanswered, so that nobody else was away. */
  readonly silent?: boolean;
}

/** A version is decided about once: where that was done, by a cycle that was stopped since, it is what stands. */
export async function gate(gating: Gating, version: number, heldout: readonly Task[]): Promise<Gated> {
  const { rows, config } = gating;
  const serving = await rows.versions.serving();
  const made = (await rows.decisions.newest(100, version)).find(({ kind }) => kind === 'gate');
  if (made !== undefined) return { decision: made, promoted: version === serving, reason: made.reason };
  if (version === serving) return { promoted: false, reason: 'it is what serves' };

  const { tasks, withoutReference, asAnother } = askable(heldout, gating.judges);
  const since = await rows.decisions.sincePromotion();
  const number = candidateNumber(since, { version, open: await rows.evaluations.tested() });
  const plan = planOf(number, tasks, config.gate.max_tasks);
  if (typeof plan === 'string') return { promoted: false, reason: plan };
  const uses = await rows.evaluations.uses();
  const pool = inTurn(gatesOwn(tasks).map((task) => ({ id: task.id, usedAt: uses.get(task.id), task })));
  const ask = asking(gating, version, serving, new Map(pool.map(({ id, task }) => [id, task])));

  const pairs = await askUntilShown(plan, ids(pool), counted(ask, gating, plan));
  const input = {
    plan,
    pairs,
    families: [],
    alarms: await alarmsAgainst(gating, version, serving),
    asked: {
      pool: pool.length,
      unused: pool.filter(({ usedAt }) => usedAt === undefined).length,
      without_reference: withoutReference,
      same_question: asAnother,
      judges: gating.judges.map((judge) => `${judge.name}@${judge.version}`),
      sampling: GREEDY,
    },
  };
  const shown = outcomeOf(input);
  const families = shown.decided && shown.passed ? await guarded(gating, pool, pairs, ask) : [];
  const outcome = families.length === 0 ? shown : outcomeOf({ ...input, families });
  if (!outcome.decided) return { promoted: false, reason: outcome.reason, silent: isSilent(pairs) };

  const { passed, reason, numbers } = outcome;
  const used = [pairs, ...families.map((family) => family.pairs)].flat().map(({ taskId }) => taskId);
  const canary = config.gate.canary_share > 0;
  const decision: NewDecision = { kind: 'gate', version, against: serving, passed, reason, numbers };
  const decided = await rows.decisions.gate(decision, used, canary);
  const late =
    passed && !decided.promoted && !canary ? `; not promoted, since version ${serving} does not serve any more` : '';
  return { decision: decided.gate, promoted: decided.promoted, reason: `${reason}${late}` };
}

/** Alarms about the updates that a candidate was made by, and about the judges that it was judged by on the way. */
export async function alarmsAgainst(
  { rows, drifts }: Pick<Gating, 'drifts'> & { readonly rows: Pick<LearningStore, 'versions'> },
  version: number,
  serving: number,
): Promise<readonly string[]> {
  const updates = await rows.versions.updates(version);
  const drifted = await drifts([serving, version, ...updates.map((update) => update.version)]);
  return [...alarmsAmong(updates), ...drifted.filter(({ alarm }) => alarm).map(alarmOf)];
}

/** What was wrong with one update is in all that were made on it. */
function alarmsAmong(updates: readonly Update[]): readonly string[] {
  return [...new Set(updates.flatMap(({ alarms }) => alarms.map(({ name }) => name)))];
}

function ids(tasks: readonly { readonly id: string }[]): string[] {
  return tasks.map(({ id }) => id);
}

/**
 * Answers to one task that lie further apart were not given to the same question: tools, documents, limits or the
 * engine may have become better, or an outage have passed. It is no more than a slice takes, and what was interrupted.
 */
const TOGETHER_MS = 15 * 60_000;

/** Of each task what is on record of both versions. What is not is asked, pair by pair, so that an outage hits both. */
function asking(gating: Gating, version: number, serving: number, tasks: ReadonlyMap<string, Task>): Ask {
  const { rows, judges } = gating;
  const asSlice = async (slice: readonly Task[]): Promise<Pair[]> => {
    const known = async (of: number): Promise<Map<string, TaskAnswer>> =>
      new Map(await rows.evaluations.answers(of, slice, judges));
    const [candidate, served] = [await known(version), await known(serving)];
    const now = Date.now();
    for (const { id } of slice) {
      const [ones, others] = [candidate.get(id)?.createdAt ?? now, served.get(id)?.createdAt ?? now];
      if (Math.abs(ones - others) > TOGETHER_MS) for (const answers of [candidate, served]) answers.delete(id);
    }
    const open = slice.flatMap((task): ToAnswer[] => [
      ...(candidate.has(task.id) ? [] : [{ task, version, as: 'candidate' as const }]),
      ...(served.has(task.id) ? [] : [{ task, version: serving, as: 'serving' as const }]),
    ]);
    if (open.length > 0) {
      const { answers, verdicts } = await gating.answer(open);
      await rows.verdicts.save({ verdicts, faults: [] });
      await rows.evaluations.save(answers);
      gating.signal.throwIfAborted();
      for (const answer of answers) (answer.version === version ? candidate : served).set(answer.taskId, answer);
    }
    const right = (answer: TaskAnswer | undefined): boolean | undefined => answer && answer.score > 0.5;
    return slice.map(({ id }) => ({
      taskId: id,
      candidate: right(candidate.get(id)),
      serving: right(served.get(id)),
    }));
  };
  return async (taskIds) => {
    const list = taskIds.flatMap((id) => tasks.get(id) ?? []);
    const slices: (readonly Pair[])[] = [];
    for (let from = 0; from < list.length; from += SLICE) slices.push(await asSlice(list.slice(from, from + SLICE)));
    return slices.flat();
  };
}

/** Tells how far a test is. */
function counted(ask: Ask, { progress }: Gating, plan: GatePlan): Ask {
  const asked = new Set<string>();
  return async (taskIds) => {
    const pairs = await ask(taskIds);
    for (const id of taskIds) asked.add(id);
    progress({ stage: 'evaluate', done: asked.size, total: plan.max, note: `candidate ${plan.candidate}` });
    return pairs;
  };
}

interface Turn {
  readonly id: string;
  readonly task: Task;
}

/**
 * The guarded families, each on what of it the test had not asked. Where that is nothing, as on a small set, of which
 * every task is asked, on what the test was answered.
 */
async function guarded(
  { config }: Gating,
  pool: readonly Turn[],
  asked: readonly Pair[],
  ask: Ask,
): Promise<{ readonly name: string; readonly margin: number; readonly pairs: readonly Pair[] }[]> {
  const known = new Map(asked.map((pair) => [pair.taskId, pair]));
  const families = [];
  for (const { name, margin } of config.gate.families) {
    const own = pool.filter(({ task }) => task.metadata['family'] === name);
    const fresh = own.filter(({ id }) => !known.has(id));
    const taskIds = ids(fresh.slice(0, config.gate.max_tasks));
    let pairs = fresh.length === 0 ? own.flatMap(({ id }) => known.get(id) ?? []) : await ask(taskIds);
    for (let again = 0; again < 2 && fresh.length > 0 && !covered(pairs); again += 1) pairs = await ask(taskIds);
    families.push({ name, margin, pairs });
  }
  return families;
}

function covered(pairs: readonly Pair[]): boolean {
  const { tasks, answered } = tallyOf(pairs);
  return Math.min(answered.candidate, answered.serving) >= LEAST_COVERAGE * tasks;
}

function isSilent(pairs: readonly Pair[]): boolean {
  const { tasks, answered } = tallyOf(pairs);
  return answered.candidate < LEAST_COVERAGE * tasks && answered.serving >= LEAST_COVERAGE * tasks;
}

/** Refusals in a row after which a worse head is set back to what serves. */
const REFUSALS = 4;

/**
 * Why the head is to be set back to what serves after a refusal; undefined where it is not. One that is no worse may
 * still get there; one that lost accuracy, or that an alarm holds back however good it is, does not. `decisions`:
 * newest first, since the last promotion, with this one.
 */
export function hopelessness(decisions: readonly Decision[], refused: Decision): string | undefined {
  const { difference, stopped } = refused.numbers as { difference?: { difference?: number }; stopped?: string };
  if (refusals(decisions, refused.against) < REFUSALS) return undefined;
  const times = 'the gate has refused several in a row';
  if ((difference?.difference ?? 0) < 0)
    return `version ${refused.version} is worse than version ${refused.against ?? 0}, and ${times}`;
  return stopped === 'alarm' ? `version ${refused.version} is held back by an alarm, and ${times}` : undefined;
}

/** Gate decisions in a row that refused, since the last promotion, rollback or reset. */
function refusals(decisions: readonly Decision[], serving: number | undefined): number {
  let count = 0;
  for (const { kind, passed, against } of decisions) {
    if (kind === 'gate' && !passed && against === serving) count += 1;
    else if (kind !== 'gate' && kind !== 'parity') break;
  }
  return count;
}
