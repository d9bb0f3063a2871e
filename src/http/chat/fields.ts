/**
 * Every field a chat completion request may have, and what becomes of it. This table is the
 * compatibility table of the documentation: what is not in it is refused as unknown, and what would
 * change the meaning of a request and is not supported is refused by name. No parameter of the request is dropped
 * silently.
 */
import { z } from 'zod';

import { MessageSchema } from '../../core/message_input.js';
import { ENGINE_FIELDS, ENGINE_IGNORED, ENGINE_REFUSED, SAMPLING_FIELDS } from '../protocol/engine_fields.js';
import { type FieldTable, metadataOf, MetadataText, type Refusal } from '../protocol/fields.js';
import { ToolChoiceField, ToolField } from './tools.js';

const bool = z.boolean();
const int = z.int();
const text = z.string();
const any = z.unknown();
const object = z.record(z.string(), any);

/** What the gateway itself reads. Absent and null mean the same. */
const Supported = {
  model: text.min(1),
  messages: z.array(MessageSchema).min(1),
  stream: bool,
  stream_options: z.strictObject({
    include_usage: bool.nullish(),
    include_obfuscation: bool.nullish(),
    include_tool_events: bool.nullish(),
    continuous_usage_stats: bool.nullish(),
  }),
  tools: z.array(ToolField).max(128),
  tool_choice: ToolChoiceField,
  parallel_tool_calls: bool,
  n: int.min(1).max(128),
  best_of: int.min(1),
  logprobs: bool,
  top_logprobs: int.min(0).max(20),
  return_token_ids: bool,
  max_tokens: int.min(1),
  max_completion_tokens: int.min(1),
  ...SAMPLING_FIELDS,
  store: bool,
  metadata: metadataOf(MetadataText),
} as const;

/** Sent to the engine as they came: they shape rendering or sampling in ways the gateway need not understand. */
const Forwarded: Readonly<Record<string, z.ZodType>> = {
  response_format: z.looseObject({ type: text }),
  reasoning_effort: text,
  ...ENGINE_FIELDS,
};

/**
 * Accepted without effect: they change where or how a request is billed, cached or traced elsewhere, never what is
 * answered.
 */
const Ignored: Readonly<Record<string, z.ZodType>> = {
  user: text,
  safety_identifier: text,
  prompt_cache_key: text,
  prompt_cache_retention: text,
  prompt_cache_options: object,
  service_tier: text,
  prediction: object,
  /** A hint of how much to say. */
  verbosity: text,
  modalities: z.array(z.literal('text')),
  ...ENGINE_IGNORED,
};

/** Known, and refused with the reason. */
const Refused: Readonly<Record<string, Refusal>> = {
  functions: { reason: 'It was replaced by "tools".', unless: z.array(any).max(0) },
  function_call: { reason: 'It was replaced by "tool_choice".', unless: z.enum(['auto', 'none']) },
  audio: 'The policy answers in text only.',
  web_search_options: 'Offer a server tool in "tools" instead.',
  moderation: 'The gateway does not moderate.',
  echo: { reason: "The answer would not be the policy's action alone.", unless: z.literal(false) },
  prompt_logprobs: 'The engine cannot give them in a stream, and the gateway always streams from it.',
  return_prompt_text: { reason: 'Ask for "return_token_ids".', unless: z.literal(false) },
  ...ENGINE_REFUSED,
};

export const CHAT_FIELDS: FieldTable<typeof Supported> = {
  supported: Supported,
  forwarded: Forwarded,
  ignored: Ignored,
  refused: Refused,
  required: ['model', 'messages'],
  notes: {
    best_of: 'as many as "n", else it is refused',
    stream_options: 'without "stream" it has no effect, and "include_obfuscation" never has',
    prediction: 'nothing is answered faster by it',
    request_id: 'the header x-request-id names a request',
    length_penalty: 'it shapes beams, of which there are none',
    early_stopping: 'it shapes beams, of which there are none',
  },
};
