/** A chunk of a chat completion as engines write it, and what it says was used; nothing about it is certain. */
import { NO_USAGE, type ReadPrompt, type TokenLogprob, type Usage } from '../../core/policy.js';
import { parsedInTurns } from '../../core/running/parsed.js';
import { garbage, type Party } from './fault.js';
import type { Delta } from './said.js';

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

export interface WireUsage {
  readonly prompt_tokens?: unknown;
  readonly completion_tokens?: unknown;
  readonly prompt_tokens_details?: { readonly cached_tokens?: unknown } | null | undefined;
  readonly completion_tokens_details?: { readonly reasoning_tokens?: unknown } | null | undefined;
}

/** One usage stands for all choices: the prompt counts once, completions by their own tokens where these are known. */
export function shareUsage(
  wire: WireUsage | undefined,
  choices: readonly { readonly tokenIds: readonly number[] | undefined }[],
): Usage[] {
  const total: Usage = {
    prompt_tokens: count(wire?.prompt_tokens),
    completion_tokens: count(wire?.completion_tokens),
    cached_tokens: count(wire?.prompt_tokens_details?.cached_tokens),
    reasoning_tokens: count(wire?.completion_tokens_details?.reasoning_tokens),
  };
  if (choices.length === 1) return [total];
  const rest = choices.slice(1).map((choice) => ({ ...NO_USAGE, completion_tokens: choice.tokenIds?.length ?? 0 }));
  const spent = rest.reduce((sum, usage) => sum + usage.completion_tokens, 0);
  return [{ ...total, completion_tokens: Math.max(0, total.completion_tokens - spent) }, ...rest];
}

/** Ids of no vocabulary are as good as none: an action that cannot be learned from is still one that is kept. */
export function tokenIdsIn<T extends readonly number[]>(ids: T | undefined): T | undefined {
  return ids?.every((id: unknown) => Number.isInteger(id) && (id as number) >= 0 && (id as number) < 2 ** 31) === true
    ? ids
    : undefined;
}

function count(value: unknown): number {
  return typeof value === 'number' && value >= 0 ? value : 0;
}

/** Characters or bytes of an event, or of a whole answer, that takes milliseconds to parse. */
export const LARGE = 512 * 1024;

/** Characters or bytes of it that an error may quote. */
const QUOTED = 1024;

/** A large one, and its first words; undefined where nobody wants it any more. Throws a fault on what is not JSON. */
export async function readLarge(
  json: Buffer | string,
  party: Party,
  isOver: () => boolean,
): Promise<readonly [value: unknown, words: string]> {
  const words = typeof json === 'string' ? json.slice(0, QUOTED) : json.toString('utf8', 0, QUOTED);
  try {
    // Arguments that are no text keep their numbers.
    return [await parsedInTurns(json, { exact: json.includes('"arguments"'), isOver }), words];
  } catch (cause) {
    throw garbage(`${cause instanceof RangeError ? `what ${cause.message}` : 'not JSON'}: ${words}`, party, cause);
  }
}
