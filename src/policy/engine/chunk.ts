/** A chunk of a chat completion as engines write it; nothing about it is certain. */
import type { ReadPrompt, TokenLogprob } from '../../core/policy.js';
import type { Delta } from './said.js';
import type { WireUsage } from './usage.js';

export interface ChunkChoice {
  readonly index?: unknown;
  readonly delta?: Delta | null | undefined;
  /** Some servers answer a streamed request with one whole completion. */
  readonly message?: Delta | null | undefined;
  /** The form of older completions. */
  readonly text?: unknown;
  readonly error?: unknown;
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
  readonly object?: unknown;
  readonly error?: unknown;
  readonly choices?: unknown;
  readonly usage?: WireUsage | null | undefined;
  readonly prompt_token_ids?: readonly number[] | null | undefined;
}
