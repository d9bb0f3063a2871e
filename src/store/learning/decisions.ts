/** Decisions, and what follows from them: which version serves, and which one is the head. */
import { and, desc, eq, inArray, type SQL, sql } from 'drizzle-orm';

import { newId } from '../../core/ids.js';
import type { Decision } from '../../core/learning/version.js';
import type { Db } from '../file/db.js';
import { appendLedger, contentHashOf } from '../file/ledger.js';
import { policyColumn } from '../file/policy_column.js';
import { decisions, versions } from '../file/schema.js';

export function decide(db: Db, policy: string, decision: Omit<Decision, 'id' | 'createdAt'>): Decision {
  const made: Decision = { id: newId('dec'), createdAt: Date.now(), ...decision };
  const row = {
    ...made,
    against: made.against ?? null,
    numbers: JSON.stringify(made.numbers),
    policy: policyColumn(policy),
  };
  db.transaction(
    (tx) => {
      tx.insert(decisions).values(row).run();
      appendLedger(tx, [['decisions', row.id, contentHashOf('decisions', row)]]);
    },
    { behavior: 'immediate' },
  );
  return made;
}

/** Newest first. */
export function decisionsOf(db: Db, policy: string, limit: number, version?: number): Decision[] {
  const rows = db
    .select()
    .from(decisions)
    .where(and(isOf(policy), version === undefined ? undefined : eq(decisions.version, version)))
    .orderBy(desc(decisions.id))
    .limit(limit)
    .all();
  return rows.map(readDecision);
}

/** About any of these versions, newest first. */
export function decisionsAbout(db: Db, policy: string, about: readonly number[]): Decision[] {
  return db
    .select()
    .from(decisions)
    .where(and(isOf(policy), inArray(decisions.version, [...about])))
    .orderBy(desc(decisions.id))
    .all()
    .map(readDecision);
}

function isOf(policy: string): SQL {
  return sql`${decisions.policy} IS ${policyColumn(policy)}`;
}

function readDecision({ policy: _, against, numbers, ...row }: typeof decisions.$inferSelect): Decision {
  return { ...row, against: against ?? undefined, numbers: JSON.parse(numbers) as Record<string, unknown> };
}

/** Version of the last promotion or rollback that passed; 0 before the first. */
export function servingVersion(db: Db, policy: string): number {
  return (
    db
      .select({ version: decisions.version })
      .from(decisions)
      .where(and(isOf(policy), inArray(decisions.kind, ['promotion', 'rollback']), eq(decisions.passed, true)))
      .orderBy(desc(decisions.id))
      .get()?.version ?? 0
  );
}

/** The version training and sampling follow: the newest of trained versions and head resets. */
export function headVersion(db: Db, policy: string): number {
  const reset = db
    .select({ version: decisions.version, at: decisions.createdAt })
    .from(decisions)
    .where(and(isOf(policy), inArray(decisions.kind, ['head_reset', 'rollback'])))
    .orderBy(desc(decisions.id))
    .get();
  const trained = db
    .select({ version: versions.version, at: versions.createdAt })
    .from(versions)
    .where(and(eq(versions.policy, policy), eq(versions.kind, 'trained')))
    .orderBy(desc(versions.version))
    .get();
  if (trained === undefined) return reset?.version ?? 0;
  return reset !== undefined && reset.at >= trained.at ? reset.version : trained.version;
}
