/**
 * One learning cycle, readable top to bottom: judge, filter, resample, judge, batch, train, evaluate, gate. It is SWiRL
 * (arXiv 2504.04736) as a loop. The only file that names every stage: each reads and writes rows and knows no other, so
 * a cycle that was stopped anywhere goes on from its rows, and none of it touches a request in flight.
 */
import type { Cycle, CycleStage, FilterName, TrainMode } from '../core/learning/cycle.js';
import { asGyreError } from '../core/errors.js';
import { GYRE_POLICY } from '../core/learning/policy_name.js';
import { redactorOf } from '../core/text/redact.js';
import type { Task } from '../core/learning/task.js';
import { moveCycle } from '../store/learning/cycles.js';
import { batchOf } from '../store/learning/batches.js';
import { batch } from './batching.js';
import { ruleOf } from '../filter/filter.js';
import { choose, giversAmong, PER_TRAJECTORY, shortlist } from './choosing.js';
import type { Learner } from './deps.js';
import { answered } from './evaluating.js';
import { gate, type Gated, type Gating, isHopeless } from './gating.js';
import { generate } from './generating.js';
import { judgeLog, judgeSamples } from './judging.js';
import { resample } from './resample.js';
import { boundsIn, countAll } from './states.js';
import { HeadLost, reconcile, resetHead, train } from './training.js';

export interface CycleOptions {
  /** Answered by the base version before the log is judged; absent when live traffic is the only source. */
  readonly tasks?: readonly Task[] | undefined;
  readonly perTask?: number | undefined;
  /** Held-out tasks for the gate. Without them a version can be trained but never promoted. */
  readonly heldout: readonly Task[];
  /** False leaves the gate to a later cycle: evaluation costs time. */
  readonly gate?: boolean | undefined;
}

/** Runs one cycle, or finishes the one a crash left behind. The returned row says how it ended and why. */
export async function runCycle(learner: Learner, options: CycleOptions): Promise<Cycle> {
  const release = await learner.rows.lock.take('cycle', 'a learning cycle');
  try {
    let cycle = await learner.rows.cycles.running();
    try {
      if (cycle === undefined && learner.trainer !== undefined) await reconcile(learner, learner.trainer);
      cycle ??= await begin(learner);
      return await runStages(learner, cycle, options);
    } catch (thrown) {
      // An interruption is not a failure: the rows stay as they are and the next cycle goes on from them.
      if (learner.signal.aborted) throw thrown;
      cycle ??= await begin(learner);
      await learner.rows.cycles.release(cycle.id, true);
      const reason = asGyreError(thrown).message;
      return await learner.rows.cycles.move(cycle.id, {
        state: thrown instanceof HeadLost ? 'skipped' : 'failed',
        note: redactorOf(learner.config.redact)?.text(reason) ?? reason,
      });
    }
  } finally {
    await release();
  }
}

async function runStages(learner: Learner, cycle: Cycle, options: CycleOptions): Promise<Cycle> {
  const { db, rows } = learner;
  const reach = (stage: CycleStage, counts: Readonly<Record<string, number>> = {}): Cycle =>
    moveCycle(db, GYRE_POLICY, cycle.id, { stage, counts });
  const skip = async (note: string): Promise<Cycle> => {
    await use(learner, cycle);
    await learner.rows.cycles.release(cycle.id);
    return moveCycle(db, GYRE_POLICY, cycle.id, { state: 'skipped', note });
  };

  if (batchOf(db, GYRE_POLICY, cycle.id) === undefined) {
    if (options.tasks !== undefined)
      reach('generate', { generated: await generate(learner, options.tasks, options.perTask ?? 1, cycle.baseVersion) });
    reach('judge', await judgeLog(learner));

    reach('filter', await takeUp(learner, cycle));

    if (cycle.mode === 'resample') {
      reach('resample', await resample(learner, cycle));
      await use(learner, cycle);
      reach('judge_samples', await judgeSamples(learner, cycle.id));
    }
  }

  const { row, counts } = batch(learner, cycle);
  reach('batch', counts);
  if (row === undefined) return skip('nothing to train on: see the counts for what dropped every state');
  if (learner.trainer === undefined) return skip('there is no trainer: start one, or set trainer.url');

  reach('train');
  const { version, parity, isHead } = await train(learner, learner.trainer, row);
  await use(learner, cycle);
  if (!parity.passed)
    return moveCycle(db, GYRE_POLICY, cycle.id, {
      state: 'done',
      note: `version ${version.version} is not evaluated: ${parity.reason}`,
    });

  if (!isHead)
    return moveCycle(db, GYRE_POLICY, cycle.id, {
      state: 'done',
      note: `version ${version.version} is not evaluated: version ${await rows.versions.head()} is the head by now`,
    });

  if (options.gate === false || options.heldout.length === 0) {
    return moveCycle(db, GYRE_POLICY, cycle.id, {
      state: 'done',
      note:
        `version ${version.version} trained; not gated: ` +
        (options.gate === false ? 'left to a later cycle' : 'no held-out tasks'),
    });
  }
  reach('evaluate');
  const { decision, promoted, reason } = await gated(learner, version.version, options.heldout);
  return moveCycle(db, GYRE_POLICY, cycle.id, {
    state: 'done',
    ...(decision === undefined ? {} : { stage: promoted ? 'promote' : 'gate' }),
    note: `version ${version.version}: ${reason}`,
  });
}

/** The candidate through the gate: it serves where it passed, and a hopeless head is set back to what serves. */
async function gated(learner: Learner, version: number, heldout: readonly Task[]): Promise<Gated> {
  const { rows, judges, config, progress, signal, trainer } = learner;
  const answer: Gating['answer'] = (asked) => answered(learner, asked);
  const outcome = await gate({ rows, judges, config, progress, signal, answer }, version, heldout);
  const { decision, promoted } = outcome;
  if (promoted) await learner.decided();
  const refused = decision?.passed === false ? decision : undefined;
  if (trainer === undefined || refused?.against === undefined) return outcome;
  if (isHopeless(await rows.decisions.sincePromotion(), refused)) await resetHead(learner, trainer, refused.against);
  return outcome;
}

function begin({ rows, config }: Learner): Promise<Cycle> {
  const [mode, filter] = [config['learning.mode'] as TrainMode, config['learning.filter'] as FilterName];
  return rows.cycles.begin({ mode, filter });
}

/** Claims what the cycle draws from. One that was stopped goes on with what it has claimed. */
async function takeUp({ rows, config, signal }: Learner, cycle: Cycle): Promise<Record<string, number>> {
  const { id, mode, filter, baseVersion } = cycle;
  const held = await rows.cycles.claimed(id);
  if (held.length > 0) return { states: held.length };
  const rule = ruleOf(filter, mode, baseVersion);
  await countAll(rows.states, rule, signal);
  const bounds = boundsIn(config, mode, baseVersion);
  const { same_state: _, ...dropped } = (await rows.states.tally(rule, bounds)).dropped;
  const [max, share] = [config['learning.max_states'], config['learning.key_share']];
  const open = await rows.states.open({ ...bounds, mode, limit: max, perTrajectory: PER_TRAJECTORY, seed: id });
  if (mode === 'resample' && !open.some(({ told }) => told))
    return { states: 0, ...prefixed('dropped', open.length === 0 ? dropped : { ...dropped, no_judge: open.length }) };
  const room = { max, share, givers: giversAmong(await rows.givers.heardLately(), open) };
  const listed = shortlist(open, mode, room);
  const ids = listed.states.map(({ stepId }) => stepId);
  const words = await rows.steps.words(ids);
  const known = { words, consented: await rows.steps.consented(ids), heldOut: await rows.steps.heldOut(ids) };
  const { claims, leftOut } = choose(listed.states, known, room);
  const taken = await rows.cycles.claim(id, mode, claims);
  return { states: taken.length, ...prefixed('dropped', added(dropped, added(listed.leftOut, leftOut))) };
}

/** What the cycle has drawn from, or trained on, it has used, whatever came of it. */
async function use({ rows }: Learner, { id, baseVersion }: Cycle): Promise<void> {
  const held = await rows.cycles.claimed(id);
  await rows.states.visited(held.map(({ stepId }) => ({ stepId, version: baseVersion })));
}

function added(a: Readonly<Record<string, number>>, b: Readonly<Record<string, number>>): Record<string, number> {
  const sums = { ...a };
  for (const [reason, count] of Object.entries(b)) sums[reason] = (sums[reason] ?? 0) + count;
  return sums;
}

function prefixed(prefix: string, counts: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(counts).map(([reason, count]) => [`${prefix}.${reason}`, count]));
}
