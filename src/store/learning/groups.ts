/** Groups: what was drawn at a state in a cycle, what came of it, and which batch has taken it. */
import { and, eq, isNull } from 'drizzle-orm';

import type { Group, NewGroup, OpenGroup, SettledGroup } from '../../core/learning/group.js';
import { prepared, type Db, type Tx } from '../file/db.js';
import { groups } from '../file/schema.js';
import { isThere, samplesAt, saveSamples } from './samples.js';

type Row = typeof groups.$inferSelect;

/** One transaction: a state has its whole group or nothing. False where its step was deleted meanwhile. */
export function saveGroup(db: Db, policy: string, { samples, ...group }: NewGroup): boolean {
  return db.transaction(
    (tx) => {
      if (!isThere(db, group.stepId)) return false;
      const added =
        tx
          .insert(groups)
          .values({ ...group, policy })
          .onConflictDoNothing()
          .run().changes > 0;
      if (added) saveSamples(db, policy, samples);
      return true;
    },
    { behavior: 'immediate' },
  );
}

export function groupsOf(db: Db, policy: string, cycleId: string): Group[] {
  return db
    .select()
    .from(groups)
    .where(and(eq(groups.policy, policy), eq(groups.cycleId, cycleId)))
    .orderBy(groups.createdAt, groups.stepId)
    .all()
    .map(read);
}

function read({ cycleId, stepId, policyVersion, outcome, reason, drawn, redacted, createdAt }: Row): Group {
  return { cycleId, stepId, policyVersion, outcome, reason, drawn, redacted, createdAt };
}

/** Of `cycleId` those at which actions were drawn, of earlier cycles those that are informative; in no batch. */
export function openGroups(db: Db, policy: string, cycleId: string): OpenGroup[] {
  const open = prepared<[string, string], Group & { readonly trajectoryId: string }>(
    db,
    `SELECT g.cycle_id AS cycleId, g.step_id AS stepId, g.policy_version AS policyVersion, g.outcome, g.reason, g.drawn,
      g.redacted, g.created_at AS createdAt, s.trajectory_id AS trajectoryId
    FROM groups g JOIN steps s ON s.id = g.step_id
    WHERE g.policy = ? AND g.batch_id IS NULL AND (g.outcome = 'informative'
      OR (g.cycle_id = ? AND g.outcome NOT IN ('drift', 'no_token_ids', 'refused')))
    ORDER BY g.created_at, s.seq`,
  );
  return open
    .all(policy, cycleId)
    .map((group) => ({ ...group, samples: samplesAt(db, policy, group.cycleId, group.stepId) }));
}

export function settleGroups(db: Db, policy: string, settled: readonly SettledGroup[]): void {
  db.transaction(
    (tx) => {
      for (const { cycleId, stepId, outcome, rewarded, mean, spread } of settled)
        tx.update(groups)
          .set({ outcome, rewarded, mean: mean ?? null, spread: spread ?? null })
          .where(
            and(
              eq(groups.policy, policy),
              eq(groups.cycleId, cycleId),
              eq(groups.stepId, stepId),
              isNull(groups.batchId),
            ),
          )
          .run();
    },
    { behavior: 'immediate' },
  );
}

/** Inside the transaction that makes the batch: the groups of its samples are taken. */
export function takeGroups(db: Db, batchId: string): void {
  prepared<[string, string]>(
    db,
    `UPDATE groups SET batch_id = ? WHERE (cycle_id, step_id) IN (SELECT s.cycle_id, s.step_id
      FROM batch_items i JOIN samples s ON s.id = i.item_id WHERE i.batch_id = ?)`,
  ).run(batchId, batchId);
}

/** Inside the transaction in which a batch fails: its groups are free, or, where it was `tried`, used up. */
export function freeGroups(tx: Tx, batchId: string, tried = false): void {
  tx.update(groups)
    .set({ batchId: null, ...(tried ? { outcome: 'update_refused' as const } : {}) })
    .where(eq(groups.batchId, batchId))
    .run();
}
