/** Live conversations as the gate asks about them, and the canary. */
import type { LiveRows } from '../../core/ports.js';
import type { Db } from '../file/db.js';
import { beginCanary, endCanary, openCanary, outcomesOf, readOutcomes } from '../live/canary.js';
import { comparisonsOf, liveStates, saveComparisons } from '../live/states.js';

export function liveRows(db: Db, policy: string): LiveRows {
  return {
    async states(shadowed) {
      return liveStates(db, policy, shadowed);
    },
    async compared(versions, judge) {
      return comparisonsOf(db, policy, versions, judge);
    },
    async save(comparisons) {
      saveComparisons(db, policy, comparisons);
    },
    async canary() {
      return openCanary(db, policy);
    },
    async begin(canary) {
      return beginCanary(db, policy, canary);
    },
    async read(canary, settledBy) {
      return readOutcomes(db, canary, settledBy);
    },
    async outcomes(canary) {
      return outcomesOf(db, canary.id);
    },
    async end(canary, decision) {
      return endCanary(db, policy, canary, decision);
    },
  };
}
