/** Claims: a unique index lets one cycle of a policy at most claim a step for one visit, per mode. */
import { and, eq, isNull, sql } from 'drizzle-orm';

import type { Claim, ClaimedState, TrainMode } from '../../core/learning/cycle.js';
import { prepared, type Db } from '../file/db.js';
import { cycleSteps, steps } from '../file/schema.js';

/** How often the state of a step has been visited. */
const VISITS = `SELECT coalesce((SELECT x.visits FROM states x WHERE x.policy = ? AND x.mode = ?
    AND x.hash = substr(s.state_tip, 4, 32) || substr(s.tool_set, 4, 32)), 0) AS visits
  FROM steps s WHERE s.id = ?`;

/**
 * Claims steps for a cycle that holds none; of a mode no other cycle claims them for the same visit. What was deleted
 * meanwhile is left out. Returns the steps whose states the cycle holds.
 */
export function claim(db: Db, policy: string, cycleId: string, mode: TrainMode, claims: readonly Claim[]): string[] {
  return db.transaction(
    (tx) => {
      const held = claimed(db, policy, cycleId);
      if (held.length > 0) return held.map(({ stepId }) => stepId);
      const take = (stepId: string, sameAs: string | null): boolean => {
        const step = prepared<[string, string, string], { visits: number }>(db, VISITS).get(policy, mode, stepId);
        if (step === undefined) return false;
        const row = { stepId, mode, cycleId, sameAs, policy, visit: step.visits };
        return tx.insert(cycleSteps).values(row).onConflictDoNothing().run().changes > 0;
      };
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
 * Releases the steps a cycle has claimed, was not at, and that are in no batch, nor is the step that has their state.
 */
export function unclaim(db: Db, policy: string, cycleId: string): void {
  db.run(sql`DELETE FROM cycle_steps WHERE cycle_id = ${cycleId} AND policy = ${policy} AND NOT visited AND NOT EXISTS (
    SELECT 1 FROM batch_items i JOIN batches b ON b.id = i.batch_id
    WHERE i.step_id = coalesce(cycle_steps.same_as, cycle_steps.step_id) AND b.cycle_id = cycle_steps.cycle_id)`);
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
