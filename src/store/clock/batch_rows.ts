/** Batches, as they stand however often they are sent. */
import type { BatchRows } from '../../core/ports.js';
import type { Db } from '../file/db.js';
import { applyBatch } from '../learning/applied.js';
import {
  batchById,
  batchOf,
  moveBatch,
  openBatches,
  promisedVersion,
  saveBatch,
  stepsInBatch,
} from '../learning/batches.js';
import { allVersions } from '../learning/versions.js';
import { visited } from '../states/visits.js';

export function batchRows(db: Db, policy: string): BatchRows {
  return {
    async ofCycle(cycleId) {
      return batchOf(db, policy, cycleId);
    },
    async byId(id) {
      return batchById(db, policy, id);
    },
    async open() {
      return openBatches(db, policy);
    },
    async stepsOf(id) {
      return stepsInBatch(db, policy, id);
    },
    async nextVersion() {
      return Math.max(promisedVersion(db, policy), ...allVersions(db, policy).map(({ version }) => version)) + 1;
    },
    async save(cycleId, batch, items) {
      return saveBatch(db, policy, cycleId, batch, items) ? 'saved' : 'stale';
    },
    async move(id, state, note, tried) {
      db.transaction(
        () => {
          const row = batchById(db, policy, id);
          if (tried === true && row !== undefined && row.batch.mode !== 'resample') {
            const version = row.batch.base_version;
            visited(
              db,
              policy,
              stepsInBatch(db, policy, id).map((stepId) => ({ stepId, version })),
            );
          }
          moveBatch(db, policy, id, state, note, tried);
        },
        { behavior: 'immediate' },
      );
    },
    async applied(id, made) {
      return applyBatch(db, policy, id, made);
    },
  };
}
