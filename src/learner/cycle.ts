/**
 * One learning cycle, readable top to bottom: judge, filter, resample, judge, batch, train, evaluate, gate.
 * The only file that names every stage. Stages meet in rows, so a cycle that was stopped anywhere goes on
 * from its rows, and none of it touches a request in flight.
 */
import type { Cycle, CycleStage, FilterName, TrainMode } from '../core/learning/cycle.js';
import { asGyreError } from '../core/errors.js';
import { newId } from '../core/ids.js';
import { redactorOf } from '../core/text/redact.js';
import type { Task } from '../core/learning/task.js';
import { cyclesOf, moveCycle, runningCycle, saveCycle } from '../store/learning/cycles.js';
import { batchOf, moveBatch } from '../store/learning/batches.js';
import { claim, unclaim } from '../store/learning/claims.js';
import { headVersion, servingVersion } from '../store/learning/decisions.js';
import { batch } from './batching.js';
import type { Learner } from './deps.js';
import { evaluate } from './evaluating.js';
import { generate } from './generating.js';
import { judgeLog, judgeSamples } from './judging.js';
import { lockLearning } from './lock.js';
import { gateAndPromote } from './promoting.js';
import { resample } from './resample.js';
import { select } from './states.js';
import { catchUp, train } from './training.js';

export interface CycleOptions {
  /** Asked on purpose before the log is looked at; none when live traffic is the source. */
  readonly tasks?: readonly Task[] | undefined;
  readonly perTask?: number | undefined;
  /** Held-out tasks for the gate. Without them a version can be trained but never promoted. */
  readonly heldout: readonly Task[];
  /** False leaves the gate to a later cycle: evaluation costs time. */
  readonly gate?: boolean | undefined;
}

/** Runs one cycle, or finishes the one a crash left behind. The returned row says how it ended and why. */
export async function runCycle(learner: Learner, options: CycleOptions): Promise<Cycle> {
  const release = lockLearning(learner.dataDir);
  try {
    const left = runningCycle(learner.db);
    if (left === undefined && learner.trainer !== undefined) await catchUp(learner, learner.trainer);
    const cycle = left ?? begin(learner);
    try {
      return await stages(learner, cycle, options);
    } catch (thrown) {
      // An interruption is not a failure: the rows stay as they are and the next cycle goes on from them.
      if (learner.signal.aborted) throw thrown;
      giveBack(learner, cycle.id);
      const reason = asGyreError(thrown).message;
      return moveCycle(learner.db, cycle.id, {
        state: 'failed',
        note: redactorOf(learner.config.redact)?.text(reason) ?? reason,
      });
    }
  } finally {
    release();
  }
}

async function stages(learner: Learner, cycle: Cycle, options: CycleOptions): Promise<Cycle> {
  const { db } = learner;
  const at = (stage: CycleStage, counts: Readonly<Record<string, number>> = {}): Cycle =>
    moveCycle(db, cycle.id, { stage, counts });
  const skip = (note: string): Cycle => {
    giveBack(learner, cycle.id);
    return moveCycle(db, cycle.id, { state: 'skipped', note });
  };

  if (batchOf(db, cycle.id) === undefined) {
    if (options.tasks !== undefined)
      at('generate', { generated: await generate(learner, options.tasks, options.perTask ?? 1, cycle.baseVersion) });
    at('judge', { judged: await judgeLog(learner) });

    const { kept, dropped } = select(learner, cycle.filter, cycle.mode);
    const taken = claim(
      db,
      cycle.id,
      cycle.mode,
      kept.slice(-learner.config['learning.max_states']).map((state) => state.stepId),
    );
    at('filter', { states: taken.length, ...prefixed('dropped', dropped) });

    if (cycle.mode === 'resample') {
      at('resample', await resample(learner, cycle));
      at('judge_samples', { judged_samples: await judgeSamples(learner, cycle.id) });
    }
  }

  const { row, counts } = batch(learner, cycle);
  at('batch', counts);
  if (row === undefined) return skip('nothing to train on: see the counts for what dropped every state');
  if (learner.trainer === undefined) return skip('there is no trainer: start one, or set trainer.url');

  at('train');
  const { version, parity } = await train(learner, learner.trainer, row);
  if (!parity.passed)
    return moveCycle(db, cycle.id, {
      state: 'done',
      note: `version ${version.version} is not evaluated: ${parity.reason}`,
    });

  if (options.gate === false || options.heldout.length === 0) {
    return moveCycle(db, cycle.id, {
      state: 'done',
      note:
        `version ${version.version} trained; not gated: ` +
        (options.gate === false ? 'left to a later cycle' : 'no held-out tasks'),
    });
  }
  at('evaluate');
  const candidate = await evaluate(learner, version.version, options.heldout);
  const serving = await evaluate(learner, servingVersion(db), options.heldout);
  at('gate');
  const decision = await gateAndPromote(learner, candidate, serving);
  return moveCycle(db, cycle.id, {
    state: 'done',
    stage: decision.passed ? 'promote' : 'gate',
    note: `version ${version.version}: ${decision.reason}`,
  });
}

function begin(learner: Learner): Cycle {
  const at = Date.now();
  const cycle: Cycle = {
    id: newId('cyc'),
    state: 'running',
    stage: 'generate',
    mode: learner.config['learning.mode'] as TrainMode,
    filter: learner.config['learning.filter'] as FilterName,
    baseVersion: headVersion(learner.db),
    counts: {},
    note: '',
    startedAt: at,
    updatedAt: at,
  };
  saveCycle(learner.db, cycle);
  return cyclesOf(learner.db, 1)[0] ?? cycle;
}

/** States no batch took up may be used by a later cycle. A batch that was never sent is dropped with them. */
function giveBack(learner: Learner, cycleId: string): void {
  const row = batchOf(learner.db, cycleId);
  if (row?.state === 'assembled') moveBatch(learner.db, row.id, 'failed', 'the cycle failed before it was sent');
  unclaim(learner.db, cycleId);
}

function prefixed(prefix: string, counts: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(counts).map(([reason, count]) => [`${prefix}.${reason}`, count]));
}
