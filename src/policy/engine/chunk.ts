/** A chunk of a chat completion as engines write it; nothing about it is certain. */
import type { ReadPrompt, TokenLogprob } from '../../core/policy.js';

interface Delta {
  readonly content?: unknown;
  readonly reasoning?: unknown;
  readonly reasoning_content?: unknown;
  readonly tool_calls?: unknown;
}

export interface ChunkChoice {
  readonly index?: unknown;
  readonly delta?: Delta | null | undefined;
  /** Some servers answer a streamed request with one whole completion. */
  readonly message?: Delta | null | undefined;
  readonly finish_reason?: unknown;
  /** vLLM's: the stop string or the id of the token that ended it. */
  readonly stop_reason?: unknown;
  readonly token_ids?: unknown;
  readonly logprobs?: { readonly content?: readonly TokenLogprob[] | null } | null | undefined;
  /** Of a raw prompt, with the first chunk of a choice. */
  readonly prompt?: ReadPrompt | undefined;
}

export interface Chunk {
  readonly id?: unknown;
  readonly error?: unknown;
  readonly choices?: unknown;
  readonly usage?: WireUsage | null | undefined;
  readonly prompt_token_ids?: readonly number[] | null | undefined;
}

export interface WireUsage {
  readonly prompt_tokens?: number | undefined;
  readonly completion_tokens?: number | undefined;
  readonly prompt_tokens_details?: { readonly cached_tokens?: number | null } | null | undefined;
  readonly completion_tokens_details?: { readonly reasoning_tokens?: number | null } | null | undefined;
}
