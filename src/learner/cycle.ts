/**
 * One learning cycle, readable top to bottom: judge, filter, resample, judge, batch, train, evaluate, gate. It is SWiRL
 * (arXiv 2504.04736) as a loop. The only file that names every stage: each reads and writes rows and knows no other, so
 * a cycle that was stopped anywhere goes on from its rows, and none of it touches a request in flight.
 */
import { randomInt } from 'node:crypto';

import type { Cycle, CycleStage, FilterName, TrainMode } from '../core/learning/cycle.js';
import { asGyreError, GyreError } from '../core/errors.js';
import type { BatchRow } from '../core/learning/batch.js';
import { redactorOf } from '../core/text/redact.js';
import type { LoggedState } from '../core/learning/state.js';
import type { Task } from '../core/learning/task.js';
import { weightsNear } from '../core/learning/version.js';
import { batchOf as batchFrom, type Made, STALE_AFTER } from './batching.js';
import { ruleOf } from '../filter/filter.js';
import { giversAmong } from '../filter/shares.js';
import { choose, PER_TRAJECTORY, shortlist } from './choosing.js';
import { renderDemonstrations, taughtStates } from './demonstrating/render.js';
import type { Learner } from './deps.js';
import { type Gated, hopelessness } from './gating.js';
import { generate } from './generating.js';
import { watchDrift } from './judges/drifting.js';
import { judgeLog, judgeSamples, unheardOf } from './judging.js';
import { beginCanary } from './live/canary.js';
import { mayBeGated, tested } from './live/tested.js';
import { inParallel } from './pool.js';
import { askPlainly, type Draw, draw, failedAt } from './resample.js';
import { boundsIn, countAll } from './states.js';
import { HeadLost, isGone, reconcile, resetHead, train, UNGATED } from './training.js';

/**
 * Prompts in flight at once, each for a group of actions. More than the engine decodes at a time, so that it never
 * waits for one long action.
 */
const DRAWN_AT_ONCE = 16;
/** As many where the engine has broken off. */
const FEW = 4;

export interface CycleOptions {
  /** Answered by the base version before the log is judged; absent when live traffic is the only source. */
  readonly tasks?: readonly Task[] | undefined;
  readonly perTask?: number | undefined;
  /** Held-out tasks for the gate. Without them a version can be trained but never promoted. */
  readonly heldout: readonly Task[];
  /** False leaves the gate to a later cycle: evaluation costs time. */
  readonly gate?: boolean | undefined;
}

/**
 * Runs one cycle, or goes on with the one that was left behind. The returned row says how it ended and why; one that
 * waits for the engine is running still.
 */
export async function runCycle(learner: Learner, options: CycleOptions): Promise<Cycle> {
  const release = await learner.rows.lock.take('cycle', 'a learning cycle');
  try {
    let cycle = await learner.rows.cycles.running();
    try {
      if (cycle === undefined && learner.trainer !== undefined) await reconcile(learner, learner.trainer);
      cycle ??= await begin(learner);
      return await runStages(learner, cycle, options);
    } catch (fallen) {
      // An interruption is not a failure: the rows stay as they are and the next cycle goes on from them.
      if (learner.signal.aborted) throw fallen;
      const thrown =
        cycle !== undefined && (await lacksWeights(learner, cycle, fallen))
          ? new HeadLost(cycle.baseVersion, fallen)
          : fallen;
      const fault = asGyreError(thrown);
      const note = redactorOf(learner.config.redact)?.text(fault.message) ?? fault.message;
      // What was drawn is worth keeping, and an engine that is away says nothing about it.
      if (cycle !== undefined && isEngineAway(fault))
        return await learner.rows.cycles.move(cycle.id, {
          note: `waits for the engine: ${note}`,
          counts: isEngineFault(fault) ? { engine_failed: failuresIn(cycle) + 1 } : {},
        });
      cycle ??= await begin(learner);
      await learner.rows.cycles.release(cycle.id, true);
      return await learner.rows.cycles.move(
        cycle.id,
        thrown instanceof HeadLost ? { state: 'skipped', note, counts: { head_lost: 1 } } : { state: 'failed', note },
      );
    }
  } finally {
    await release();
  }
}

async function runStages(learner: Learner, cycle: Cycle, options: CycleOptions): Promise<Cycle> {
  const { rows } = learner;
  const reach = (stage: CycleStage, counts: Readonly<Record<string, number>> = {}): Promise<Cycle> =>
    rows.cycles.move(cycle.id, { stage, counts });
  const skip = async (note: string): Promise<Cycle> => {
    await use(learner, cycle);
    await rows.cycles.release(cycle.id);
    return rows.cycles.move(cycle.id, { state: 'skipped', note });
  };

  if ((await rows.batches.ofCycle(cycle.id)) === undefined) {
    if ((await rows.versions.ungated()) >= UNGATED) {
      await reach('evaluate');
      const { decision, promoted, note } = await headGated(learner, options);
      if (decision === undefined) return skip(note);
      return rows.cycles.move(cycle.id, { state: 'done', stage: promoted ? 'promote' : 'gate', note });
    }
    if (options.tasks !== undefined) {
      const generated = await generate(
        learner,
        options.tasks,
        options.perTask ?? 1,
        cycle.baseVersion,
        cycle.startedAt,
      );
      await reach('generate', { generated });
    }
    await reach('judge', await judgeLog(learner));
    await watchDrift(learner, [await rows.versions.serving(), cycle.baseVersion]);

    await reach('filter', await takeUp(learner, cycle));
    if (cycle.mode === 'sft') await reach('filter', await renderDemonstrations(learner, cycle.baseVersion));

    if (cycle.mode === 'resample') {
      await reach('resample', await drawAll(learner, cycle));
      await use(learner, cycle);
      await reach('judge_samples', await judgeSamples(learner, cycle.id));
    }
  }

  const { row, counts, note } = await makeBatch(learner, cycle);
  await reach('batch', counts);
  if (row === undefined) return skip(note);
  if (learner.trainer === undefined) return skip('there is no trainer: start one, or set trainer.url');

  await reach('train');
  const { version, parity, isHead } = await train(learner, learner.trainer, row);
  await use(learner, cycle);
  if (!parity.passed)
    return rows.cycles.move(cycle.id, {
      state: 'done',
      note: `version ${version.version} is not evaluated: ${parity.reason}`,
    });

  if (!isHead)
    return rows.cycles.move(cycle.id, {
      state: 'done',
      note: `version ${version.version} is not evaluated: version ${await rows.versions.head()} is the head by now`,
    });

  if (options.gate === false || !mayBeGated(learner, options.heldout)) {
    return rows.cycles.move(cycle.id, {
      state: 'done',
      note:
        `version ${version.version} trained; not gated: ` +
        (options.gate === false ? 'left to a later cycle' : 'no held-out tasks'),
    });
  }
  await reach('evaluate');
  const { decision, promoted, reason } = await gated(learner, version.version, options.heldout);
  return rows.cycles.move(cycle.id, {
    state: 'done',
    ...(decision === undefined ? {} : { stage: promoted ? 'promote' : 'gate' }),
    note: `version ${version.version}: ${reason}`,
  });
}

/** A head that went on for long without a gate is gated before anything is trained on it. */
async function headGated(
  learner: Learner,
  { heldout, gate: may }: CycleOptions,
): Promise<Omit<Gated, 'reason' | 'silent'> & { readonly note: string }> {
  const head = await learner.rows.versions.head();
  const waits = `nothing is trained: the head, version ${head}, is ${UNGATED} updates from the last gate`;
  const parity = (await learner.rows.decisions.newest(100, head)).find(({ kind }) => kind === 'parity');
  if (may === false) return { promoted: false, note: `${waits}, and this cycle was to have none` };
  if (!mayBeGated(learner, heldout))
    return { promoted: false, note: `${waits}; add held-out tasks (learning.heldout)` };
  /** It would wait for ever: training goes on without it. */
  const givenUp = async (unable: string): Promise<{ readonly promoted: false; readonly note: string }> => {
    if (learner.trainer === undefined) return { promoted: false, note: `${waits}; ${unable}` };
    const serving = await learner.rows.versions.serving();
    await resetHead(learner, learner.trainer, { head, serving, reason: `version ${head} waits for a gate; ${unable}` });
    return { promoted: false, note: `${waits}; ${unable}; training goes on from version ${serving}, which serves` };
  };
  if (parity?.passed === false) return givenUp(`it cannot be evaluated: ${parity.reason}`);
  const { reason, silent, ...outcome } = await gated(learner, head, heldout);
  if (silent === true) return givenUp(reason);
  return { ...outcome, note: outcome.decision === undefined ? `${waits}: ${reason}` : `version ${head}: ${reason}` };
}

/** Draws at the claimed states that have not been asked yet. Counts what came of all of them. */
async function drawAll(learner: Learner, cycle: Cycle): Promise<Record<string, number>> {
  const { rows, policy, config, signal } = learner;
  const asked = new Set((await rows.samples.groups(cycle.id)).map(({ stepId }) => stepId));
  const open = (await rows.cycles.claimed(cycle.id)).filter(({ stepId }) => !asked.has(stepId));
  const redactor = redactorOf(config.redact);
  const how: Draw = {
    cycleId: cycle.id,
    version: cycle.baseVersion,
    model: learner.engineModel(cycle.baseVersion),
    samples: config['learning.samples'],
    temperature: config['learning.temperature'],
    contextLength: learner.contextLength,
    redactor,
  };
  let finished = 0;
  // Where a state may be what the engine broke at, it is not to take others with it, nor to be always the first.
  const [waited, failures] = [cycle.note !== '', failuresIn(cycle)];
  const atOnce = failures > 1 ? 1 : waited ? FEW : DRAWN_AT_ONCE;
  const alone = atOnce === 1 || open.length === 1;
  if (failures > 0 && open.length > 0) await askPlainly(policy, how.model, signal);
  let lives = failures > 0;
  await inParallel(waited ? shuffled(open) : open, atOnce, async ({ stepId }) => {
    signal.throwIfAborted();
    const state = (await rows.steps.states([stepId])).get(stepId);
    if (state !== undefined) {
      const group = await draw(policy, state, how, signal).catch((thrown: unknown) => {
        // An engine that answers others fails at this one for its own sake; unless it broke off what it had of all.
        if (!isEngineFault(thrown) || !lives || !(alone || REPLIED.has(thrown.code))) throw thrown;
        return failedAt(stepId, how, thrown.message);
      });
      if (group.outcome === 'drawn') lives = true;
      await rows.samples.save({ ...group, reason: redactor?.text(group.reason) ?? group.reason });
    }
    finished += 1;
    learner.progress({ stage: 'resample', done: finished, total: open.length });
  });
  const counts = { sampled: 0, drift: 0, no_token_ids: 0, refused: 0, redacted: 0 };
  for (const { outcome, drawn, redacted } of await rows.samples.groups(cycle.id)) {
    counts.sampled += drawn;
    counts.redacted += redacted;
    if (outcome === 'drift' || outcome === 'no_token_ids' || outcome === 'refused') counts[outcome] += 1;
  }
  return counts;
}

/** Whether what is drawn from is gone. Once there is a batch it is of other weights that this is said. */
async function lacksWeights({ rows }: Learner, { id }: Cycle, thrown: unknown): Promise<boolean> {
  return isGone(thrown) && (await rows.batches.ofCycle(id)) === undefined;
}

/** It cannot be asked now, whatever it is to be asked. */
function isEngineAway({ side, status }: GyreError): boolean {
  return side === 'engine' && (status >= 500 || status === 429);
}

/** It has replied, to this and nothing else. */
const REPLIED: ReadonlySet<string> = new Set(['engine_error', 'engine_garbage']);
/** It has not, or not to the end: it may have died, and whatever it was asked just then may be the reason. */
const BROKE_OFF: ReadonlySet<string> = new Set(['engine_connection_lost', 'engine_truncated', 'engine_timeout']);

/** It was asked and failed, which is another thing than not to be there. */
function isEngineFault(thrown: unknown): thrown is GyreError {
  return thrown instanceof GyreError && (REPLIED.has(thrown.code) || BROKE_OFF.has(thrown.code));
}

/** How often the cycle has waited because the engine had failed. */
function failuresIn({ counts }: Cycle): number {
  return counts['engine_failed'] ?? 0;
}

/** Makes the cycle's batch, or finds the one that is a row already. */
async function makeBatch(
  learner: Learner,
  cycle: Cycle,
): Promise<{ readonly row?: BatchRow | undefined } & Pick<Made, 'counts' | 'note'>> {
  const { rows, config, judges, declared, bounds, templateHash } = learner;
  for (;;) {
    const row = await rows.batches.ofCycle(cycle.id);
    if (row !== undefined) return { row, counts: {}, note: '' };
    const resamples = cycle.mode === 'resample';
    const groups = resamples ? await rows.samples.open(cycle.id) : [];
    const carried = groups.some(({ policyVersion }) => policyVersion !== cycle.baseVersion);
    const ids = (resamples ? groups : await rows.cycles.claimed(cycle.id)).map(({ stepId }) => stepId);
    const subjects = resamples ? groups.flatMap(({ samples }) => samples.map(({ id }) => id)) : ids;
    const taught = cycle.mode === 'sft' ? await taughtStates(learner, config['learning.max_states']) : [];
    const all = [...ids, ...taught.map(({ state }) => state.stepId)];
    const verdicts = await rows.verdicts.of(resamples ? 'sample' : 'step', subjects);
    const { batch, items, settled, visited, counts, note } = batchFrom(
      {
        cycle,
        groups,
        states: resamples ? await statesAlone(rows, ids) : await rows.steps.states(ids),
        verdicts,
        taught,
        declared,
        unheard: unheardOf(subjects, verdicts, judges),
        consented: await rows.steps.consented(all),
        heldOut: await rows.steps.heldOut(all),
        givers: await rows.givers.of(all),
        heardLately: await rows.givers.heardLately(),
        near: weightsNear(carried ? await rows.versions.all() : [], cycle.baseVersion, STALE_AFTER),
      },
      {
        leastGroups: bounds.leastGroups,
        mostStates: config['learning.max_states'],
        keyShare: config['learning.key_share'],
        targetVersion: await rows.batches.nextVersion(),
        templateHash: templateHash ?? '',
        learningRate: config['learning.rate'],
      },
    );
    await rows.samples.settle(settled);
    await rows.states.visited(visited);
    if (batch === undefined) return { counts, note };
    // Where something of it was deleted meanwhile it is made again, without that.
    if ((await rows.batches.save(cycle.id, batch, items)) === 'stale') continue;
    return { row: await rows.batches.ofCycle(cycle.id), counts, note };
  }
}

/** Without the token ids, which samples have themselves. */
async function statesAlone(rows: Learner['rows'], ids: readonly string[]): Promise<ReadonlyMap<string, LoggedState>> {
  return new Map([...(await rows.steps.asked(ids))].map(([id, { state }]) => [id, state]));
}

function shuffled<T>(list: readonly T[]): T[] {
  const places = new Map(list.map((item) => [item, randomInt(2 ** 32)]));
  return [...list].sort((a, b) => (places.get(a) ?? 0) - (places.get(b) ?? 0));
}

/** The candidate through the gate: it serves where it passed, and a hopeless head is set back to what serves. */
async function gated(learner: Learner, version: number, heldout: readonly Task[]): Promise<Gated> {
  const { rows, trainer } = learner;
  const going = await rows.live.canary();
  if (going !== undefined) return { promoted: false, reason: `not gated: version ${going.version} is a canary` };
  const outcome = await tested(learner, version, heldout);
  const { decision, promoted } = outcome;
  if (promoted) await learner.decided();
  // What was refused, or leaves too much unanswered, answers nobody.
  const waits = decision === undefined ? outcome.silent !== true : decision.passed && !promoted;
  if (waits && learner.config.gate.canary_share > 0) {
    const canary = await beginCanary(learner, version, decision?.id);
    if (canary !== undefined) {
      await learner.decided();
      const share = `${(100 * canary.share).toFixed(0)} %`;
      return { ...outcome, reason: `${outcome.reason}; a canary answers ${share} of the conversations` };
    }
  }
  const refused = decision?.passed === false ? decision : undefined;
  if (trainer === undefined || refused?.against === undefined) return outcome;
  const reason = hopelessness(await rows.decisions.sincePromotion(), refused);
  if (reason !== undefined) await resetHead(learner, trainer, { head: version, serving: refused.against, reason });
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
  const refusals = new Map(
    (await rows.samples.groups(id)).flatMap(({ stepId, outcome, reason }) =>
      outcome === 'refused' ? [[stepId, reason] as const] : [],
    ),
  );
  const held = await rows.cycles.claimed(id);
  await rows.states.visited(
    held.map(({ stepId }) => ({ stepId, version: baseVersion, refused: refusals.get(stepId) })),
  );
}

function added(a: Readonly<Record<string, number>>, b: Readonly<Record<string, number>>): Record<string, number> {
  const sums = { ...a };
  for (const [reason, count] of Object.entries(b)) sums[reason] = (sums[reason] ?? 0) + count;
  return sums;
}

function prefixed(prefix: string, counts: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(counts).map(([reason, count]) => [`${prefix}.${reason}`, count]));
}
