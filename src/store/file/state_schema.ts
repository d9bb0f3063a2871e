/**
 * What may be learned from, counted as it comes. Every row here follows from others and is made by
 * `src/store/states/`; triggers (`migrations/0011_states.sql`) note which trajectories have changed, add up the counts,
 * and let go of what was deleted or pruned, wherever that was done.
 */
import { sql } from 'drizzle-orm';
import { index, integer, primaryKey, real, sqliteTable, text, uniqueIndex } from 'drizzle-orm/sqlite-core';

/** Policies whose candidates are counted, and by which rule; nothing is noted for any other. */
export const countings = sqliteTable('countings', {
  policy: text().primaryKey(),
  mode: text().notNull(),
  /** The filter, and all else that a reason depends on. */
  rule: text().notNull(),
  /** Which held-out tasks the rows know, and whether tasks were written since. */
  heldOut: text('held_out').notNull(),
  tasksWritten: integer('tasks_written', { mode: 'boolean' }).notNull(),
  /** Reasons up to this step are those of an earlier rule where it is not null, and are told again from here on. */
  recountFrom: integer('recount_from'),
  /** How many trajectories there were to be counted when counting began. */
  total: integer().notNull(),
  /** Steps after this one are new; those up to it are counted, or their trajectory is in `touched`. */
  stepsTo: integer('steps_to').notNull().default(0),
});

/** Trajectories that have changed since their candidates were counted; that steps came is seen by their `seq`. */
export const touched = sqliteTable(
  'touched',
  { policy: text().notNull(), trajectoryId: text('trajectory_id').notNull() },
  (t) => [primaryKey({ columns: [t.policy, t.trajectoryId] })],
);

/** Responses that had no end yet when their steps were counted: then the trajectory is looked at once more. */
export const unanswered = sqliteTable('unanswered', {
  responseId: text('response_id').primaryKey(),
  trajectoryId: text('trajectory_id').notNull(),
});

/** A logged step with everything that a filter looks at. */
export const candidates = sqliteTable(
  'candidates',
  {
    policy: text().notNull(),
    /** The step's. */
    seq: integer().notNull(),
    keyId: text('key_id').notNull(),
    /** Whether it is the operator's own, of whoever's key: a task that the learner answered. */
    own: integer({ mode: 'boolean' }).notNull(),
    policyVersion: integer('policy_version').notNull(),
    /** Yes and no, in bits (`src/store/states/facts.ts`). */
    facts: integer().notNull(),
    notTrainable: text('not_trainable'),
    /** Step of another trajectory that this one goes on from. */
    branchOf: integer('branch_of'),
    /** Why it is dropped; empty where it is kept. */
    reason: text().notNull(),
    /** Of those that are kept: row of `states`, and the place among those that have the same state. */
    state: integer(),
    place: integer().notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.seq, t.policy] }),
    index('candidates_state')
      .on(t.state, t.place)
      .where(sql`state IS NOT NULL`),
    index('candidates_branch')
      .on(t.branchOf)
      .where(sql`branch_of IS NOT NULL`),
  ],
);

/** How many candidates of a key each reason drops. */
export const candidateCounts = sqliteTable(
  'candidate_counts',
  {
    policy: text().notNull(),
    keyId: text('key_id').notNull(),
    reason: text().notNull(),
    steps: integer().notNull(),
  },
  (t) => [primaryKey({ columns: [t.policy, t.keyId, t.reason] })],
);

/** The states of candidates that are kept, each once, and how often a cycle of this mode has been there. */
export const states = sqliteTable(
  'states',
  {
    id: integer().primaryKey(),
    policy: text().notNull(),
    mode: text().notNull(),
    /** Of what the policy was conditioned on: the beginnings of the hashes of its messages and its tools. */
    hash: text().notNull(),
    /** Its first bits: an order without a meaning, in which states are drawn. */
    draw: integer().notNull(),
    /** Candidates that have it, of which so many were judged by who knows right from wrong; and the first of them. */
    steps: integer().notNull(),
    told: integer().notNull(),
    first: integer(),
    keyId: text('key_id').notNull(),
    own: integer({ mode: 'boolean' }).notNull(),
    visits: integer().notNull(),
    /** The version that was drawn from last, -1 before the first; and how many of those actions were good, of 1. */
    lastVersion: integer('last_version').notNull(),
    lastRate: real('last_rate'),
    refusals: integer().notNull(),
    /** Why nothing is drawn here any more. */
    setAside: text('set_aside'),
    known: integer({ mode: 'boolean' })
      .notNull()
      .generatedAlwaysAs(sql`told > 0`, { mode: 'virtual' }),
    /** 0 never visited, 1 where some of the last actions were good and some not, 2 where all were alike. */
    bucket: integer()
      .notNull()
      .generatedAlwaysAs(sql`CASE WHEN visits = 0 THEN 0 WHEN last_rate > 0 AND last_rate < 1 THEN 1 ELSE 2 END`, {
        mode: 'virtual',
      }),
  },
  (t) => [
    uniqueIndex('states_once').on(t.hash, t.policy, t.mode),
    index('states_open')
      .on(t.policy, t.mode, t.keyId, t.own, t.bucket, t.known, t.draw)
      .where(sql`steps > 0 AND set_aside IS NULL`),
    index('states_aside')
      .on(t.policy, t.mode)
      .where(sql`steps > 0 AND set_aside IS NOT NULL`),
  ],
);

/** How many claims of a cycle are of a key's steps: what a key may see of cycles is read from here. */
export const givenStates = sqliteTable(
  'given_states',
  {
    policy: text().notNull(),
    keyId: text('key_id').notNull(),
    cycleId: text('cycle_id').notNull(),
    states: integer().notNull(),
  },
  (t) => [primaryKey({ columns: [t.policy, t.keyId, t.cycleId] })],
);

/** How many items of a batch are of a key's steps, and which version was made of it. */
export const givenItems = sqliteTable(
  'given_items',
  {
    policy: text().notNull(),
    keyId: text('key_id').notNull(),
    batchId: text('batch_id').notNull(),
    items: integer().notNull(),
    version: integer(),
  },
  (t) => [primaryKey({ columns: [t.policy, t.keyId, t.batchId] })],
);

/** How many states there are of each kind, without those that were set aside. */
export const stateCounts = sqliteTable(
  'state_counts',
  {
    policy: text().notNull(),
    mode: text().notNull(),
    keyId: text('key_id').notNull(),
    own: integer({ mode: 'boolean' }).notNull(),
    known: integer({ mode: 'boolean' }).notNull(),
    visits: integer().notNull(),
    lastVersion: integer('last_version').notNull(),
    states: integer().notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.policy, t.mode, t.keyId, t.own, t.known, t.visits, t.lastVersion] }),
    index('state_counts_version').on(t.policy, t.mode, t.lastVersion),
  ],
);

/** The same by whichever version: as few rows after thousands of updates. */
export const visitCounts = sqliteTable(
  'visit_counts',
  {
    policy: text().notNull(),
    mode: text().notNull(),
    keyId: text('key_id').notNull(),
    own: integer({ mode: 'boolean' }).notNull(),
    known: integer({ mode: 'boolean' }).notNull(),
    visits: integer().notNull(),
    states: integer().notNull(),
  },
  (t) => [primaryKey({ columns: [t.policy, t.mode, t.keyId, t.own, t.known, t.visits] })],
);
