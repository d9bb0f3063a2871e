/** What the gate decides by, and whose turn it is to decide. */
import { sql } from 'drizzle-orm';
import { index, integer, primaryKey, real, sqliteTable, text, uniqueIndex } from 'drizzle-orm/sqlite-core';

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

/**
 * The share of live conversations that are held out, and what they are drawn with: both stay, so that what was held out
 * stays so. One row.
 */
export const liveHoldout = sqliteTable('live_holdout', {
  one: integer().primaryKey(),
  salt: text().notNull(),
  /** The largest that was ever configured. */
  share: real().notNull(),
});

/** Answers of two versions to one live state, as a judge compared them. What was answered is not kept. */
export const liveComparisons = sqliteTable(
  'live_comparisons',
  {
    policy: text().notNull().default(GYRE_POLICY),
    candidate: integer().notNull(),
    serving: integer().notNull(),
    stepId: text('step_id').notNull(),
    trajectoryId: text('trajectory_id').notNull(),
    /** By what was said first: copies are one. */
    conversation: text().notNull(),
    judge: text().notNull(),
    judgeVersion: text('judge_version').notNull(),
    outcome: text({ enum: ['won', 'lost', 'tied', 'same'] }).notNull(),
    /** JSON list: what was said with the candidate first, and with it second. */
    words: text().notNull(),
    promptTokens: integer('prompt_tokens').notNull(),
    completionTokens: integer('completion_tokens').notNull(),
    ms: real().notNull().default(0),
    /** Null where no price was known. */
    money: real(),
    createdAt: integer('created_at').notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.policy, t.candidate, t.serving, t.stepId, t.judge, t.judgeVersion] }),
    // Deletion and pruning ask by it, for every policy.
    index('live_comparisons_trajectory').on(t.trajectoryId),
    index('live_comparisons_when').on(t.judge, t.createdAt),
  ],
);

/** Versions that answered a share of the conversations. One that has no end is going on; there is one at most. */
export const canaries = sqliteTable(
  'canaries',
  {
    id: text().primaryKey(),
    policy: text().notNull().default(GYRE_POLICY),
    version: integer().notNull(),
    against: integer().notNull(),
    share: real().notNull(),
    /** The decision of the gate that it has passed; null where the canary alone decides. */
    gateId: text('gate_id'),
    candidate: integer().notNull(),
    /** The newest step when it began: conversations that began before are not compared. */
    since: integer().notNull(),
    /** The newest step whose conversation was looked at. */
    readTo: integer('read_to').notNull(),
    startedAt: integer('started_at').notNull(),
    endedAt: integer('ended_at'),
    decisionId: text('decision_id'),
  },
  (t) => [
    uniqueIndex('canaries_open')
      .on(t.policy)
      .where(sql`ended_at IS NULL`),
  ],
);

/** How a conversation went while a canary was going on, read once. In the order in which they are compared. */
export const canaryOutcomes = sqliteTable(
  'canary_outcomes',
  {
    seq: integer().primaryKey({ autoIncrement: true }),
    canaryId: text('canary_id').notNull(),
    conversation: text().notNull(),
    /** Null where it was deleted or pruned since: how it went stays. */
    trajectoryId: text('trajectory_id'),
    arm: text({ enum: ['candidate', 'serving'] }).notNull(),
    score: real(),
    source: text(),
    failed: integer({ mode: 'boolean' }).notNull(),
    createdAt: integer('created_at').notNull(),
  },
  (t) => [
    uniqueIndex('canary_outcomes_once').on(t.canaryId, t.conversation),
    index('canary_outcomes_trajectory').on(t.trajectoryId),
  ],
);
