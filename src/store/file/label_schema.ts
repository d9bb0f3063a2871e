/** What people say of logged steps: `src/core/judging/labels.ts`. */
import { sql } from 'drizzle-orm';
import { blob, index, integer, sqliteTable, text } from 'drizzle-orm/sqlite-core';

/** Labels are only added; one that is taken back is named by another row. */
export const labels = sqliteTable(
  'labels',
  {
    id: text().primaryKey(),
    /** Of a label on a trajectory that of its last answer. */
    stepId: text('step_id').notNull(),
    trajectoryId: text('trajectory_id').notNull(),
    about: text({ enum: ['step', 'trajectory'] }).notNull(),
    /** Null where the person cannot say, and in a withdrawal. */
    good: integer({ mode: 'boolean' }),
    comment: text(),
    /** JSON of the assistant turn that would have been right. */
    demonstration: text(),
    /** The key's id, or who said it at the console; empty where no key was needed. */
    who: text().notNull(),
    /** The label that this row takes back. */
    withdraws: text(),
    createdAt: integer('created_at').notNull(),
  },
  (t) => [
    index('labels_step').on(t.stepId),
    index('labels_trajectory').on(t.trajectoryId),
    index('labels_withdraws')
      .on(t.withdraws)
      .where(sql`withdraws IS NOT NULL`),
  ],
);

/** Demonstrations as the engine's template renders them: made again where that is another. Not a part of the ledger. */
export const demonstrations = sqliteTable(
  'demonstrations',
  {
    /** The label's, or the feedback's. */
    id: text().primaryKey(),
    stepId: text('step_id').notNull(),
    templateHash: text('template_hash').notNull(),
    /** Of the demonstrated turn; null where it cannot be learned from. */
    tokenIds: blob('token_ids', { mode: 'buffer' }),
    /** Why not; empty where it can. */
    reason: text().notNull(),
    createdAt: integer('created_at').notNull(),
  },
  (t) => [index('demonstrations_step').on(t.stepId)],
);
