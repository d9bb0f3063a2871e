/**
 * The tables. Rows of the request clock (messages to feedback) are only added; redaction, deletion and pruning
 * are the exceptions. Rows of the learning clock carry a state that moves along `core` transitions.
 * `null` is absence, here and in JSON only.
 */
import { sql } from 'drizzle-orm';
import { blob, index, integer, real, sqliteTable, text, uniqueIndex } from 'drizzle-orm/sqlite-core';

import { GYRE_POLICY } from '../../core/learning/policy_name.js';

export {
  calibrations,
  decided,
  decidingBy,
  judgeAttempts,
  judgeCosts,
  judgeDrifts,
  judgeMarks,
  judgeVersions,
  lateSteps,
} from './judging_schema.js';
export {
  canaries,
  canaryOutcomes,
  evaluationAnswers,
  leases,
  liveComparisons,
  liveHoldout,
  taskUses,
} from './gate_schema.js';
export { keyPace, keys, keyUsage } from './key_schema.js';
export { demonstrations, labels } from './label_schema.js';
export { groups, samples } from './sample_schema.js';
export {
  candidateCounts,
  candidates,
  countings,
  givenItems,
  givenStates,
  stateCounts,
  states,
  touched,
  unanswered,
  visitCounts,
} from './state_schema.js';
export { decisions, evaluationReports, evaluations, headMoves, removedWeights, versions } from './version_schema.js';

/**
 * Messages as a forest: a conversation adds only what is new, and system prompts are shared. Identity is the
 * canonical text in `body` plus the parent's identity. Rows refer by number, so that all rows and index entries
 * of a conversation lie together; the hash is what they must prove.
 */
export const messages = sqliteTable(
  'messages',
  {
    id: integer().primaryKey(),
    /** 0 for the first message of a conversation. */
    parent: integer().notNull(),
    hash: text().notNull(),
    body: text().notNull(),
  },
  (t) => [index('messages_parent').on(t.parent)],
);

/** Tool lists by content hash. */
export const toolSets = sqliteTable('tool_sets', { hash: text().primaryKey(), body: text().notNull() });

/** One row per conversation: `Trajectory` in `src/core/trajectory.ts`. Its responses are found through its steps. */
export const trajectories = sqliteTable(
  'trajectories',
  {
    id: text().primaryKey(),
    keyId: text('key_id').notNull(),
    origin: text({ enum: ['live', 'generate', 'evaluate'] }).notNull(),
    consent: integer({ mode: 'boolean' }).notNull(),
    model: text().notNull(),
    taskId: text('task_id'),
    metadata: text(),
    createdAt: integer('created_at').notNull(),
  },
  (t) => [
    index('trajectories_key')
      .on(t.keyId, t.id)
      .where(sql`key_id <> ''`),
    index('trajectories_task')
      .on(t.taskId, t.id)
      .where(sql`task_id IS NOT NULL`),
    index('trajectories_origin')
      .on(t.origin, t.id)
      .where(sql`origin <> 'live'`),
  ],
);

/**
 * One policy call each. Prompt ids are a delta: `promptShared` tokens of (base step's prompt ++ its action),
 * then `promptSuffix`; so bytes per step do not grow with depth. Ids are u32, logprobs f32, little endian.
 */
export const steps = sqliteTable(
  'steps',
  {
    seq: integer().primaryKey(),
    id: text().notNull().unique(),
    trajectoryId: text('trajectory_id').notNull(),
    idx: integer().notNull(),
    responseId: text('response_id').notNull(),
    requestId: text('request_id').notNull(),
    /** The trajectory's key, here again so that a continuation is looked up under one key and no other. */
    keyId: text('key_id').notNull(),
    /** `UPSTREAM_STEP` where an upstream sampled. */
    policyVersion: integer('policy_version').notNull(),
    /** Consent of this request: a trajectory may hold steps with and without. */
    consent: integer({ mode: 'boolean' }).notNull(),
    /**
     * Chain tips: the state the policy saw, its action exactly as emitted, everything appended, what the client
     * saw. A client tip inside a response has no row: its turn is a prefix of the next one's.
     */
    stateTip: text('state_tip').notNull(),
    actionTip: text('action_tip'),
    policyTip: text('policy_tip').notNull(),
    clientTip: text('client_tip').notNull(),
    /** By what the client's history is recognised, where that is not the client tip (`src/store/log/recognise.ts`). */
    clientKey: text('client_key'),
    /**
     * Rows of messages: the state's tip, the policy's tip, and the client's last message, which the client tip answers.
     */
    stateAt: integer('state_at').notNull(),
    policyAt: integer('policy_at').notNull(),
    clientAt: integer('client_at').notNull(),
    toolSet: text('tool_set').notNull(),
    toolChoice: text('tool_choice').notNull(),
    /** 0 at a last turn, which `tool_choice` does not tell; null elsewhere, and in rows of earlier builds. */
    callsAllowed: integer('calls_allowed', { mode: 'boolean' }),
    sampling: text().notNull(),
    templateHash: text('template_hash'),
    promptBase: text('prompt_base'),
    promptShared: integer('prompt_shared').notNull(),
    promptSuffix: blob('prompt_suffix', { mode: 'buffer' }),
    tokenIds: blob('token_ids', { mode: 'buffer' }),
    logprobs: blob({ mode: 'buffer' }),
    reasoning: text(),
    /** JSON of how an upstream's turn came, and whose it is (`src/store/log/turns.ts`); null where it is none's. */
    native: text(),
    /** JSON list of how the client was told the action; null where its words say it all. */
    told: text(),
    /** JSON list of {id, name, owner, error?, ms?}; arguments and observations are in the chain. */
    calls: text().notNull(),
    finishReason: text('finish_reason'),
    cut: integer({ mode: 'boolean' }).notNull(),
    outcome: text({ enum: ['done', 'cancelled', 'failed'] }).notNull(),
    notTrainable: text('not_trainable'),
    usage: text().notNull(),
    timings: text().notNull(),
    startedAt: integer('started_at').notNull(),
    contentHash: text('content_hash').notNull(),
  },
  (t) => [
    uniqueIndex('steps_place').on(t.trajectoryId, t.idx),
    index('steps_client_tip').on(t.clientTip, t.keyId),
    index('steps_client_key')
      .on(t.clientKey, t.keyId)
      .where(sql`client_key IS NOT NULL`),
    // Deletion asks which other steps refer to a message or a tool list. Steps that another index or the message's
    // parent already leads to are left out of these.
    index('steps_policy_at')
      .on(t.policyAt)
      .where(sql`policy_tip <> client_tip`),
    index('steps_action_tip')
      .on(t.actionTip)
      .where(sql`action_tip <> policy_tip`),
    index('steps_client_at')
      .on(t.clientAt)
      .where(sql`client_at <> state_at`),
    index('steps_tool_set').on(t.toolSet),
    // The newest steps of the policy, where upstreams sampled most.
    index('steps_own')
      .on(t.seq)
      .where(sql`policy_version > -1`),
    index('steps_version')
      .on(t.policyVersion, t.trajectoryId)
      .where(sql`policy_version > -1`),
    index('steps_native')
      .on(t.actionTip)
      .where(sql`native IS NOT NULL`),
  ],
);

/** The end of each answered request that took a step. A trajectory's are found through its steps. */
export const responses = sqliteTable(
  'responses',
  {
    id: text().primaryKey(),
    trajectoryId: text('trajectory_id').notNull(),
    keyId: text('key_id').notNull(),
    outcome: text({ enum: ['completed', 'incomplete', 'failed', 'cancelled'] }).notNull(),
    stopReason: text('stop_reason').notNull(),
    usage: text().notNull(),
    toolUse: text('tool_use').notNull(),
    createdAt: integer('created_at').notNull(),
    ms: integer().notNull(),
    /** JSON of what the request said that its protocol tells again; null where it never does. */
    asked: text(),
    contentHash: text('content_hash').notNull(),
  },
  (t) => [
    index('responses_outcome')
      .on(t.outcome, t.trajectoryId)
      .where(sql`outcome <> 'completed'`),
  ],
);

/** One row per committed group: [[table, id, contentHash], ...] chained by hash. `verify` re-derives it all. */
export const ledger = sqliteTable('ledger', {
  seq: integer().primaryKey({ autoIncrement: true }),
  at: integer().notNull(),
  entries: text().notNull(),
  prev: text().notNull(),
  hash: text().notNull(),
  /** The log that committed the group, and how many answers it had acknowledged by then: as many must be entered. */
  writer: text(),
  answers: integer(),
});

/** What was deleted on request, so that `verify` knows a gap from a loss. */
export const deletions = sqliteTable('deletions', {
  id: text().primaryKey(),
  trajectoryId: text('trajectory_id').notNull(),
  /** Whose it was; null in rows of earlier builds. */
  keyId: text('key_id'),
  /** JSON list of [table, id] whose content is gone. */
  rows: text().notNull(),
  /** JSON list of ids, of every policy. */
  batches: text().notNull(),
  /** JSON list of numbers of the first policy, and of [policy, number] of others. */
  versions: text().notNull(),
  createdAt: integer('created_at').notNull(),
});

/**
 * Versions that came after a deletion, of a batch the trainer had when the trajectory was deleted: what the deletion
 * could not name yet.
 */
export const deletionVersions = sqliteTable('deletion_versions', {
  id: text().primaryKey(),
  deletionId: text('deletion_id').notNull(),
  batchId: text('batch_id').notNull(),
  version: integer().notNull(),
  createdAt: integer('created_at').notNull(),
  /** Null where it is the first policy's (`src/store/file/policy_column.ts`). */
  policy: text(),
});

/**
 * Responses that were deleted each by itself: nobody can read them or go on from them, and their steps are not learned
 * from. What they said is still part of what was said after them; it goes with the last response of the trajectory.
 */
export const withdrawals = sqliteTable('withdrawals', {
  /** The response's. */
  id: text().primaryKey(),
  trajectoryId: text('trajectory_id').notNull(),
  createdAt: integer('created_at').notNull(),
});

/** What was pruned by `retention`, a row for each transaction; its ids, so that `verify` knows a gap from a loss. */
export const prunings = sqliteTable(
  'prunings',
  {
    id: text().primaryKey(),
    reason: text().notNull(),
    /** Ids of the first and the last trajectory of it. */
    first: text().notNull(),
    last: text().notNull(),
    counts: text().notNull(),
    rowsHash: text('rows_hash').notNull(),
    /** JSON list of [table, id, id, ...], deflated; `rowsHash` is of the JSON, `counts` JSON of how many by table. */
    rows: blob({ mode: 'buffer' }).notNull(),
    createdAt: integer('created_at').notNull(),
  },
  (t) => [index('prunings_last').on(t.last)],
);

export const feedback = sqliteTable(
  'feedback',
  {
    id: text().primaryKey(),
    responseId: text('response_id').notNull(),
    trajectoryId: text('trajectory_id').notNull(),
    keyId: text('key_id').notNull(),
    step: integer(),
    value: real(),
    comment: text(),
    demonstration: text(),
    createdAt: integer('created_at').notNull(),
  },
  (t) => [index('feedback_response').on(t.responseId), index('feedback_trajectory').on(t.trajectoryId)],
);

export const tasks = sqliteTable(
  'tasks',
  {
    id: text().primaryKey(),
    hash: text().notNull(),
    split: text({ enum: ['train', 'heldout'] }).notNull(),
    body: text().notNull(),
    createdAt: integer('created_at').notNull(),
  },
  (t) => [index('tasks_hash').on(t.hash)],
);

export const verdicts = sqliteTable(
  'verdicts',
  {
    id: text().primaryKey(),
    subjectKind: text('subject_kind', { enum: ['step', 'response', 'trajectory', 'sample'] }).notNull(),
    subjectId: text('subject_id').notNull(),
    judge: text().notNull(),
    judgeVersion: text('judge_version').notNull(),
    score: real(),
    good: integer({ mode: 'boolean' }),
    rationale: text().notNull(),
    createdAt: integer('created_at').notNull(),
    /** How sure the judge is, where it says. */
    confidence: real(),
  },
  (t) => [uniqueIndex('verdicts_once').on(t.subjectKind, t.subjectId, t.judge, t.judgeVersion)],
);

export const cycles = sqliteTable('cycles', {
  id: text().primaryKey(),
  state: text({ enum: ['running', 'done', 'failed', 'skipped'] }).notNull(),
  stage: text().notNull(),
  mode: text({ enum: ['resample', 'logged', 'sft'] }).notNull(),
  filter: text().notNull(),
  baseVersion: integer('base_version').notNull(),
  counts: text().notNull(),
  note: text().notNull(),
  startedAt: integer('started_at').notNull(),
  updatedAt: integer('updated_at').notNull(),
  policy: text().notNull().default(GYRE_POLICY),
});

/** States a cycle took up: of each mode one cycle of a policy at most for each visit. */
export const cycleSteps = sqliteTable(
  'cycle_steps',
  {
    stepId: text('step_id').notNull(),
    mode: text().notNull(),
    cycleId: text('cycle_id').notNull(),
    /** The step whose state this one has again: it is used up with it, and nothing is drawn from it. */
    sameAs: text('same_as'),
    policy: text().notNull().default(GYRE_POLICY),
    /** How often its state had been visited before. */
    visit: integer().notNull().default(0),
    /** Whether the cycle has been there: then it counts as a visit, whatever came of it. */
    visited: integer({ mode: 'boolean' }).notNull().default(false),
  },
  (t) => [
    // The step first: deletion and pruning ask by it, for every policy.
    uniqueIndex('cycle_steps_once').on(t.stepId, t.mode, t.policy, t.visit),
    index('cycle_steps_cycle').on(t.cycleId),
    index('cycle_steps_same')
      .on(t.sameAs)
      .where(sql`same_as IS NOT NULL`),
  ],
);

export const batches = sqliteTable('batches', {
  id: text().primaryKey(),
  cycleId: text('cycle_id').notNull().unique(),
  state: text({ enum: ['assembled', 'sent', 'applied', 'failed'] }).notNull(),
  baseVersion: integer('base_version').notNull(),
  targetVersion: integer('target_version').notNull(),
  body: text().notNull(),
  /** The body's token tree (`src/store/learning/packed_tree.ts`); null where it stands in the body. */
  tree: blob({ mode: 'buffer' }),
  note: text().notNull(),
  createdAt: integer('created_at').notNull(),
  updatedAt: integer('updated_at').notNull(),
  policy: text().notNull().default(GYRE_POLICY),
});

/** Which sample or step stands in which batch: lineage, and the proof of at most once. */
export const batchItems = sqliteTable(
  'batch_items',
  {
    batchId: text('batch_id').notNull(),
    itemId: text('item_id').notNull(),
    stepId: text('step_id').notNull(),
    advantage: real().notNull(),
    policy: text().notNull().default(GYRE_POLICY),
  },
  (t) => [
    // The item may be a step, which each policy may learn from once.
    uniqueIndex('batch_items_once').on(t.itemId, t.policy),
    index('batch_items_batch').on(t.batchId),
    index('batch_items_step').on(t.stepId),
  ],
);
