/** Cycles, and the steps that they take up. */
import { internal } from '../../core/errors.js';
import { newId } from '../../core/ids.js';
import type { CycleRows } from '../../core/ports.js';
import type { Db } from '../file/db.js';
import { batchOf, moveBatch } from '../learning/batches.js';
import { claim, claimed, unclaim } from '../learning/claims.js';
import { cycleById, cyclesOf, moveCycle, runningCycle, saveCycle } from '../learning/cycles.js';
import { headVersion } from '../learning/decisions.js';
import { mayBeDrawnAgain } from '../states/visits.js';

export function cycleRows(db: Db, policy: string): CycleRows {
  return {
    async running() {
      return runningCycle(db, policy);
    },
    async begin({ mode, filter }) {
      const [id, at] = [newId('cyc'), Date.now()];
      const begun = {
        state: 'running',
        stage: 'generate',
        counts: {},
        note: '',
        startedAt: at,
        updatedAt: at,
      } as const;
      return db.transaction(
        () => {
          saveCycle(db, policy, { id, mode, filter, ...begun, baseVersion: headVersion(db, policy) });
          const cycle = cycleById(db, policy, id);
          if (cycle === undefined) throw internal(`cycle ${id} was not kept`);
          return cycle;
        },
        { behavior: 'immediate' },
      );
    },
    async newest(limit) {
      return cyclesOf(db, policy, limit);
    },
    async move(id, change) {
      return moveCycle(db, policy, id, change);
    },
    async claim(id, mode, claims) {
      return claim(db, policy, id, mode, claims);
    },
    async claimed(id) {
      return claimed(db, policy, id);
    },
    async release(id, failed = false) {
      db.transaction(
        () => {
          const row = batchOf(db, policy, id);
          if (row?.state === 'assembled')
            moveBatch(db, policy, row.id, 'failed', 'the cycle failed before it was sent');
          if (failed) mayBeDrawnAgain(db, policy, id);
          unclaim(db, policy, id);
        },
        { behavior: 'immediate' },
      );
    },
  };
}
