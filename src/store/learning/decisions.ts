/** Decisions, and what follows from them: which version serves, and which one is the head. */
import { and, desc, eq, gt, inArray, type SQL, sql } from 'drizzle-orm';

import { newId } from '../../core/ids.js';
import type { Decision, NewDecision } from '../../core/learning/version.js';
import type { Db, Tx } from '../file/db.js';
import { appendLedger, contentHashOf } from '../file/ledger.js';
import { policyColumn } from '../file/policy_column.js';
import { decisions, taskUses, versions } from '../file/schema.js';

export function decide(db: Db, policy: string, decision: NewDecision): Decision {
  return db.transaction((tx) => decided(tx, policy, decision), { behavior: 'immediate' });
}

/** As a part of a transaction. */
export function decided(tx: Tx, policy: string, decision: NewDecision): Decision {
  const made: Decision = { id: newId('dec'), createdAt: Date.now(), ...decision };
  const row = {
    ...made,
    against: made.against ?? null,
    numbers: JSON.stringify(made.numbers),
    policy: policyColumn(policy),
  };
  tx.insert(decisions).values(row).run();
  appendLedger(tx, [['decisions', row.id, contentHashOf('decisions', row)]]);
  return made;
}

/** What a gate came to, and the tasks it came to it by. */
export interface GateDecided {
  readonly gate: Decision;
  readonly promoted: boolean;
}

/**
 * The gate's decision, and where it passed and what it compared with still serves, the promotion: both or neither.
 * Where another version serves by now, a pass says nothing of that one.
 */
export function decideGate(db: Db, policy: string, decision: NewDecision, tasks: readonly string[]): GateDecided {
  return db.transaction(
    (tx) => {
      const gate = decided(tx, policy, decision);
      for (const taskId of tasks) {
        const usedAt = gate.createdAt;
        tx.insert(taskUses)
          .values({ policy, taskId, usedAt })
          .onConflictDoUpdate({ target: [taskUses.policy, taskUses.taskId], set: { usedAt } })
          .run();
      }
      const { version, against } = gate;
      const promoted = gate.passed && against === servingVersion(db, policy);
      if (promoted) {
        const { reason } = gate;
        decided(tx, policy, { kind: 'promotion', version, against, passed: true, reason, numbers: { gate: gate.id } });
      }
      return { gate, promoted };
    },
    { behavior: 'immediate' },
  );
}

/** Newest first, those after the last promotion. */
export function sincePromotion(db: Db, policy: string): Decision[] {
  const promotion = db
    .select({ id: decisions.id })
    .from(decisions)
    .where(and(isOf(policy), eq(decisions.kind, 'promotion'), eq(decisions.passed, true)))
    .orderBy(desc(decisions.id))
    .get();
  return db
    .select()
    .from(decisions)
    .where(and(isOf(policy), promotion === undefined ? undefined : gt(decisions.id, promotion.id)))
    .orderBy(desc(decisions.id))
    .all()
    .map(readDecision);
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
