/**
 * What routes take and answer with, as schemas by name: the components of /openapi.json. Fields may be added to any
 * answer.
 */
import { z } from 'zod';

import { CYCLE_TRANSITIONS, FILTERS, StartCycle, TRAIN_MODES } from '../../core/learning/cycle.js';
import { FeedbackSchema } from '../../core/reading.js';
import { type FieldTable, fieldRows } from '../protocol/fields.js';
import { type Protocol, PROTOCOLS } from '../protocols.js';
import { OPENAI } from '../wire/failure.js';

const text = z.string();
const int = z.int();
const number = z.number();
const bool = z.boolean();
const any = z.unknown();
const object = z.record(text, any);
const ids = z.array(int);
const listOf = (item: z.ZodType): z.ZodType => z.object({ data: z.array(item), has_more: bool });
/** Seconds since 1970, as everywhere in OpenAI's protocol. Rows of the learning clock have milliseconds. */
const seconds = int;
const milliseconds = int;

const Model = z.object({
  id: text,
  object: z.literal('model'),
  created: seconds,
  owned_by: text,
  policy_version: int.optional().describe("Absent for an upstream's model."),
});

const FeedbackRow = z.object({
  id: text,
  response_id: text,
  step: int.nullable(),
  value: number.nullable(),
  comment: text.nullable(),
  demonstration: text.nullable(),
  created_at: seconds,
});

const Verdict = z.object({
  id: text,
  judge: text,
  judge_version: text,
  score: number.nullable(),
  good: bool.nullable(),
  rationale: text,
  created_at: seconds,
});

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
});

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
});

const StepWithLineage = z.object({
  ...Step.shape,
  trajectory_id: text,
  response_id: text,
  messages: z.array(object),
  tools: z.array(object),
  sampling: any,
  template_hash: text.nullable(),
  outcome: text,
  usage: any,
  timings: any,
  created_at: seconds,
  lineage: z.object({
    samples: z.array(object),
    batches: z.array(object),
    versions: z.array(object),
    decisions: z.array(object),
  }),
});

const Decision = z.object({
  id: text,
  kind: text,
  version: int,
  against: int.optional(),
  passed: bool,
  reason: text,
  numbers: object,
  createdAt: milliseconds,
});
const Version = z.object({
  version: int,
  kind: z.enum(['base', 'trained', 'rollback']),
  parent: int.optional(),
  batchId: text.optional(),
  copyOf: int.optional(),
  metrics: object,
  createdAt: milliseconds,
});
const Cycle = z.object({
  id: text,
  state: z.enum(Object.keys(CYCLE_TRANSITIONS)),
  stage: text,
  mode: z.enum(TRAIN_MODES),
  filter: z.enum(FILTERS),
  baseVersion: int,
  counts: z.record(text, number),
  note: text,
  startedAt: milliseconds,
  updatedAt: milliseconds,
});

const Part = z.object({ part: text, ready: bool, needed: bool.optional(), detail: text.optional() });

/** Bodies, by the names /openapi.json has for them. */
export const SHAPES = {
  ...Object.fromEntries(PROTOCOLS.map((protocol) => [requestName(protocol), requestSchema(protocol.fields)])),
  ...Object.fromEntries(PROTOCOLS.map(({ operation: { reply } }) => [reply.name, reply.schema])),
  Model,
  ModelList: z.object({ object: z.literal('list'), data: z.array(Model) }),
  Feedback: FeedbackSchema,
  FeedbackRow,
  Health: z.object({
    status: z.literal('ok'),
    version: text,
    policy_version: int,
    uptime_seconds: int,
    in_flight: int,
    log_failures: int,
  }),
  Ready: z.object({ ready: bool, waiting_for: z.array(text), parts: z.array(Part) }),
  OpenApi: object,
  Trajectory,
  TrajectoryList: listOf(Trajectory),
  Removal: z.object({ id: text, deleted: z.literal(true), batches: z.array(text), versions: ids }),
  Step: StepWithLineage,
  Status: z.object({
    serving: int,
    head: int,
    versions: int,
    learn: bool,
    waiting_for: text,
    new_states: int,
    needed_states: int,
    dropped: z.record(text, int),
    heldout_tasks: int,
    running: Cycle.nullable(),
    last: Cycle.nullable(),
  }),
  Version,
  VersionList: listOf(
    z.object({ ...Version.shape, name: text, serving: bool, head: bool, decisions: z.array(Decision) }),
  ),
  Decision,
  StartCycle,
  Cycle,
  CycleList: listOf(Cycle),
  Error: OPENAI.body.schema,
  ...Object.fromEntries(PROTOCOLS.map(({ errors: { body } }) => [body.name, body.schema])),
} satisfies Record<string, z.ZodType>;

/** The name of a protocol's request body, e.g. `ChatCompletionsRequest`. */
export function requestName({ name }: Protocol): string {
  return `${name.replaceAll(' ', '')}Request`;
}

/**
 * The body of a request as its table of fields has it. Null means the same as leaving a field out, also for one that is
 * refused.
 */
function requestSchema(table: FieldTable): z.ZodType {
  return z.strictObject(
    Object.fromEntries(
      fieldRows(table).map(({ field, schema, treatment, note }) => {
        if (schema === undefined) return [field, z.null().optional().describe(`Not supported. ${note}`)];
        if (table.required.includes(field)) return [field, schema];
        return [
          field,
          treatment === 'supported'
            ? schema.nullish()
            : schema.nullish().describe(`${treatment === 'forwarded' ? 'Sent on' : 'Ignored'}: ${note}.`),
        ];
      }),
    ),
  );
}
