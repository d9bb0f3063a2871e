/** The tables of what is drawn at logged states in order to train on it. */
import { sql } from 'drizzle-orm';
import { blob, index, integer, primaryKey, real, sqliteTable, text } from 'drizzle-orm/sqlite-core';

import type { GroupOutcome } from '../../core/learning/group.js';
import { GYRE_POLICY } from '../../core/learning/policy_name.js';

export const samples = sqliteTable(
  'samples',
  {
    id: text().primaryKey(),
    cycleId: text('cycle_id').notNull(),
    stepId: text('step_id').notNull(),
    policyVersion: integer('policy_version').notNull(),
    body: text().notNull(),
    /** Whose prompt it has, where that is not its own: its step's, or that of another sample of the same step. */
    promptOf: text('prompt_of'),
    /** Empty where it is another's. */
    promptTokenIds: blob('prompt_token_ids', { mode: 'buffer' }).notNull(),
    tokenIds: blob('token_ids', { mode: 'buffer' }).notNull(),
    logprobs: blob({ mode: 'buffer' }).notNull(),
    createdAt: integer('created_at').notNull(),
    policy: text().notNull().default(GYRE_POLICY),
  },
  (t) => [index('samples_cycle').on(t.cycleId), index('samples_step').on(t.stepId)],
);

/** What was drawn at one state in one cycle, and what came of it: `Group` in `src/core/learning/group.ts`. */
export const groups = sqliteTable(
  'groups',
  {
    policy: text().notNull(),
    cycleId: text('cycle_id').notNull(),
    stepId: text('step_id').notNull(),
    policyVersion: integer('policy_version').notNull(),
    outcome: text().$type<GroupOutcome>().notNull(),
    reason: text().notNull(),
    drawn: integer().notNull(),
    redacted: integer().notNull(),
    /** Null until it was weighed. */
    rewarded: integer(),
    mean: real(),
    spread: real(),
    /** The batch that took it; null again where that failed before it was trained on. */
    batchId: text('batch_id'),
    createdAt: integer('created_at').notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.cycleId, t.stepId] }),
    index('groups_step').on(t.stepId),
    index('groups_batch')
      .on(t.batchId)
      .where(sql`batch_id IS NOT NULL`),
    index('groups_carried')
      .on(t.createdAt)
      .where(sql`outcome = 'informative' AND batch_id IS NULL`),
  ],
);
