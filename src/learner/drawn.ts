/** What the samples of a cycle were like, to stand beside what the trainer measured of the update they made. */
import { drawnNumbers } from '../batch/drawn.js';
import { GYRE_POLICY } from '../core/learning/policy_name.js';
import type { Drawn } from '../core/learning/update.js';
import type { Db } from '../store/file/db.js';
import { samplesOf } from '../store/learning/samples.js';
import { stateOf } from '../store/read/state.js';

/** Nothing where none were drawn: in the modes that train on logged actions. */
export function drawnIn(db: Db, cycleId: string): { readonly drawn?: Drawn } {
  const drawn = drawnNumbers(
    samplesOf(db, GYRE_POLICY, cycleId),
    (stepId) => (stateOf(db, stepId)?.tools.length ?? 0) > 0,
  );
  return drawn === undefined ? {} : { drawn };
}
