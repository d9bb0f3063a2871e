/** What a deletion has reached of a policy, as it stands now: versions may have come since it was made. */
import { GYRE_POLICY } from '../../core/learning/policy_name.js';
import type { DeletionView } from '../../core/reading.js';
import { seconds } from '../../core/seconds.js';
import { prepared, type Db } from '../file/db.js';
import { deletionId } from '../file/deletions.js';
import { policyColumn } from '../file/policy_column.js';
import { batchesAmong, versionsFrom, withTrainer } from './lineage.js';

/** The deletion of a trajectory. Undefined when there is none, or none of this key's. */
export function deletionOf(db: Db, policy: string, trajectoryId: string, keyId?: string): DeletionView | undefined {
  const row = prepared<[string], { keyId: string | null; batches: string; versions: string; createdAt: number }>(
    db,
    'SELECT key_id AS keyId, batches, versions, created_at AS createdAt FROM deletions WHERE id = ?',
  ).get(deletionId(trajectoryId));
  if (row === undefined || (keyId !== undefined && row.keyId !== keyId)) return undefined;
  const batches = batchesAmong(db, policy, JSON.parse(row.batches) as string[]);
  const versions = new Set([...namedVersions(row.versions, policy), ...versionsFrom(db, policy, batches)]);
  return {
    id: trajectoryId,
    deleted: true,
    batches,
    versions: [...versions].sort((a, b) => a - b),
    pending: withTrainer(db, policy, batches),
    deleted_at: seconds(row.createdAt),
  };
}

/** Of versions of every policy, as a row of deletions has them: numbers of the first, [policy, number] of others. */
export function versionsNamed(policy: string, versions: readonly number[]): (number | [string, number])[] {
  return versions.map((version) => (policyColumn(policy) === null ? version : [policy, version]));
}

function namedVersions(column: string, policy: string): number[] {
  return (JSON.parse(column) as (number | [string, number])[])
    .map((named): [string, number] => (typeof named === 'number' ? [GYRE_POLICY, named] : named))
    .filter(([of]) => of === policy)
    .map(([, version]) => version);
}

/** Whether a response was deleted, by itself or with its trajectory. */
export function isWithdrawn(db: Db, responseId: string): boolean {
  return prepared<[string]>(db, 'SELECT 1 FROM withdrawals WHERE id = ?').get(responseId) !== undefined;
}
