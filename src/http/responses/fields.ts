/**
 * Every field a request of the Responses API may have, and what becomes of it; as for chat, nothing is dropped
 * silently.
 */
import { z } from 'zod';

import { type FieldsOf, type FieldTable, FunctionName } from '../protocol/fields.js';

const bool = z.boolean();
const int = z.int();
const text = z.string();
const object = z.record(z.string(), z.unknown());

const Part = z.union([
  z.looseObject({ type: z.enum(['input_text', 'output_text', 'text']), text }),
  z.looseObject({ type: z.literal('refusal'), refusal: text }),
]);
const Content = z.union([text, z.array(Part)]);

/** What a conversation is made of on the wire. Fields an SDK adds when it resends an answer are let pass. */
export const Item = z.union([
  z.looseObject({
    type: z.literal('message').optional(),
    role: z.enum(['user', 'assistant', 'system', 'developer']),
    content: Content,
  }),
  z.looseObject({ type: z.literal('function_call'), call_id: text.min(1), name: text.min(1), arguments: text }),
  z.looseObject({ type: z.literal('function_call_output'), call_id: text.min(1), output: Content }),
  z.looseObject({ type: z.literal('reasoning') }),
  z.looseObject({ type: z.literal('mcp_call'), server_label: z.literal('gyre') }),
  z.strictObject({ type: z.literal('item_reference'), id: text.min(1) }),
]);
export type Item = z.infer<typeof Item>;

const serverTool = text.regex(/^gyre:/, 'must be "function" or "gyre:" and the name of a server tool');

const Supported = {
  model: text.min(1),
  input: z.union([text, z.array(Item).min(1)]),
  instructions: text,
  previous_response_id: text.min(1),
  stream: bool,
  stream_options: z.strictObject({ include_obfuscation: bool.nullish() }),
  tools: z
    .array(
      z.union([
        z.strictObject({
          type: z.literal('function'),
          name: FunctionName,
          description: text.nullish(),
          parameters: object.nullish(),
          strict: bool.nullish(),
        }),
        z.strictObject({ type: serverTool }),
      ]),
    )
    .max(128),
  tool_choice: z.union([
    z.enum(['none', 'auto', 'required']),
    z.strictObject({ type: z.literal('function'), name: text }),
    z.strictObject({ type: serverTool }),
  ]),
  parallel_tool_calls: bool,
  max_output_tokens: int.min(1),
  max_tool_calls: int.min(1),
  temperature: z.number().min(0).max(2),
  top_p: z.number().gt(0).max(1),
  text: z.strictObject({
    format: z
      .union([
        z.strictObject({ type: z.enum(['text', 'json_object']) }),
        z.strictObject({
          type: z.literal('json_schema'),
          name: text,
          schema: object,
          strict: bool.nullish(),
          description: text.nullish(),
        }),
      ])
      .nullish(),
    verbosity: z.literal('medium', 'must be "medium": the policy has no such control').nullish(),
  }),
  reasoning: z.strictObject({
    effort: text.nullish(),
    summary: z.literal('auto', 'must be "auto": reasoning is given whole').nullish(),
    generate_summary: z.null().optional(),
  }),
  store: bool,
  metadata: z
    .record(text.max(64), text.max(512))
    .refine((value) => Object.keys(value).length <= 16, 'has more than 16 keys'),
  truncation: z.literal('disabled', 'must be "disabled": a conversation is never cut silently'),
  background: z.literal(false, 'must be false: answers are given while the client waits'),
  include: z.array(z.never({ error: 'nothing can be included' })),
} as const;

export const RESPONSE_FIELDS: FieldTable<typeof Supported> = {
  supported: Supported,
  forwarded: {},
  ignored: {
    user: text,
    safety_identifier: text,
    prompt_cache_key: text,
    prompt_cache_retention: text,
    prompt_cache_options: object,
    service_tier: text,
    top_logprobs: z.literal(0, 'must be 0: ask chat completions for logprobs'),
  },
  refused: {
    conversation: 'Send "previous_response_id", or the items themselves.',
    prompt: 'There are no stored prompts.',
    moderation: 'The gateway does not moderate.',
    context_management: 'A conversation is never cut silently.',
  },
  required: ['model', 'input'],
};

export type ResponseFields = FieldsOf<typeof RESPONSE_FIELDS.supported>;
