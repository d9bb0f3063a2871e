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
  TRAIN_MODES,
} from '../../core/learning/cycle.js';
import { Demonstration, LabelBody, type LabelView, type QueuedStep } from '../../core/judging/labels.js';
import { Restart, StartCycle } from '../../core/learning/start_cycle.js';
import { DECISION_KINDS, VERSION_KINDS } from '../../core/learning/version.js';
import type {
  CycleView,
  DecisionView,
  EvaluationReportView,
  LearningStatus,
  ListedVersion,
  VersionView,
} from '../../core/learning/views.js';
import type { Message } from '../../core/message.js';
import type { Listing } from '../../core/paging.js';
import {
  FeedbackSchema,
  type FeedbackView,
  type DeletionView,
  type Removal,
  type StepView,
  type StepWithLineage,
  type TrajectoryListing,
  type TrajectorySummary,
  type TrajectoryView,
  type VerdictView,
} from '../../core/reading.js';
import { ORIGINS, OUTCOMES } from '../../core/reading/filters.js';
import { bool, functionCall, ids, int, number, object, seconds, text } from './basics.js';
import { Judges, Standing } from './judges.js';

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

const Function = z.object({
  name: text,
  description: text.optional(),
  parameters: object.optional(),
  strict: bool.optional(),
});

const LabelRow = z.object({
  id: text,
  step_id: text,
  trajectory_id: text,
  about: z.enum(['step', 'trajectory']),
  good: bool.nullable().describe('Null where the person cannot say, and where it takes another label back.'),
  comment: text.nullable(),
  demonstration: Demonstration.nullable(),
  who: text.nullable(),
  withdraws: text.nullable(),
  withdrawn: bool,
  created_at: seconds,
}) satisfies z.ZodType<LabelView>;

const Queued = z.object({
  step_id: text,
  trajectory_id: text,
  index: int,
  cluster: text.describe('What of the traffic it stands for.'),
  messages: z.array(Logged),
  tools: z.array(Function),
  action: Logged,
  after: z.array(Logged).describe('What its tools gave, and what the client said next.'),
}) satisfies z.ZodType<QueuedStep>;

const Sampling = z.object({
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
});

const Usage = z.object({ prompt_tokens: int, completion_tokens: int, cached_tokens: int, reasoning_tokens: int });

const Step = z.object({
  id: text,
  index: int,
  response_id: text,
  task: text.nullable(),
  tools: z.array(Function),
  tool_choice: z.union([z.enum(['auto', 'none', 'required']), z.object({ name: text })]),
  sampling: Sampling,
  template_hash: text.nullable(),
  policy_version: int.nullable().describe('Null where an upstream sampled.'),
  action: text.nullable(),
  reasoning: text.nullable(),
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
  outcome: z.enum(['done', 'cancelled', 'failed']),
  usage: Usage,
  prompt_token_ids: ids.nullish().describe('Where tokens were asked for, as the next two.'),
  token_ids: ids.nullish(),
  logprobs: z.array(number).nullish(),
  trainable: bool,
  not_trainable_reason: text.optional(),
  verdicts: z.array(Verdict),
  created_at: seconds,
}) satisfies z.ZodType<StepView>;

const head = {
  id: text,
  response_id: text.nullable(),
  model: text,
  policy_version: int.nullable(),
  outcome: z.enum(OUTCOMES).nullable(),
  stop_reason: text.nullable(),
  origin: z.enum(ORIGINS),
  task: text.nullable(),
  consent: bool,
  key: text.nullable(),
  created_at: seconds,
};

const Whole = z.object({
  ...head,
  metadata: z.record(text, text).nullable(),
  messages: z.array(Logged).describe("The client's, or with `view=policy` the policy's."),
  steps: z.array(Step),
  feedback: z.array(FeedbackRow),
}) satisfies z.ZodType<TrajectoryView>;

const Summary = z.object({
  ...head,
  updated_at: seconds,
  ms: int,
  question: text.describe('First words of what the newest response answers.'),
  answer: text.describe('First words of the newest answer.'),
  policy_versions: ids,
  counts: z.object({
    messages: int,
    steps: int,
    trainable_steps: int,
    tool_calls: int,
    prompt_tokens: int,
    completion_tokens: int,
  }),
  not_trainable_reasons: z.record(text, int),
  verdict: z.object({ judge: text, good: bool, score: number.nullable() }).nullable(),
  feedback: z.object({ good: int, bad: int, demonstrations: int }),
  too_large: z.literal(true).optional().describe('In a list of whole trajectories: it is too large to be one of them.'),
}) satisfies z.ZodType<TrajectorySummary>;

const Trajectory = z.union([Whole, Summary]).describe('All of it, or with `view=summary` a few lines.');

const Trajectories = z.object({
  data: z.array(Trajectory),
  has_more: bool,
  next_after: text.optional().describe('Where there is more: `after` of the next page.'),
  partial: z.literal(true).optional().describe('The page ended before it was full, to be quick: go on.'),
}) satisfies z.ZodType<TrajectoryListing>;

const Removed = z.object({
  id: text,
  deleted: z.literal(true),
  batches: z.array(text),
  versions: ids,
  pending: z.array(z.object({ batch_id: text, version: int })),
}) satisfies z.ZodType<Removal>;

const Deletion = Removed.extend({ deleted_at: seconds }) satisfies z.ZodType<DeletionView>;

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
  copy_of: int.nullable().describe('Of a rollback or a restart: the version whose weights these are.'),
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

const Mean = z
  .object({ mean: number, n: z.int().min(0), ci95: z.tuple([number, number]) })
  .describe('A mean of `n` numbers with its 95 % interval.');

const Evaluation = z.object({
  id: text,
  version: int,
  task_set: text,
  setting: z.object({ tools: bool, temperature: number, samples: int }),
  tasks: int,
  unanswered: int,
  right: Mean,
  pass_at: z.array(Mean.extend({ k: int })),
  exact_match: Mean.nullable(),
  f1: Mean.nullable(),
  good_steps: Mean,
  good_trajectories: Mean,
  process_labels: z.record(text, Mean),
  tool_call_rate: Mean,
  parse_failures: Mean,
  steps_a_trajectory: Mean,
  tokens_a_step: Mean,
  tokens_a_trajectory: Mean,
  created_at: seconds,
}) satisfies z.ZodType<EvaluationReportView>;

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
  unknown_judge: int.nullable(),
  running: Cycle.nullable(),
  last: Cycle.nullable(),
  canary: z
    .object({
      id: text,
      version: z.int(),
      against: z.int(),
      share: z.number(),
      gate_passed: bool,
      conversations: z.object({ candidate: z.int(), serving: z.int() }),
      started_at: int,
    })
    .nullable(),
  bursts: z
    .array(z.object({ key_id: text, name: text, answers: z.int(), minutes: z.int(), usual: z.number() }))
    .nullable(),
  judges: z.array(Standing).nullable(),
  drift: z.array(text).nullable(),
}) satisfies z.ZodType<LearningStatus>;

const StepRead = z.object({
  ...Step.shape,
  trajectory_id: text,
  messages: z.array(Logged),
  timings: z
    .object({ ms: number, first_token_ms: number.optional(), total_ms: number.optional() })
    .describe('Milliseconds: of the step, and of the policy call in it.'),
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
  Label: LabelBody,
  Labelled: z.union([LabelRow, z.object({ data: z.array(LabelRow) })]),
  LabelList: listOf(LabelRow),
  LabelQueue: z.object({ data: z.array(Queued) }),
  Trajectory,
  TrajectoryList: Trajectories,
  Removal: Removed,
  Deletion,
  Step: StepRead,
  Status,
  Judges,
  Version,
  VersionList: listOf(VersionInList),
  Decision,
  Restart,
  StartCycle,
  Cycle,
  CycleList: listOf(Cycle),
  EvaluationList: listOf(Evaluation),
} satisfies Record<string, z.ZodType>;
