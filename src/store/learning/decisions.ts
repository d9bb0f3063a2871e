/** Decisions, and what follows from them: which version serves, and which one is the head. */
import { and, desc, eq, gt, inArray, type SQL, sql } from 'drizzle-orm';

import { GyreError } from '../../core/errors.js';
import { newId } from '../../core/ids.js';
import type { Decision, NewDecision } from '../../core/learning/version.js';
import { prepared, type Db, type Tx } from '../file/db.js';
import { appendLedger, contentHashOf } from '../file/ledger.js';
import { policyColumn } from '../file/policy_column.js';
import { decisions, headMoves, taskUses } from '../file/schema.js';

export function decide(db: Db, policy: string, decision: NewDecision): Decision {
  return db.transaction((tx) => decided(tx, policy, decision), { behavior: 'immediate' });
}

/** As a part of a transaction. */
export function decided(tx: Tx, policy: string, decision: NewDecision): Decision {
  const head = headVersion(tx, policy);
  // Somebody went back, or started again, since it was found hopeless: what that one wanted stands.
  if (decision.kind === 'head_reset' && decision.against !== head)
    throw new GyreError({
      side: 'client',
      status: 409,
      code: 'head_moved',
      message:
        `version ${decision.against ?? 0} was to be left for version ${decision.version}, ` +
        `and version ${head} is the head by now`,
    });
  const made: Decision = { id: newId('dec'), createdAt: Date.now(), ...decision };
  const row = {
    ...made,
    against: made.against ?? null,
    numbers: JSON.stringify(made.numbers),
    policy: policyColumn(policy),
  };
  tx.insert(decisions).values(row).run();
  appendLedger(tx, [['decisions', row.id, contentHashOf('decisions', row)]]);
  const { kind, version, passed, id: decisionId } = made;
  if (passed && (kind === 'head_reset' || kind === 'rollback' || kind === 'restart'))
    moveHead(tx, policy, { version, kind, decisionId });
  return made;
}

/** What a gate came to, and the tasks it came to it by. */
export interface GateDecided {
  readonly gate: Decision;
  readonly promoted: boolean;
}

/**
 * The gate's decision, and where it passed and what it compared with still serves, the promotion: both or neither.
 * Where another version serves by now, a pass says nothing of that one; and where a canary follows, that one decides.
 */
export function decideGate(
  db: Db,
  policy: string,
  decision: NewDecision,
  tasks: readonly string[],
  canary = false,
): GateDecided {
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
      const promoted = gate.passed && !canary && against === servingVersion(db, policy);
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
    .select({ at: sql<number>`${AS_MADE}` })
    .from(decisions)
    .where(and(isOf(policy), eq(decisions.kind, 'promotion'), eq(decisions.passed, true)))
    .orderBy(desc(AS_MADE))
    .get();
  return db
    .select()
    .from(decisions)
    .where(and(isOf(policy), promotion === undefined ? undefined : gt(AS_MADE, promotion.at)))
    .orderBy(desc(AS_MADE))
    .all()
    .map(readDecision);
}

/** Newest first. */
export function decisionsOf(db: Db, policy: string, limit: number, version?: number): Decision[] {
  const rows = db
    .select()
    .from(decisions)
    .where(and(isOf(policy), version === undefined ? undefined : eq(decisions.version, version)))
    .orderBy(desc(AS_MADE))
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
    .orderBy(desc(AS_MADE))
    .all()
    .map(readDecision);
}

/** In which they were made. An id begins with the time, and clocks are set back. */
const AS_MADE = sql`${decisions}.rowid`;

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
      .orderBy(desc(AS_MADE))
      .get()?.version ?? 0
  );
}

/** The version that training and sampling follow: where its last move went. */
export function headVersion(db: Db | Tx, policy: string): number {
  return (
    db
      .select({ version: headMoves.version })
      .from(headMoves)
      .where(eq(headMoves.policy, policy))
      .orderBy(desc(headMoves.seq))
      .get()?.version ?? 0
  );
}

/** As a part of what moves it. */
export function moveHead(
  tx: Tx,
  policy: string,
  to: Pick<typeof headMoves.$inferInsert, 'version' | 'kind' | 'decisionId' | 'batchId'>,
): void {
  tx.insert(headMoves)
    .values({ ...to, policy, fromVersion: headVersion(tx, policy), createdAt: Date.now() })
    .run();
}

/** Moves of the head by training since the gate decided about one of its versions, or something else moved it. */
export function ungatedUpdates(db: Db, policy: string): number {
  const row = prepared<[{ policy: string; column: string | null }], { updates: number }>(
    db,
    `SELECT count(*) AS updates FROM head_moves WHERE policy = @policy AND kind = 'trained' AND seq > max(
      coalesce((SELECT max(seq) FROM head_moves WHERE policy = @policy AND kind <> 'trained'), 0),
      coalesce((SELECT max(m.seq) FROM head_moves m WHERE m.policy = @policy AND m.version = (
        SELECT version FROM decisions WHERE policy IS @column AND kind = 'gate' ORDER BY rowid DESC LIMIT 1)), 0))`,
  ).get({ policy, column: policyColumn(policy) });
  return row?.updates ?? 0;
}
