/** Every field a completion request may have, and what becomes of it. */
import { z } from 'zod';

import type { FieldTable } from '../protocol/fields.js';

const bool = z.boolean();
const int = z.int();
const text = z.string();
const object = z.record(z.string(), z.unknown());

/** Prompts of one request, as many as vLLM takes. */
export const MAX_PROMPTS = 1024;

const ids = z.array(z.int().min(0)).min(1);
const Prompt = z.union([text, z.array(text).min(1).max(MAX_PROMPTS), ids, z.array(ids).min(1).max(MAX_PROMPTS)]);

const Supported = {
  model: text.min(1),
  prompt: Prompt,
  echo: bool,
  suffix: text,
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
  temperature: z.number().min(0).max(2),
  top_p: z.number().gt(0).max(1),
  top_k: int.min(-1),
  min_p: z.number().min(0).max(1),
  presence_penalty: z.number().min(-2).max(2),
  frequency_penalty: z.number().min(-2).max(2),
  repetition_penalty: z.number().gt(0),
  min_tokens: int.min(0),
  seed: int,
  stop: z.union([text, z.array(text).max(16)]),
  logit_bias: z.record(z.string(), z.number().min(-100).max(100)),
  ignore_eos: bool,
  store: bool,
  metadata: z
    .record(z.string().max(64), z.string().max(512))
    .refine((value) => Object.keys(value).length <= 16, 'has more than 16 keys'),
} as const;

const Forwarded: Readonly<Record<string, z.ZodType>> = {
  response_format: z.looseObject({ type: text }),
  structured_outputs: object,
  add_special_tokens: bool,
  truncate_prompt_tokens: int,
  truncation_side: text,
  stop_token_ids: z.array(int),
  include_stop_str_in_output: bool,
  skip_special_tokens: bool,
  spaces_between_special_tokens: bool,
  allowed_token_ids: z.array(int),
  bad_words: z.array(text),
  thinking_token_budget: int,
  repetition_detection: object,
  return_tokens_as_token_ids: bool,
  logprob_token_ids: z.array(int),
  stream_interval: int.min(1),
  cache_salt: text,
  priority: int,
  session_id: text,
};

const Ignored: Readonly<Record<string, z.ZodType>> = {
  user: text,
  safety_identifier: text,
  prompt_cache_key: text,
  prompt_cache_retention: text,
  service_tier: text,
};

const Refused: Readonly<Record<string, string>> = {
  prompt_logprobs: 'Ask for "echo" and "logprobs".',
  prompt_embeds: 'A prompt is a text or token ids.',
  messages: 'Post a conversation to /v1/chat/completions.',
  tools: 'A raw prompt has no tools. Post a conversation to /v1/chat/completions.',
  use_beam_search: 'A beam is not sampled from the policy, so it cannot be logged as an action.',
  length_penalty: 'It belongs to beam search, which is not supported.',
  early_stopping: 'It belongs to beam search, which is not supported.',
  logits_processors: 'It names code to run in the engine.',
  vllm_xargs: 'It reaches into the engine.',
  kv_transfer_params: 'It reaches into the engine.',
  ec_transfer_params: 'It reaches into the engine.',
  request_id: 'Send the header x-request-id.',
  guided_json: 'It was replaced by "structured_outputs".',
  guided_regex: 'It was replaced by "structured_outputs".',
  guided_choice: 'It was replaced by "structured_outputs".',
  guided_grammar: 'It was replaced by "structured_outputs".',
};

export const COMPLETION_FIELDS: FieldTable<typeof Supported> = {
  supported: Supported,
  forwarded: Forwarded,
  ignored: Ignored,
  refused: Refused,
  required: ['model', 'prompt'],
};
