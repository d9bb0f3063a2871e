/**
 * The shapes of what was logged, learned and decided: the bodies under `/gyre/v1` and of `/v1/feedback`. Each is one of
 * core's records.
 */
import { z } from 'zod';

import {
  BATCH_TRANSITIONS,
  type BatchState,
  CYCLE_STAGES,
  CYCLE_TRANSITIONS,
  type CycleState,
  FILTERS,
  StartCycle,
  TRAIN_MODES,
} from '../../core/learning/cycle.js';
import { DECISION_KINDS, VERSION_KINDS } from '../../core/learning/version.js';
import type { CycleView, DecisionView, LearningStatus, ListedVersion, VersionView } from '../../core/learning/views.js';
import type { Message } from '../../core/message.js';
import type { Listing } from '../../core/paging.js';
import {
  FeedbackSchema,
  type FeedbackView,
  type Removal,
  type StepView,
  type StepWithLineage,
  type TrajectoryView,
  type VerdictView,
} from '../../core/reading.js';
import { bool, functionCall, ids, int, number, object, seconds, text } from './basics.js';

const listOf = <T extends z.ZodType>(item: T): z.ZodType<Listing<z.output<T>>> =>
  z.object({ data: z.array(item), has_more: bool });

const FeedbackRow = z.object({
  id: text,
  response_id: text,
  step: int.nullable(),
  value: number.nullable(),
  comment: text.nullable(),
  demonstration: text.nullable(),
  created_at: seconds,
}) satisfies z.ZodType<FeedbackView>;

const Verdict = z.object({
  id: text,
  judge: text,
  judge_version: text,
  score: number.nullable(),
  good: bool.nullable(),
  rationale: text,
  created_at: seconds,
}) satisfies z.ZodType<VerdictView>;

const Step = z.object({
  id: text,
  index: int,
  policy_version: int.nullable().describe('Null where an upstream sampled.'),
  action: text.nullable(),
  finish_reason: text.nullable(),
  tool_calls: z.array(
    z.object({
      name: text,
      arguments: text,
      owner: z.enum(['server', 'client']),
      observation: text.nullable(),
      error: text.optional(),
    }),
  ),
  prompt_token_ids: ids.nullable(),
  token_ids: ids.nullable(),
  logprobs: z.array(number).nullable(),
  trainable: bool,
  not_trainable_reason: text.optional(),
  verdicts: z.array(Verdict),
}) satisfies z.ZodType<StepView>;

const Trajectory = z.object({
  id: text,
  response_id: text.nullable(),
  model: text,
  policy_version: int.nullable(),
  outcome: z.enum(['completed', 'incomplete', 'failed', 'cancelled']).nullable(),
  stop_reason: text.nullable(),
  consent: bool,
  key: text.nullable(),
  created_at: seconds,
  steps: z.array(Step),
  feedback: z.array(FeedbackRow),
}) satisfies z.ZodType<TrajectoryView>;

const Removed = z.object({
  id: text,
  deleted: z.literal(true),
  batches: z.array(text),
  versions: ids,
}) satisfies z.ZodType<Removal>;

const Decision = z.object({
  id: text,
  kind: z.enum(DECISION_KINDS),
  version: int,
  against: int.nullable(),
  passed: bool,
  reason: text,
  numbers: object,
  created_at: seconds,
}) satisfies z.ZodType<DecisionView>;

const Version = z.object({
  version: int,
  kind: z.enum(VERSION_KINDS),
  parent: int.nullable(),
  batch_id: text.nullable(),
  copy_of: int.nullable().describe('For a rollback: the version whose weights these are.'),
  metrics: object,
  created_at: seconds,
}) satisfies z.ZodType<VersionView>;

const VersionInList = z.object({
  ...Version.shape,
  name: text,
  serving: bool,
  head: bool,
  weights_removed_at: seconds.nullable().describe('It can neither be asked nor gone back to.'),
  decisions: z.array(Decision),
}) satisfies z.ZodType<ListedVersion>;

const Cycle = z.object({
  id: text,
  state: z.enum(Object.keys(CYCLE_TRANSITIONS) as CycleState[]),
  stage: z.enum(CYCLE_STAGES),
  mode: z.enum(TRAIN_MODES),
  filter: z.enum(FILTERS),
  base_version: int,
  counts: z.record(text, number),
  note: text,
  started_at: seconds,
  updated_at: seconds,
}) satisfies z.ZodType<CycleView>;

const Status = z.object({
  serving: int,
  head: int,
  versions: int,
  learn: bool,
  waiting_for: text,
  new_states: int,
  needed_states: int,
  dropped: z.record(text, int),
  heldout_tasks: int.nullable(),
  running: Cycle.nullable(),
  last: Cycle.nullable(),
}) satisfies z.ZodType<LearningStatus>;

const content = z.union([text, z.array(z.looseObject({ type: text, text: text.optional() }))]);
/** A message of the log: what a client added to it is there, too. */
const Logged = z.discriminatedUnion('role', [
  z.looseObject({ role: z.enum(['system', 'developer']), content, name: text.optional() }),
  z.looseObject({ role: z.literal('user'), content, name: text.optional() }),
  z.looseObject({
    role: z.literal('assistant'),
    content: content.nullable(),
    tool_calls: z.array(functionCall).optional(),
    reasoning: text.optional(),
  }),
  z.looseObject({ role: z.literal('tool'), tool_call_id: text, content }),
]) satisfies z.ZodType<Message>;

const StepRead = z.object({
  ...Step.shape,
  trajectory_id: text,
  response_id: text,
  messages: z.array(Logged),
  tools: z.array(
    z.object({ name: text, description: text.optional(), parameters: object.optional(), strict: bool.optional() }),
  ),
  sampling: z.object({
    temperature: number.optional(),
    top_p: number.optional(),
    top_k: int.optional(),
    min_p: number.optional(),
    presence_penalty: number.optional(),
    frequency_penalty: number.optional(),
    repetition_penalty: number.optional(),
    max_tokens: int.optional(),
    min_tokens: int.optional(),
    seed: int.optional(),
    stop: z.union([text, z.array(text)]).optional(),
    logit_bias: z.record(text, number).optional(),
    ignore_eos: bool.optional(),
  }),
  template_hash: text.nullable(),
  outcome: z.enum(['done', 'cancelled', 'failed']),
  usage: z.object({ prompt_tokens: int, completion_tokens: int, cached_tokens: int, reasoning_tokens: int }),
  timings: z
    .object({ ms: number, first_token_ms: number.optional(), total_ms: number.optional() })
    .describe('Milliseconds: of the step, and of the policy call in it.'),
  created_at: seconds,
  lineage: z.object({
    samples: z.array(
      z.object({
        id: text,
        cycle_id: text,
        policy_version: int,
        body: z.object({
          text,
          calls: z.array(z.object({ id: text, name: text, arguments: text })),
          temperature: number,
          cut: bool,
        }),
        batch_id: text.nullable(),
        advantage: number.nullable(),
        verdicts: z.array(Verdict),
      }),
    ),
    batches: z.array(
      z.object({
        id: text,
        cycle_id: text,
        state: z.enum(Object.keys(BATCH_TRANSITIONS) as BatchState[]),
        base_version: int,
        target_version: int,
      }),
    ),
    versions: z.array(Version),
    decisions: z.array(Decision),
  }),
}) satisfies z.ZodType<StepWithLineage>;

/** By the names /openapi.json has for them. */
export const RECORDS = {
  Feedback: FeedbackSchema,
  FeedbackRow,
  Trajectory,
  TrajectoryList: listOf(Trajectory),
  Removal: Removed,
  Step: StepRead,
  Status,
  Version,
  VersionList: listOf(VersionInList),
  Decision,
  StartCycle,
  Cycle,
  CycleList: listOf(Cycle),
} satisfies Record<string, z.ZodType>;
