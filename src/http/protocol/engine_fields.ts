/** vLLM's own fields of a request, the same in every protocol of OpenAI's. */
import { z } from 'zod';

import { badRequest } from '../../core/errors.js';

import type { Refusal } from './fields.js';

const bool = z.boolean();
const int = z.int();
const text = z.string();
const any = z.unknown();
const object = z.record(z.string(), any);

/** How the policy is sampled. */
export const SAMPLING_FIELDS = {
  temperature: z.number().min(0).max(2),
  top_p: z.number().gt(0).max(1),
  top_k: int.min(-1),
  min_p: z.number().min(0).max(1),
  presence_penalty: z.number().min(-2).max(2),
  frequency_penalty: z.number().min(-2).max(2),
  repetition_penalty: z.number().gt(0),
  min_tokens: int.min(0),
  seed: int,
  stop: z.union([text, z.array(text).max(16, 'has more than the 16 texts that are allowed')]),
  logit_bias: z.record(z.string(), z.number().min(-100).max(100)),
  ignore_eos: bool,
} as const;

/** Sent to the engine as they came, also with a raw prompt: they shape tokens and the reply. */
export const TOKEN_FIELDS = {
  structured_outputs: object,
  thinking_token_budget: int,
  add_special_tokens: bool,
  stop_token_ids: z.array(int),
  include_stop_str_in_output: bool,
  skip_special_tokens: bool,
  spaces_between_special_tokens: bool,
  truncate_prompt_tokens: int,
  allowed_token_ids: z.array(int),
  bad_words: z.array(text),
  repetition_detection: object,
  return_tokens_as_token_ids: bool,
  logprob_token_ids: z.array(int),
  stream_interval: int.min(1),
  cache_salt: text,
  priority: int,
  session_id: text,
} as const;

/** The same with a conversation, whose rendering they shape too, in ways the gateway need not understand. */
export const ENGINE_FIELDS = {
  ...TOKEN_FIELDS,
  include_reasoning: bool,
  chat_template: text,
  chat_template_kwargs: object,
  add_generation_prompt: bool,
  continue_final_message: bool,
  documents: z.array(any),
  mm_processor_kwargs: object,
  media_io_kwargs: object,
} as const;

/** Accepted without effect. */
export const ENGINE_IGNORED = {
  /** Our answers have ids of ours. */
  request_id: text,
  // They shape a search with beams, which is refused by its own name.
  length_penalty: z.number(),
  early_stopping: z.union([bool, z.literal('never')]),
} as const;

const none = z.strictObject({});
const REPLACED = 'It was replaced by "structured_outputs".';

/** What would change an answer in ways the log could not tell. */
export const ENGINE_REFUSED: Readonly<Record<string, Refusal>> = {
  use_beam_search: {
    reason: 'A beam is not sampled from the policy, so it cannot be logged as an action.',
    unless: z.literal(false),
  },
  logits_processors: { reason: 'It names code to run in the engine.', unless: z.array(any).max(0) },
  vllm_xargs: { reason: 'It reaches into the engine.', unless: none },
  kv_transfer_params: { reason: 'It reaches into the engine.', unless: none },
  ec_transfer_params: { reason: 'It reaches into the engine.', unless: none },
  guided_json: REPLACED,
  guided_regex: REPLACED,
  guided_choice: REPLACED,
  guided_grammar: REPLACED,
};

/** As many as are answered is what is drawn anyway; of more the best would be chosen, which nobody here does. */
export function checkBestOf(best: number | undefined, n: number): void {
  if (best === undefined || best === n) return;
  throw badRequest(
    `The parameter "best_of" is not supported but for the number of "n" (it is ${best}, and "n" is ${n}): no best of ` +
      'several is chosen here. Ask for "n" answers and choose.',
    'best_of',
    'unsupported_parameter',
  );
}
