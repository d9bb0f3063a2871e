/** What the gate decides by, and whose turn it is to decide. */
import { index, integer, primaryKey, real, sqliteTable, text } from 'drizzle-orm/sqlite-core';

import { GYRE_POLICY } from '../../core/learning/policy_name.js';

/** Held-out tasks answered by versions. What was not answered has no row: it is asked again. */
export const evaluationAnswers = sqliteTable(
  'evaluation_answers',
  {
    policy: text().notNull().default(GYRE_POLICY),
    version: integer().notNull(),
    taskId: text('task_id').notNull(),
    /** Of what the task says: an answer to what stood under its id before is none to it. */
    taskHash: text('task_hash').notNull(),
    judge: text().notNull(),
    judgeVersion: text('judge_version').notNull(),
    score: real().notNull(),
    trajectoryId: text('trajectory_id').notNull(),
    askedAs: text('asked_as', { enum: ['candidate', 'serving', 'report'] }).notNull(),
    createdAt: integer('created_at').notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.policy, t.version, t.taskHash, t.judge, t.judgeVersion] }),
    // Deletion and pruning ask by it, for every policy.
    index('evaluation_answers_trajectory').on(t.trajectoryId),
  ],
);

/** When a decision of the gate last used a task: what rested longest is taken first. */
export const taskUses = sqliteTable(
  'task_uses',
  {
    policy: text().notNull().default(GYRE_POLICY),
    taskId: text('task_id').notNull(),
    usedAt: integer('used_at').notNull(),
  },
  (t) => [primaryKey({ columns: [t.policy, t.taskId] })],
);

/** Who does what of a policy only one may do at a time. A row whose process is no more is nobody's. */
export const leases = sqliteTable(
  'leases',
  {
    policy: text().notNull().default(GYRE_POLICY),
    name: text({ enum: ['cycle', 'steering'] }).notNull(),
    /** Whoever gives it back has to have it. */
    token: text().notNull(),
    pid: integer().notNull(),
    startTime: text('start_time').notNull(),
    /** For whoever is refused: `a learning cycle`. */
    what: text().notNull(),
    takenAt: integer('taken_at').notNull(),
  },
  (t) => [primaryKey({ columns: [t.policy, t.name] })],
);
