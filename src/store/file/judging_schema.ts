/** The tables of judging beside the verdicts themselves: who decides, and what is still to be judged. */
import { sql } from 'drizzle-orm';
import { index, integer, primaryKey, real, sqliteTable, text } from 'drizzle-orm/sqlite-core';

import { GYRE_POLICY } from '../../core/learning/policy_name.js';

const SUBJECT_KINDS = ['step', 'response', 'trajectory', 'sample'] as const;

/**
 * Who decides about a subject, as `deciding` in `src/core/learning/deciding.ts` has it; written in the transaction that
 * adds a verdict. Queries join it, and none decides anything.
 */
export const decided = sqliteTable(
  'decided',
  {
    subjectKind: text('subject_kind', { enum: SUBJECT_KINDS }).notNull(),
    subjectId: text('subject_id').notNull(),
    /** Of the verdict that decides; null where nobody could tell, or one that has to be heard was not. */
    judge: text(),
    good: integer({ mode: 'boolean' }),
    score: real(),
    verdictId: text('verdict_id'),
    /** The judge's place in the order, from 1; 0 for a veto. */
    place: integer(),
    /** Whether a judge that knows right from wrong could tell, or had what it takes to. */
    gradable: integer({ mode: 'boolean' }).notNull(),
    /** How many judges that are not declared have said something of it. */
    unknown: integer().notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.subjectKind, t.subjectId] }),
    index('decided_unknown')
      .on(t.unknown)
      .where(sql`unknown > 0`),
  ],
);

/** Judges that were asked of a subject and failed: they are asked again when it is due. */
export const judgeAttempts = sqliteTable(
  'judge_attempts',
  {
    subjectKind: text('subject_kind', { enum: SUBJECT_KINDS }).notNull(),
    subjectId: text('subject_id').notNull(),
    judge: text().notNull(),
    judgeVersion: text('judge_version').notNull(),
    /** The step it is about, or was drawn at. */
    stepId: text('step_id').notNull(),
    tries: integer().notNull(),
    /** Of the last. */
    reason: text().notNull(),
    dueAt: integer('due_at').notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.subjectKind, t.subjectId, t.judge, t.judgeVersion] }),
    index('judge_attempts_due').on(t.subjectKind, t.dueAt),
  ],
);

/** How far in the log each judge has come: every step up to this one is judged by it, or is late, or never will be. */
export const judgeMarks = sqliteTable(
  'judge_marks',
  {
    judge: text().notNull(),
    judgeVersion: text('judge_version').notNull(),
    /** The step's. */
    seq: integer().notNull(),
  },
  (t) => [primaryKey({ columns: [t.judge, t.judgeVersion] })],
);

/** Steps that could not be judged when it was their turn, and are looked at again. */
export const lateSteps = sqliteTable(
  'late_steps',
  {
    stepId: text('step_id').primaryKey(),
    keyId: text('key_id').notNull(),
    /** When to look whether its response has ended; null where it waits for its key to consent again. */
    dueAt: integer('due_at'),
  },
  (t) => [
    index('late_steps_due')
      .on(t.dueAt)
      .where(sql`due_at IS NOT NULL`),
    index('late_steps_key')
      .on(t.keyId)
      .where(sql`due_at IS NULL`),
  ],
);

/** By whom it was decided: the rows of `decided` are made anew where that has changed. One row. */
export const decidingBy = sqliteTable('deciding', {
  one: integer().primaryKey(),
  /** The declared judges, as JSON. */
  judges: text().notNull(),
  /** The subject up to which they are made anew; null where all are. */
  kind: text(),
  subject: text(),
});

/** What a judgement took, or a fault under an id of its own; it goes with its verdict. */
export const judgeCosts = sqliteTable(
  'judge_costs',
  {
    verdictId: text('verdict_id').primaryKey(),
    judge: text().notNull(),
    promptTokens: integer('prompt_tokens').notNull(),
    completionTokens: integer('completion_tokens').notNull(),
    ms: real().notNull(),
    /** Null where no price was known. */
    money: real(),
    createdAt: integer('created_at').notNull(),
  },
  (t) => [index('judge_costs_when').on(t.judge, t.createdAt)],
);

/** How well a version of a judge was shown to tell right from wrong. Only added; the newest of a version counts. */
export const calibrations = sqliteTable(
  'calibrations',
  {
    id: text().primaryKey(),
    judge: text().notNull(),
    judgeVersion: text('judge_version').notNull(),
    kind: text().notNull(),
    /** Hash of the gold items. */
    gold: text().notNull(),
    source: text({ enum: ['labels', 'file'] }).notNull(),
    /** JSON: what was measured, what it had to reach then, and why it may not reward by that. */
    numbers: text().notNull(),
    bounds: text().notNull(),
    shortfalls: text().notNull(),
    createdAt: integer('created_at').notNull(),
  },
  (t) => [index('calibrations_judge').on(t.judge, t.judgeVersion)],
);

/** Whether a judge still says what outcomes and people say, of each version of a policy: as it was found last. */
export const judgeDrifts = sqliteTable(
  'judge_drifts',
  {
    policy: text().notNull().default(GYRE_POLICY),
    version: integer().notNull(),
    judge: text().notNull(),
    judgeVersion: text('judge_version').notNull(),
    measure: text({ enum: ['outcome', 'people'] }).notNull(),
    n: integer().notNull(),
    value: real().notNull(),
    low: real().notNull(),
    high: real().notNull(),
    bound: real().notNull(),
    alarm: integer({ mode: 'boolean' }).notNull(),
    createdAt: integer('created_at').notNull(),
  },
  (t) => [primaryKey({ columns: [t.policy, t.version, t.judge, t.judgeVersion, t.measure] })],
);

/** Versions of judges that are trained here (`LearnedVersion`, `src/core/judging/learned.ts`): each counts its own. */
export const judgeVersions = sqliteTable(
  'judge_versions',
  {
    judge: text().notNull(),
    version: integer().notNull(),
    state: text({ enum: ['training', 'serving', 'replaced', 'failed', 'lost'] }).notNull(),
    labels: integer().notNull(),
    labelsHash: text('labels_hash').notNull(),
    recipe: text().notNull(),
    /** JSON of the two words, of what it was labelled for, and of its gold items and how they were chosen. */
    good: text().notNull(),
    bad: text().notNull(),
    known: text().notNull(),
    gold: text().notNull(),
    /** JSON; null until it is trained. */
    report: text(),
    scaling: text(),
    adapter: text(),
    judgeVersion: text('judge_version'),
    calibratedAt: integer('calibrated_at'),
    note: text().notNull(),
    createdAt: integer('created_at').notNull(),
    updatedAt: integer('updated_at').notNull(),
  },
  (t) => [primaryKey({ columns: [t.judge, t.version] })],
);
