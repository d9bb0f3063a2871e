/** Claims: a unique index lets one cycle of a policy at most claim a step, per mode. */
import { and, eq, isNull, sql } from 'drizzle-orm';

import type { Claim, ClaimedState, TrainMode } from '../../core/learning/cycle.js';
import { prepared, type Db } from '../file/db.js';
import { cycleSteps, steps } from '../file/schema.js';

/**
 * Claims steps for a cycle. Returns those that no other cycle of the policy had claimed in this mode, and that were not
 * deleted meanwhile.
 */
export function claim(db: Db, policy: string, cycleId: string, mode: TrainMode, claims: readonly Claim[]): string[] {
  return db.transaction(
    (tx) => {
      const take = (stepId: string, sameAs: string | null): boolean =>
        prepared<[string]>(db, 'SELECT 1 FROM steps WHERE id = ?').get(stepId) !== undefined &&
        tx.insert(cycleSteps).values({ stepId, mode, cycleId, sameAs, policy }).onConflictDoNothing().run().changes > 0;
      return claims
        .filter(({ stepId, same }) => {
          const taken = take(stepId, null);
          if (taken) for (const again of same) take(again, stepId);
          return taken;
        })
        .map(({ stepId }) => stepId);
    },
    { behavior: 'immediate' },
  );
}

/**
 * Releases the steps a cycle has claimed and that are in no batch, nor is the step that has their state. A state whose
 * group is carried over is not drawn at again.
 */
export function unclaim(db: Db, policy: string, cycleId: string): void {
  db.run(sql`DELETE FROM cycle_steps WHERE cycle_id = ${cycleId} AND policy = ${policy} AND NOT EXISTS (
    SELECT 1 FROM batch_items i JOIN batches b ON b.id = i.batch_id
    WHERE i.step_id = coalesce(cycle_steps.same_as, cycle_steps.step_id) AND b.cycle_id = cycle_steps.cycle_id)
    AND NOT EXISTS (SELECT 1 FROM groups g WHERE g.step_id = coalesce(cycle_steps.same_as, cycle_steps.step_id)
      AND g.cycle_id = cycle_steps.cycle_id AND g.outcome = 'informative' AND g.batch_id IS NULL)`);
}

/**
 * Inside a deletion: claims of these steps are gone, whichever policy's, and steps that only had their state again are
 * free for a cycle.
 */
export function forgetClaims(db: Pick<Db, '$client'>, stepIds: readonly string[]): void {
  const forget = prepared<[string, string]>(db, 'DELETE FROM cycle_steps WHERE step_id = ? OR same_as = ?');
  for (const id of stepIds) forget.run(id, id);
}

/** The states a cycle took up, each once. */
export function claimed(db: Db, policy: string, cycleId: string): ClaimedState[] {
  return db
    .select({ stepId: steps.id, trajectoryId: steps.trajectoryId, stateAt: steps.stateAt })
    .from(cycleSteps)
    .innerJoin(steps, eq(steps.id, cycleSteps.stepId))
    .where(and(eq(cycleSteps.policy, policy), eq(cycleSteps.cycleId, cycleId), isNull(cycleSteps.sameAs)))
    .orderBy(steps.seq)
    .all();
}
