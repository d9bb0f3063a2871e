/** Every field a completion request may have, and what becomes of it. */
import { z } from 'zod';

import { ENGINE_IGNORED, ENGINE_REFUSED, SAMPLING_FIELDS, TOKEN_FIELDS } from '../protocol/engine_fields.js';
import { type FieldTable, metadataOf, MetadataText, type Refusal } from '../protocol/fields.js';

const bool = z.boolean();
const int = z.int();
const text = z.string();

/** Prompts of one request, as many as vLLM takes. */
export const MAX_PROMPTS = 1024;

/** The log keeps a token's id in 32 bits, which is more than any vocabulary has. */
export const MAX_TOKEN_ID = 2 ** 31 - 1;

const ids = z.array(z.int().min(0).max(MAX_TOKEN_ID)).min(1);
const Prompt = z.union([text, z.array(text).min(1).max(MAX_PROMPTS), ids, z.array(ids).min(1).max(MAX_PROMPTS)]);

const Supported = {
  model: text.min(1),
  prompt: Prompt,
  echo: bool,
  best_of: int.min(1),
  stream: bool,
  stream_options: z.strictObject({
    include_usage: bool.nullish(),
    include_obfuscation: bool.nullish(),
    continuous_usage_stats: bool.nullish(),
  }),
  n: int.min(1).max(128),
  logprobs: int.min(0),
  return_token_ids: bool,
  max_tokens: int.min(0),
  ...SAMPLING_FIELDS,
  store: bool,
  metadata: metadataOf(MetadataText),
} as const;

const Forwarded: Readonly<Record<string, z.ZodType>> = {
  response_format: z.looseObject({ type: text }),
  truncation_side: text,
  ...TOKEN_FIELDS,
};

const Ignored: Readonly<Record<string, z.ZodType>> = {
  user: text,
  safety_identifier: text,
  prompt_cache_key: text,
  prompt_cache_retention: text,
  service_tier: text,
  ...ENGINE_IGNORED,
};

const none = z.array(z.unknown()).max(0);

const Refused: Readonly<Record<string, Refusal>> = {
  suffix: { reason: 'The policy is not asked to fill gaps.', unless: z.literal('') },
  prompt_logprobs: 'Ask for "echo" and "logprobs".',
  prompt_embeds: 'A prompt is a text or token ids.',
  messages: { reason: 'Post a conversation to /v1/chat/completions.', unless: none },
  tools: { reason: 'A raw prompt has no tools. Post a conversation to /v1/chat/completions.', unless: none },
  ...ENGINE_REFUSED,
};

export const COMPLETION_FIELDS: FieldTable<typeof Supported> = {
  supported: Supported,
  forwarded: Forwarded,
  ignored: Ignored,
  refused: Refused,
  required: ['model', 'prompt'],
  notes: {
    best_of: 'as many as "n", else it is refused',
    stream_options: 'without "stream" it has no effect, and "include_obfuscation" never has',
    request_id: 'the header x-request-id names a request',
    length_penalty: 'it shapes beams, of which there are none',
    early_stopping: 'it shapes beams, of which there are none',
  },
};
