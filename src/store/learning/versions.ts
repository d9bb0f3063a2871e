/** Versions of a policy as rows. Its numbers only grow; adding the same version again changes nothing. */
import { and, count, desc, eq, lt, type SQL, sql } from 'drizzle-orm';

import { internal } from '../../core/errors.js';
import { GYRE_POLICY } from '../../core/learning/policy_name.js';
import type { Version } from '../../core/learning/version.js';
import { prepared, type Db, type Tx } from '../file/db.js';
import { appendLedger, contentHashOf } from '../file/ledger.js';
import { policyColumn } from '../file/policy_column.js';
import { deletionVersions, versions } from '../file/schema.js';
import { headVersion, moveHead } from './decisions.js';

/**
 * Adds a version. Its number may be lower than others that came meanwhile; one that is another's is refused. What was
 * trained on the head is the head from now on; what was trained on another stands beside it. The same again is nothing.
 */
export function saveVersion(db: Db, policy: string, version: Version): void {
  db.transaction(
    (tx) => {
      const held = tx.select().from(versions).where(isThe(policy, version.version)).get();
      const { parent = null, batchId = null, copyOf = null, metrics, ...row } = version;
      if (held !== undefined) {
        if (batchId !== null && held.batchId === batchId) return;
        throw internal(`version ${version.version} is there already, and it is another: versions only grow`);
      }
      tx.insert(versions)
        .values({ ...row, policy, parent, batchId, copyOf, metrics: JSON.stringify(metrics) })
        .run();
      if (batchId !== null) nameDeletions(db, tx, { policy, batchId, version: version.version, at: version.createdAt });
      const head = headVersion(tx, policy);
      if (version.kind === 'trained' && (parent ?? head) === head)
        moveHead(tx, policy, { version: version.version, kind: 'trained', batchId });
    },
    { behavior: 'immediate' },
  );
}

function isThe(policy: string, version: number): SQL | undefined {
  return and(eq(versions.policy, policy), eq(versions.version, version));
}

/** What was deleted while the trainer had its batch is in the version all the same: the deletion's record says so. */
function nameDeletions(
  db: Db,
  tx: Tx,
  made: { readonly policy: string; readonly batchId: string; readonly version: number; readonly at: number },
): void {
  const { policy, batchId, version, at } = made;
  const rows = prepared<[string], { id: string }>(
    db,
    'SELECT id FROM deletions WHERE EXISTS (SELECT 1 FROM json_each(batches) WHERE value = ?)',
  )
    .all(batchId)
    .map(({ id }) => ({
      id: policyColumn(policy) === null ? `${id}:${version}` : `${id}:${policy}:${version}`,
      deletionId: id,
      batchId,
      version,
      createdAt: at,
      policy: policyColumn(policy),
    }));
  for (const row of rows) tx.insert(deletionVersions).values(row).run();
  appendLedger(
    tx,
    rows.map((row) => ['deletion_versions', row.id, contentHashOf('deletion_versions', row)]),
    at,
  );
}

/** Oldest first. */
export function allVersions(db: Db, policy: string): Version[] {
  return db.select().from(versions).where(eq(versions.policy, policy)).orderBy(versions.version).all().map(readVersion);
}

/** Newest first, those below a number. `keyId`: only those that learned from a step of this key. */
export function versionsOf(db: Db, policy: string, limit: number, below?: number, keyId?: string): Version[] {
  return db
    .select()
    .from(versions)
    .where(
      and(
        eq(versions.policy, policy),
        below === undefined ? undefined : lt(versions.version, below),
        keyId === undefined
          ? undefined
          : sql`EXISTS (SELECT 1 FROM given_items g
              WHERE g.policy = ${policy} AND g.key_id = ${keyId} AND g.batch_id = ${versions.batchId})`,
      ),
    )
    .orderBy(desc(versions.version))
    .limit(limit)
    .all()
    .map(readVersion);
}

/** How many versions there are. `keyId`: only those that learned from a step of this key. */
export function countVersions(db: Db, policy: string, keyId?: string): number {
  if (keyId === undefined)
    return db.select({ total: count() }).from(versions).where(eq(versions.policy, policy)).get()?.total ?? 0;
  const row = prepared<[string, string], { total: number }>(
    db,
    'SELECT count(*) AS total FROM given_items WHERE policy = ? AND key_id = ? AND version IS NOT NULL',
  ).get(policy, keyId);
  return row?.total ?? 0;
}

export function hasVersion(db: Db, policy: string, version: number): boolean {
  return db.select().from(versions).where(isThe(policy, version)).get() !== undefined;
}

/** Every policy of which there is a version or a decision, for what is done to a whole data folder. */
export function policiesIn(db: Db): string[] {
  return prepared<[string], { policy: string }>(
    db,
    'SELECT policy FROM versions UNION SELECT coalesce(policy, ?) FROM decisions ORDER BY 1',
  )
    .all(GYRE_POLICY)
    .map(({ policy }) => policy);
}

export function readVersion(saved: typeof versions.$inferSelect): Version {
  const { policy: _, parent, batchId, copyOf, metrics, ...row } = saved;
  return {
    ...row,
    parent: parent ?? undefined,
    batchId: batchId ?? undefined,
    copyOf: copyOf ?? undefined,
    metrics: JSON.parse(metrics) as Record<string, unknown>,
  };
}
