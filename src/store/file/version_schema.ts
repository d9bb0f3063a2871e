/** The tables of versions of the policy, and of what was decided about them. */
import { index, integer, sqliteTable, text } from 'drizzle-orm/sqlite-core';

export const versions = sqliteTable('versions', {
  version: integer().primaryKey(),
  kind: text({ enum: ['base', 'trained', 'rollback'] }).notNull(),
  parent: integer(),
  batchId: text('batch_id'),
  copyOf: integer('copy_of'),
  metrics: text().notNull(),
  createdAt: integer('created_at').notNull(),
});

/** Versions whose weights are on no disk any more: they can neither be asked nor gone back to. */
export const removedWeights = sqliteTable('removed_weights', {
  version: integer().primaryKey(),
  reason: text().notNull(),
  createdAt: integer('created_at').notNull(),
});

export const decisions = sqliteTable(
  'decisions',
  {
    id: text().primaryKey(),
    kind: text({ enum: ['gate', 'promotion', 'rollback', 'head_reset', 'parity', 'canary'] }).notNull(),
    version: integer().notNull(),
    against: integer(),
    passed: integer({ mode: 'boolean' }).notNull(),
    reason: text().notNull(),
    numbers: text().notNull(),
    createdAt: integer('created_at').notNull(),
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
  },
  (t) => [index('evaluations_of').on(t.version, t.taskSet)],
);
