/**
 * The gate on traffic without answers: candidate and serving version answer held-out conversations, a judge compares
 * the two blind, and what it says goes into the gate's own sequential test. What came is on record before more is
 * asked; a decision and what follows from it are one save.
 */
import { newId } from '../../core/ids.js';
import { candidateNumber } from '../../core/learning/standing.js';
import {
  type Comparer,
  type Comparison,
  conversationUse,
  type LiveAnswer,
  type LiveJudge,
  type LiveState,
} from '../../core/judging/live.js';
import type { LoggedState } from '../../core/learning/state.js';
import type { LearningStore } from '../../core/ports.js';
import { askUntilShown } from '../../promote/asking.js';
import type { Pair } from '../../promote/look.js';
import { outcomeOf } from '../../promote/outcome.js';
import { livePlan } from '../../promote/plan.js';
import { pairOf } from '../../promote/preference.js';
import type { Learner } from '../deps.js';
import { alarmsAgainst, type Gated, type Gating } from '../gating.js';
import { inParallel } from '../pool.js';
import { heard } from './preferring.js';

/** States answered at once. */
const CONCURRENCY = 16;
/** Of conversations that are not held out, the share whose states are asked in the background. */
const SHADOWED = 0.1;

export interface Comparing extends Pick<Learner, 'config' | 'progress' | 'signal'> {
  readonly rows: Pick<LearningStore, 'versions' | 'decisions' | 'evaluations' | 'steps' | 'live' | 'judges'>;
  readonly live: LiveJudge;
  /** Undefined where it did not answer. */
  readonly answer: (state: LoggedState, version: number) => Promise<LiveAnswer | undefined>;
  readonly drifts: Gating['drifts'];
}

/** A version is decided about once. */
export async function compareLive(comparing: Comparing, version: number): Promise<Gated> {
  const { rows, config, live } = comparing;
  const serving = await rows.versions.serving();
  const made = (await rows.decisions.newest(100, version)).find(({ kind }) => kind === 'gate');
  if (made !== undefined) return { decision: made, promoted: false, reason: made.reason };
  if (version === serving) return { promoted: false, reason: 'it is what serves' };

  const chosen = await live.chosen();
  if (typeof chosen === 'string') return { promoted: false, reason: chosen };
  const { comparer, error, note } = chosen;
  const { margin, shadow, max_tasks: max, canary_share: canaryShare } = config.gate;
  const states = await rows.live.states(shadow ? SHADOWED : 0);
  const judge = { name: comparer.name, version: comparer.version };
  const known = await rows.live.compared({ candidate: version, serving }, judge);
  // What a test that was stopped has asked comes first, so that it goes on where it was.
  const pool = [
    ...states.filter(({ stepId }) => known.has(stepId)),
    ...states.filter(({ stepId }) => !known.has(stepId)),
  ];
  const since = await rows.decisions.sincePromotion();
  const number = candidateNumber(since, { version, open: await rows.evaluations.tested() });
  const plan = livePlan(number, pool.length, max, { margin, error });
  if (typeof plan === 'string') return { promoted: false, reason: plan };

  const byStep = new Map(pool.map((state) => [state.stepId, state]));
  const asked = new Set<string>();
  const pairs = await askUntilShown(
    plan,
    pool.map(({ stepId }) => stepId),
    async (stepIds) => {
      const found = await compareAll(comparing, comparer, { version, serving }, known, byStep, stepIds);
      for (const id of stepIds) asked.add(id);
      comparing.progress({ stage: 'evaluate', done: asked.size, total: plan.max, note: `candidate ${number}, live` });
      return found;
    },
  );
  const outcome = outcomeOf({
    plan,
    pairs,
    families: [],
    alarms: await alarmsAgainst(comparing, version, serving),
    asked: {
      conversations: pool.length,
      shadowed: shadow ? SHADOWED : 0,
      judge: `${comparer.name}@${comparer.version}`,
      calibrated_as: comparer.judgeVersion,
      compared_by: comparer.by,
      ...(note === undefined ? {} : { note }),
      sampling: { temperature: 0 },
    },
  });
  if (!outcome.decided) return { promoted: false, reason: outcome.reason };
  const { passed, reason, numbers } = outcome;
  const used = pairs.flatMap(({ taskId }) => {
    const state = byStep.get(taskId);
    return state === undefined ? [] : [conversationUse(state.conversation)];
  });
  const decided = await rows.decisions.gate(
    { kind: 'gate', version, against: serving, passed, reason, numbers },
    used,
    canaryShare > 0,
  );
  return { decision: decided.gate, promoted: decided.promoted, reason };
}

/** What is on record, and what is asked now. What one of them or the judge did not answer is asked again. */
async function compareAll(
  comparing: Comparing,
  comparer: Comparer,
  versions: { readonly version: number; readonly serving: number },
  known: ReadonlyMap<string, Comparison>,
  byStep: ReadonlyMap<string, LiveState>,
  stepIds: readonly string[],
): Promise<Pair[]> {
  const { rows, signal } = comparing;
  const open = stepIds.filter((id) => !known.has(id));
  const states = await rows.steps.states(open);
  const made: Comparison[] = [];
  const pairs = new Map(
    stepIds.flatMap((id) => {
      const one = known.get(id);
      return one === undefined ? [] : [[id, pairOf(id, one.outcome, one.words)] as const];
    }),
  );
  await inParallel(open, CONCURRENCY, async (stepId) => {
    const [state, of] = [states.get(stepId), byStep.get(stepId)];
    if (signal.aborted || state === undefined || of === undefined) return;
    const answered = await compareOne(comparing, comparer, versions, state, of);
    pairs.set(stepId, answered.pair);
    if (answered.comparison !== undefined) made.push(answered.comparison);
  });
  await rows.live.save(made);
  signal.throwIfAborted();
  return stepIds.map((taskId) => pairs.get(taskId) ?? { taskId });
}

async function compareOne(
  { rows, answer, signal }: Comparing,
  comparer: Comparer,
  { version, serving }: { readonly version: number; readonly serving: number },
  state: LoggedState,
  of: LiveState,
): Promise<{ readonly pair: Pair; readonly comparison?: Comparison }> {
  const taskId = of.stepId;
  const [candidate, served] = await Promise.all([answer(state, version), answer(state, serving)]);
  // Nobody to compare with: as of a task, the candidate's silence is its loss, and the other's no win.
  if (candidate === undefined || served === undefined)
    return {
      pair: {
        taskId,
        ...(candidate === undefined ? {} : { candidate: true }),
        ...(served === undefined ? {} : { serving: true }),
      },
    };
  const by = { candidate: version, serving, judge: comparer.name, judgeVersion: comparer.version };
  const said = await heard(comparer, state, { candidate, serving: served }, signal);
  if ('fault' in said) {
    // It is no word about either of the two, and is asked again; what was taken was taken.
    if (said.cost !== undefined) await rows.judges.spend(comparer.name, newId('flt'), said.cost);
    return { pair: { taskId } };
  }
  return {
    pair: pairOf(taskId, said.outcome, said.words),
    comparison: { ...of, ...by, ...said, createdAt: Date.now() },
  };
}
