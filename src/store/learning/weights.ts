/**
 * Weights as files: which versions' are needed, for serving, for training on and for going back, and which are on no
 * disk any more.
 */
import { eq } from 'drizzle-orm';

import { prepared, type Db } from '../file/db.js';
import { policyColumn } from '../file/policy_column.js';
import { removedWeights } from '../file/schema.js';
import type { RemovedWeights, Version } from '../../core/learning/version.js';
import { headVersion, servingVersion } from './decisions.js';
import { allVersions } from './versions.js';

/** Versions that served before, other weights each, to which can be gone back. */
const SERVED_BEFORE = 3;
/** Newest versions, whatever became of them: they may still be evaluated, and looked at. */
const NEWEST = 4;

/** Versions whose weights stay on disk; version 0 is the model itself. */
export function keptWeights(db: Db, policy: string): ReadonlySet<number> {
  const numbers = (sql: string): number[] =>
    prepared<[{ policy: string; column: string | null }], { version: number }>(db, sql)
      .all({ policy, column: policyColumn(policy) })
      .map(({ version }) => version);
  const copies = new Map(
    prepared<[string], { version: number; copyOf: number }>(
      db,
      'SELECT version, copy_of AS copyOf FROM versions WHERE policy = ? AND copy_of IS NOT NULL',
    )
      .all(policy)
      .map(({ version, copyOf }) => [version, copyOf]),
  );
  const weightsOf = (version: number): number => copies.get(version) ?? version;
  const kept = new Set([servingVersion(db, policy), headVersion(db, policy)]);
  const served = new Set([weightsOf(servingVersion(db, policy))]);
  for (const version of numbers(
    `SELECT version FROM decisions WHERE policy IS @column AND kind IN ('promotion', 'rollback') AND passed
      ORDER BY id DESC`,
  )) {
    if (served.size > SERVED_BEFORE) break;
    served.add(weightsOf(version));
    kept.add(version);
  }
  for (const version of numbers(
    `SELECT version FROM versions WHERE policy = @policy ORDER BY version DESC LIMIT ${NEWEST}`,
  ))
    kept.add(version);
  for (const version of numbers('SELECT version FROM canaries WHERE policy = @policy AND ended_at IS NULL'))
    kept.add(version);
  // What is copied is needed to be copied again.
  for (const version of [...kept]) kept.add(weightsOf(version));
  kept.delete(0);
  return kept;
}

export function saveRemovedWeights(db: Db, policy: string, removed: RemovedWeights): void {
  db.insert(removedWeights)
    .values({ ...removed, policy })
    .onConflictDoNothing()
    .run();
}

/** Oldest first. */
export function versionsWithWeights(db: Db, policy: string): Version[] {
  const removed = weightsRemoved(db, policy);
  return allVersions(db, policy).filter(({ version }) => !removed.has(version));
}

/** By version. */
export function weightsRemoved(db: Db, policy: string): ReadonlyMap<number, RemovedWeights> {
  return new Map(
    db
      .select()
      .from(removedWeights)
      .where(eq(removedWeights.policy, policy))
      .all()
      .map(({ policy: _, ...row }) => [row.version, row]),
  );
}
