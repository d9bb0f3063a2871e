/** Versions of the policy as rows. Numbers only grow; adding the same version again changes nothing. */
import { and, count, desc, eq, lt, sql } from 'drizzle-orm';

import { internal } from '../../core/errors.js';
import type { Version } from '../../core/learning/version.js';
import { prepared, type Db, type Tx } from '../file/db.js';
import { appendLedger, contentHashOf } from '../file/ledger.js';
import { deletionVersions, versions } from '../file/schema.js';

/** Adds a version; a number that is taken is refused: versions only grow. */
export function saveVersion(db: Db, version: Version): void {
  db.transaction(
    (tx) => {
      const newest =
        tx.select({ version: versions.version }).from(versions).orderBy(desc(versions.version)).get()?.version ?? -1;
      if (
        version.version === newest &&
        tx.select().from(versions).where(eq(versions.version, newest)).get()?.batchId === (version.batchId ?? null) &&
        version.batchId !== undefined
      )
        return;
      if (version.version <= newest)
        throw internal(`version ${version.version} is not newer than ${newest}: policy versions only grow`);
      const { parent = null, batchId = null, copyOf = null, metrics, ...row } = version;
      tx.insert(versions)
        .values({ ...row, parent, batchId, copyOf, metrics: JSON.stringify(metrics) })
        .run();
      if (batchId !== null) nameDeletions(db, tx, batchId, version.version, version.createdAt);
    },
    { behavior: 'immediate' },
  );
}

/** What was deleted while the trainer had its batch is in the version all the same: the deletion's record says so. */
function nameDeletions(db: Db, tx: Tx, batchId: string, version: number, at: number): void {
  const rows = prepared<[string], { id: string }>(
    db,
    'SELECT id FROM deletions WHERE EXISTS (SELECT 1 FROM json_each(batches) WHERE value = ?)',
  )
    .all(batchId)
    .map(({ id }) => ({ id: `${id}:${version}`, deletionId: id, batchId, version, createdAt: at }));
  for (const row of rows) tx.insert(deletionVersions).values(row).run();
  appendLedger(
    tx,
    rows.map((row) => ['deletion_versions', row.id, contentHashOf('deletion_versions', row)]),
    at,
  );
}

/** Oldest first. */
export function allVersions(db: Db): Version[] {
  return db.select().from(versions).orderBy(versions.version).all().map(readVersion);
}

/** Newest first, those below a number. `keyId`: only those that learned from a step of this key. */
export function versionsOf(db: Db, limit: number, below?: number, keyId?: string): Version[] {
  return db
    .select()
    .from(versions)
    .where(
      and(
        below === undefined ? undefined : lt(versions.version, below),
        keyId === undefined
          ? undefined
          : sql`EXISTS (SELECT 1 FROM batch_items i JOIN steps s ON s.id = i.step_id
              WHERE i.batch_id = ${versions.batchId} AND s.key_id = ${keyId})`,
      ),
    )
    .orderBy(desc(versions.version))
    .limit(limit)
    .all()
    .map(readVersion);
}

/** How many versions there are, and how many learned from each key's steps. */
export function versionsByKey(db: Db): { readonly all: number; readonly byKey: ReadonlyMap<string, number> } {
  const rows = db.all<{ keyId: string; versions: number }>(
    sql`SELECT s.key_id AS keyId, count(DISTINCT v.version) AS versions
      FROM versions v JOIN batch_items i ON i.batch_id = v.batch_id JOIN steps s ON s.id = i.step_id GROUP BY s.key_id`,
  );
  const all = db.select({ total: count() }).from(versions).get()?.total ?? 0;
  return { all, byKey: new Map(rows.map(({ keyId, versions: learned }) => [keyId, learned])) };
}

export function hasVersion(db: Db, version: number): boolean {
  return db.select().from(versions).where(eq(versions.version, version)).get() !== undefined;
}

export function readVersion({ parent, batchId, copyOf, metrics, ...row }: typeof versions.$inferSelect): Version {
  return {
    ...row,
    parent: parent ?? undefined,
    batchId: batchId ?? undefined,
    copyOf: copyOf ?? undefined,
    metrics: JSON.parse(metrics) as Record<string, unknown>,
  };
}
