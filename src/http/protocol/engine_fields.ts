/** vLLM's own fields of a request, the same in every protocol of OpenAI's. */
import { z } from 'zod';

const bool = z.boolean();
const int = z.int();
const text = z.string();
const any = z.unknown();
const object = z.record(z.string(), any);

/** How the policy is sampled. */
export const SAMPLING_FIELDS = {
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
} as const;

/** Sent to the engine as they came: they shape rendering or sampling in ways the gateway need not understand. */
export const ENGINE_FIELDS = {
  structured_outputs: object,
  include_reasoning: bool,
  thinking_token_budget: int,
  chat_template: text,
  chat_template_kwargs: object,
  add_generation_prompt: bool,
  continue_final_message: bool,
  add_special_tokens: bool,
  documents: z.array(any),
  mm_processor_kwargs: object,
  media_io_kwargs: object,
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
