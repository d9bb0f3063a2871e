/**
 * Weights as files: which versions' are needed, for serving, for training on and for going back, and which are on no
 * disk any more.
 */
import { prepared, type Db } from '../file/db.js';
import { removedWeights } from '../file/schema.js';
import type { RemovedWeights, Version } from '../../core/learning/version.js';
import { headVersion, servingVersion } from './decisions.js';
import { allVersions } from './versions.js';

/** Versions that served before, other weights each, to which can be gone back. */
const SERVED_BEFORE = 3;
/** Newest versions, whatever became of them: they may still be evaluated, and looked at. */
const NEWEST = 4;

/** Versions whose weights stay on disk; version 0 is the model itself. */
export function keptWeights(db: Db): ReadonlySet<number> {
  const numbers = (sql: string): number[] =>
    prepared<[], { version: number }>(db, sql)
      .all()
      .map(({ version }) => version);
  const copies = new Map(
    prepared<[], { version: number; copyOf: number }>(
      db,
      'SELECT version, copy_of AS copyOf FROM versions WHERE copy_of IS NOT NULL',
    )
      .all()
      .map(({ version, copyOf }) => [version, copyOf]),
  );
  const weightsOf = (version: number): number => copies.get(version) ?? version;
  const kept = new Set([servingVersion(db), headVersion(db)]);
  const served = new Set([weightsOf(servingVersion(db))]);
  for (const version of numbers(
    `SELECT version FROM decisions WHERE kind IN ('promotion', 'rollback') AND passed ORDER BY id DESC`,
  )) {
    if (served.size > SERVED_BEFORE) break;
    served.add(weightsOf(version));
    kept.add(version);
  }
  for (const version of numbers(`SELECT version FROM versions ORDER BY version DESC LIMIT ${NEWEST}`))
    kept.add(version);
  // What is copied is needed to be copied again.
  for (const version of [...kept]) kept.add(weightsOf(version));
  kept.delete(0);
  return kept;
}

export function saveRemovedWeights(db: Db, removed: RemovedWeights): void {
  db.insert(removedWeights).values(removed).onConflictDoNothing().run();
}

/** Oldest first. */
export function versionsWithWeights(db: Db): Version[] {
  const removed = weightsRemoved(db);
  return allVersions(db).filter(({ version }) => !removed.has(version));
}

/** By version. */
export function weightsRemoved(db: Db): ReadonlyMap<number, RemovedWeights> {
  return new Map(
    db
      .select()
      .from(removedWeights)
      .all()
      .map((row) => [row.version, row]),
  );
}
