/**
 * What routes take and answer with, as schemas by name: the components of /openapi.json. Fields may be added to any
 * answer.
 */
import { z } from 'zod';

import { bool, functionCall, ids, int, object, seconds, text } from './basics.js';
import { RECORDS } from './records.js';
import { fieldRows, type Protocol, PROTOCOLS } from './tables.js';

const Failure = z.object({ error: z.object({ message: text, type: text, param: text.nullable(), code: text }) });

const ServerToolUse = z.object({ requested: int, executed: int, by_tool: z.record(text, int) });

const Completion = z.object({
  id: text,
  object: z.literal('chat.completion'),
  created: seconds,
  model: text,
  system_fingerprint: text.nullable(),
  choices: z.array(
    z.object({
      index: int,
      message: z.object({
        role: z.literal('assistant'),
        content: text.nullable(),
        refusal: z.null(),
        reasoning: text.optional(),
        reasoning_content: text.optional(),
        tool_calls: z.array(functionCall).optional(),
      }),
      logprobs: z.object({ content: z.array(object), refusal: z.null() }).nullable(),
      finish_reason: z.enum(['stop', 'length', 'tool_calls', 'content_filter']),
      token_ids: ids.optional(),
    }),
  ),
  usage: z.object({
    prompt_tokens: int,
    completion_tokens: int,
    total_tokens: int,
    prompt_tokens_details: z.object({ cached_tokens: int }),
    completion_tokens_details: z.object({ reasoning_tokens: int }),
    server_tool_use: ServerToolUse,
  }),
  gyre: z
    .object({ stop_reason: text })
    .optional()
    .describe('The limit of the loop that ended the answer, where one did.'),
  prompt_token_ids: ids.optional(),
});

const Answer = z.looseObject({
  id: text,
  object: z.literal('response'),
  created_at: seconds,
  status: z.enum(['in_progress', 'completed', 'incomplete', 'failed']),
  model: text,
  output: z.array(
    z.looseObject({ type: z.enum(['message', 'reasoning', 'function_call', 'mcp_call']), id: text, status: text }),
  ),
  error: object.nullable(),
  incomplete_details: z.object({ reason: text }).nullable(),
  usage: z
    .object({
      input_tokens: int,
      output_tokens: int,
      total_tokens: int,
      input_tokens_details: object,
      output_tokens_details: object,
      server_tool_use: ServerToolUse,
    })
    .nullable(),
});

const Block = z.union([
  z.object({ type: z.literal('text'), text, citations: z.null() }),
  z.object({ type: z.literal('tool_use'), id: text, name: text, input: object, caller: object }),
]);
const Message = z.looseObject({
  id: text,
  type: z.literal('message'),
  role: z.literal('assistant'),
  model: text,
  content: z.array(Block),
  stop_reason: z.enum(['end_turn', 'max_tokens', 'stop_sequence', 'tool_use', 'refusal']),
  stop_sequence: text.nullable(),
  usage: z.looseObject({
    input_tokens: int,
    output_tokens: int,
    cache_read_input_tokens: int,
    cache_creation_input_tokens: int,
    server_tool_use: object.nullable(),
  }),
  gyre: z
    .object({ stop_reason: text })
    .optional()
    .describe('The limit of the loop that ended the answer, where one did.'),
});
const MessagesFailure = z.object({
  type: z.literal('error'),
  error: z.object({ type: text, message: text, details: z.object({ error_code: text, param: text.nullable() }) }),
  request_id: text,
});

const Model = z.object({
  id: text,
  object: z.literal('model'),
  created: seconds,
  owned_by: text,
  policy_version: int.optional().describe("Absent for an upstream's model."),
});

const Part = z.object({ part: text, ready: bool, needed: bool.optional(), detail: text.optional() });

/** Bodies, by the names /openapi.json has for them. */
export const SHAPES = {
  ...Object.fromEntries(PROTOCOLS.map((protocol) => [requestName(protocol), requestSchema(protocol)])),
  ChatCompletion: Completion,
  Response: Answer,
  Message,
  TokenCount: z.object({ input_tokens: int }),
  Model,
  ModelList: z.object({ object: z.literal('list'), data: z.array(Model) }),
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
  ...RECORDS,
  Error: Failure,
  MessagesError: MessagesFailure,
} satisfies Record<string, z.ZodType>;

/** The name of a protocol's request body, e.g. `ChatCompletionsRequest`. */
function requestName({ name }: Protocol): string {
  return `${name.replaceAll(' ', '')}Request`;
}

/**
 * The body of a request as its table of fields has it. Null means the same as leaving a field out, also for one that is
 * refused.
 */
function requestSchema({ fields, required }: Protocol): z.ZodType {
  return z.strictObject(
    Object.fromEntries(
      fieldRows(fields).map(({ field, schema, treatment, note }) => {
        if (schema === undefined) return [field, z.null().optional().describe(`Not supported. ${note}`)];
        if (required.includes(field)) return [field, schema];
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
