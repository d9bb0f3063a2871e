/** Claims: a unique index lets one cycle at most claim a step, per mode. */
import { eq, sql } from 'drizzle-orm';

import type { TrainMode } from '../../core/learning/cycle.js';
import type { Db } from '../file/db.js';
import { cycleSteps, steps } from '../file/schema.js';

/** Claims steps for a cycle. Returns those that no other cycle had claimed in this mode. */
export function claim(db: Db, cycleId: string, mode: TrainMode, stepIds: readonly string[]): string[] {
  return db.transaction(
    (tx) =>
      stepIds.filter(
        (stepId) => tx.insert(cycleSteps).values({ stepId, mode, cycleId }).onConflictDoNothing().run().changes > 0,
      ),
    { behavior: 'immediate' },
  );
}

/** Releases the steps a cycle has claimed and that are in no batch. */
export function unclaim(db: Db, cycleId: string): void {
  db.run(sql`DELETE FROM cycle_steps WHERE cycle_id = ${cycleId} AND NOT EXISTS (
    SELECT 1 FROM batch_items i JOIN batches b ON b.id = i.batch_id
    WHERE i.step_id = cycle_steps.step_id AND b.cycle_id = cycle_steps.cycle_id)`);
}

export function claimed(db: Db, cycleId: string): { stepId: string; trajectoryId: string }[] {
  return db
    .select({ stepId: steps.id, trajectoryId: steps.trajectoryId })
    .from(cycleSteps)
    .innerJoin(steps, eq(steps.id, cycleSteps.stepId))
    .where(eq(cycleSteps.cycleId, cycleId))
    .orderBy(steps.seq)
    .all();
}
