/** What `status` tells of, as the rows are now: nothing of it grows with the log. */
import type { Cycle } from '../../core/learning/cycle.js';
import type { StatusFacts } from '../../core/learning/status.js';
import type { StatusQuery, StatusRows } from '../../core/ports.js';
import type { Db } from '../file/db.js';
import { newestCalibrations } from '../judges/calibrations.js';
import { driftsOf } from '../judges/drifts.js';
import { burstsAt } from '../keys/pace.js';
import { cyclesOf, runningCycle, statesOfKey } from '../learning/cycles.js';
import { unknownJudged } from '../learning/decided.js';
import { headVersion, servingVersion, ungatedUpdates } from '../learning/decisions.js';
import { heardLately } from '../learning/givers.js';
import { countTasks } from '../learning/tasks.js';
import { countVersions } from '../learning/versions.js';
import { canaryStatus } from '../live/canary.js';
import { tallyOf } from '../states/tally.js';

/** Cycles among which the last that ended is. */
const NEWEST = 8;

export function statusRows(db: Db, policy: string): StatusRows {
  return {
    async status(asked) {
      return statusFacts(db, policy, asked);
    },
  };
}

export function statusFacts(db: Db, policy: string, { ruleAt, boundsAt, keyId }: StatusQuery): StatusFacts {
  const [serving, head] = [servingVersion(db, policy), headVersion(db, policy)];
  return {
    serving,
    head,
    ungated: ungatedUpdates(db, policy),
    versions: countVersions(db, policy, keyId),
    tally: tallyOf(db, policy, { rule: ruleAt(head), ...boundsAt(head), keyId }),
    heardLately: keyId === undefined ? heardLately(db) : [],
    heldoutTasks: countTasks(db, 'heldout'),
    unknownJudged: keyId === undefined ? unknownJudged(db) : 0,
    running: runningCycle(db, policy),
    newest: cyclesOf(db, policy, NEWEST, undefined, keyId).map((cycle) =>
      keyId === undefined ? cycle : seenBy(db, policy, cycle, keyId),
    ),
    bursts: keyId === undefined ? burstsAt(db) : [],
    canary: keyId === undefined ? canaryStatus(db, policy) : undefined,
    calibrations: keyId === undefined ? newestCalibrations(db) : [],
    drifts: keyId === undefined ? driftsOf(db, policy, [serving, head]) : [],
  };
}

/** A cycle as a key may see it: how many of its steps it took up, and not what became of everyone's. */
export function seenBy(db: Db, policy: string, cycle: Cycle, keyId: string): Cycle {
  return { ...cycle, counts: { states: statesOfKey(db, policy, cycle.id, keyId) }, note: '' };
}
