/** What learning waits for, with counts per reason: the answer to "why is nothing training?". */
import type { Config } from '../core/config.js';
import type { StateCounts, StateTally } from '../core/learning/candidate.js';
import type { Cycle, FilterName, TrainMode } from '../core/learning/cycle.js';
import { GYRE_POLICY } from '../core/learning/policy_name.js';
import { cycleView, type CycleView, type LearningStatus } from '../core/learning/views.js';
import { cyclesOf, runningCycle, statesOfKey } from '../store/learning/cycles.js';
import type { Db } from '../store/file/db.js';
import { burstsAt } from '../store/keys/pace.js';
import { headVersion, servingVersion } from '../store/learning/decisions.js';
import { countTasks } from '../store/learning/tasks.js';
import { available } from './choosing.js';
import { NO_STATES, tally } from './states.js';

/** What is up to learn. */
export interface LearningPart {
  readonly trainer: boolean;
  readonly learn: boolean;
}

/**
 * `keyId`: as this key may see it. It is told of its own steps and of the cycles that took them up, and of the rest
 * only what it sees by being answered. `counts` are of the steps it is told of.
 */
export function learningStatus(
  db: Db,
  config: Config,
  part: LearningPart,
  keyId?: string,
  { kept, dropped, versions, part: keyPart }: StateCounts = countsOf(stateTally(db, config), keyId),
): LearningStatus {
  const running = runningCycle(db, GYRE_POLICY);
  const [newest, ...older] = cyclesOf(db, GYRE_POLICY, 5, undefined, keyId);
  const last = [newest, ...older].find((cycle) => cycle !== undefined && cycle.state !== 'running');
  if (keyId !== undefined)
    return {
      serving: servingVersion(db, GYRE_POLICY),
      head: headVersion(db, GYRE_POLICY),
      versions,
      learn: part.learn,
      waiting_for: running === undefined ? `a cycle: it would find ${kept} steps of this key` : 'the end of a cycle',
      new_states: kept,
      needed_states: config['learning.min_steps'],
      dropped,
      heldout_tasks: null,
      running: newest?.state === 'running' ? cycleSeenBy(db, newest, keyId) : null,
      last: last === undefined ? null : cycleSeenBy(db, last, keyId),
      bursts: null,
    };
  const heldout = countTasks(db, 'heldout');
  const needed = config['learning.min_steps'];
  return {
    serving: servingVersion(db, GYRE_POLICY),
    head: headVersion(db, GYRE_POLICY),
    versions,
    learn: part.learn,
    waiting_for: waiting(part, running, kept, needed, heldout, dropped['key_share'] ?? 0, keyPart ?? 1),
    new_states: kept,
    needed_states: needed,
    dropped,
    heldout_tasks: heldout,
    running: running === undefined ? null : cycleView(running),
    last: last === undefined ? null : cycleView(last),
    bursts: burstsAt(db),
  };
}

export function stateTally(db: Db, config: Config): StateTally {
  const mode = config['learning.mode'] as TrainMode;
  const { passed, ...counts } = tally(db, config['learning.filter'] as FilterName, mode);
  // A key is told of all of its steps that pass: how many of them a batch takes depends on others.
  const { states, leftOut, part } = available({ db, config }, passed, mode);
  return { ...counts, all: { ...counts.all, kept: states, dropped: { ...counts.all.dropped, ...leftOut }, part } };
}

export function countsOf({ all, byKey }: StateTally, keyId: string | undefined): StateCounts {
  return keyId === undefined ? all : (byKey.get(keyId) ?? NO_STATES);
}

/** A cycle as a key may see it: how many of its steps it took up, and not what became of everyone's. */
export function cycleSeenBy(db: Db, cycle: Cycle, keyId: string | undefined): CycleView {
  return cycleView(
    keyId === undefined
      ? cycle
      : { ...cycle, counts: { states: statesOfKey(db, GYRE_POLICY, cycle.id, keyId) }, note: '' },
  );
}

function waiting(
  part: { trainer: boolean; learn: boolean },
  running: Cycle | undefined,
  have: number,
  needed: number,
  heldout: number,
  overShare: number,
  keyPart: number,
): string {
  if (running !== undefined) return `cycle ${running.id} is at stage "${running.stage}"`;
  if (!part.trainer) return 'a trainer: none is running, and an engine given by address has none of its own';
  if (!part.learn) return 'being asked: learning is off (start with --learn on, or run "gyre learn")';
  if (have < needed && have + overShare >= needed)
    return (
      `${needed - have} more new steps that pass the filter, of other keys (${have} of ${needed}): ${overShare} more ` +
      `are of keys that have given their share, ${Math.round(100 * keyPart)} % of a batch each ` +
      `("learning.key_share")`
    );
  if (have < needed)
    return `${needed - have} more new steps that pass the filter (${have} of ${needed}; see "dropped" for the others)`;
  return heldout === 0
    ? 'its turn; note that without held-out tasks nothing can be promoted'
    : 'its turn: the next cycle is about to start';
}
