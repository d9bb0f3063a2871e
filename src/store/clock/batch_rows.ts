/** Batches, as they stand however often they are sent. */
import type { BatchRows } from '../../core/ports.js';
import type { Db } from '../file/db.js';
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

export function batchRows(db: Db): BatchRows {
  return {
    async ofCycle(cycleId) {
      return batchOf(db, cycleId);
    },
    async byId(id) {
      return batchById(db, id);
    },
    async open() {
      return openBatches(db);
    },
    async stepsOf(id) {
      return stepsInBatch(db, id);
    },
    async nextVersion() {
      return Math.max(promisedVersion(db), ...allVersions(db).map(({ version }) => version)) + 1;
    },
    async save(cycleId, batch, items) {
      return saveBatch(db, cycleId, batch, items) ? 'saved' : 'stale';
    },
    async move(id, state, note) {
      moveBatch(db, id, state, note);
    },
  };
}
