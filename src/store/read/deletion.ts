/** What a deletion has reached, as it stands now: versions may have come since it was made. */
import type { DeletionView } from '../../core/reading.js';
import { seconds } from '../../core/seconds.js';
import { prepared, type Db } from '../file/db.js';
import { deletionId } from '../file/deletions.js';
import { versionsFrom, withTrainer } from './lineage.js';

/** The deletion of a trajectory. Undefined when there is none, or none of this key's. */
export function deletionOf(db: Db, trajectoryId: string, keyId?: string): DeletionView | undefined {
  const row = prepared<[string], { keyId: string | null; batches: string; versions: string; createdAt: number }>(
    db,
    'SELECT key_id AS keyId, batches, versions, created_at AS createdAt FROM deletions WHERE id = ?',
  ).get(deletionId(trajectoryId));
  if (row === undefined || (keyId !== undefined && row.keyId !== keyId)) return undefined;
  const batches = JSON.parse(row.batches) as string[];
  const versions = new Set([...(JSON.parse(row.versions) as number[]), ...versionsFrom(db, batches)]);
  return {
    id: trajectoryId,
    deleted: true,
    batches,
    versions: [...versions].sort((a, b) => a - b),
    pending: withTrainer(db, batches),
    deleted_at: seconds(row.createdAt),
  };
}

/** Whether a response was deleted, by itself or with its trajectory. */
export function isWithdrawn(db: Db, responseId: string): boolean {
  return prepared<[string]>(db, 'SELECT 1 FROM withdrawals WHERE id = ?').get(responseId) !== undefined;
}
