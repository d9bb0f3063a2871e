/**
 * The tables of versions of policies, and of what was decided about them. Each policy counts its own from 1. Rows of
 * the time when there was one are that one's.
 */
import { index, integer, primaryKey, sqliteTable, text } from 'drizzle-orm/sqlite-core';

import { GYRE_POLICY } from '../../core/learning/policy_name.js';

export const versions = sqliteTable(
  'versions',
  {
    policy: text().notNull().default(GYRE_POLICY),
    version: integer().notNull(),
    kind: text({ enum: ['base', 'trained', 'rollback', 'restart'] }).notNull(),
    parent: integer(),
    batchId: text('batch_id'),
    copyOf: integer('copy_of'),
    metrics: text().notNull(),
    createdAt: integer('created_at').notNull(),
  },
  (t) => [primaryKey({ columns: [t.policy, t.version] })],
);

/** Versions whose weights are on no disk any more: they can neither be asked nor gone back to. */
export const removedWeights = sqliteTable(
  'removed_weights',
  {
    policy: text().notNull().default(GYRE_POLICY),
    version: integer().notNull(),
    reason: text().notNull(),
    createdAt: integer('created_at').notNull(),
  },
  (t) => [primaryKey({ columns: [t.policy, t.version] })],
);

export const decisions = sqliteTable(
  'decisions',
  {
    id: text().primaryKey(),
    kind: text({ enum: ['gate', 'promotion', 'rollback', 'head_reset', 'restart', 'parity', 'canary'] }).notNull(),
    version: integer().notNull(),
    against: integer(),
    passed: integer({ mode: 'boolean' }).notNull(),
    reason: text().notNull(),
    numbers: text().notNull(),
    createdAt: integer('created_at').notNull(),
    /** Null where it is the first policy's (`src/store/file/policy_column.ts`). */
    policy: text(),
  },
  (t) => [index('decisions_version').on(t.version)],
);

export const evaluations = sqliteTable(
  'evaluations',
  {
    id: text().primaryKey(),
    version: integer().notNull(),
    taskSet: text('task_set').notNull(),
    results: text().notNull(),
    createdAt: integer('created_at').notNull(),
    policy: text().notNull().default(GYRE_POLICY),
  },
  (t) => [index('evaluations_of').on(t.version, t.taskSet)],
);

/** What a version did on a set of tasks, asked in one way: numbers alone, which outlive the trajectories. */
export const evaluationReports = sqliteTable(
  'evaluation_reports',
  {
    id: text().primaryKey(),
    policy: text().notNull().default(GYRE_POLICY),
    version: integer().notNull(),
    taskSet: text('task_set').notNull(),
    setting: text().notNull(),
    numbers: text().notNull(),
    createdAt: integer('created_at').notNull(),
  },
  (t) => [index('evaluation_reports_of').on(t.policy, t.version, t.id)],
);

/** Each move of a head, in order: the last one says which version a policy is trained and sampled from. */
export const headMoves = sqliteTable(
  'head_moves',
  {
    seq: integer().primaryKey({ autoIncrement: true }),
    policy: text().notNull().default(GYRE_POLICY),
    version: integer().notNull(),
    kind: text({ enum: ['trained', 'rollback', 'head_reset', 'restart'] }).notNull(),
    /** The head before; null where no row of that time says. */
    fromVersion: integer('from_version'),
    /** What moved it: a decision, or a batch that was trained. */
    decisionId: text('decision_id'),
    batchId: text('batch_id'),
    createdAt: integer('created_at').notNull(),
  },
  (t) => [index('head_moves_of').on(t.policy, t.seq)],
);
