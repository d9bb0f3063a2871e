/** What the whole and the streamed form of a completion share: how a choice is told, its legacy log-probabilities. */
import type { PolicyEvent, RawPrompts, ReadPrompt, TokenLogprob } from '../../core/policy.js';
import { GyreError } from '../../core/errors.js';
import type { Ending } from '../../core/trajectory.js';

type TextEvent = Extract<PolicyEvent, { type: 'text' }>;

interface LegacyLogprobs {
  readonly tokens: string[];
  readonly token_logprobs: (number | null)[];
  readonly top_logprobs: (Record<string, number> | null)[];
  readonly text_offset: number[];
}

/** What one event adds to its choice. */
export interface Piece {
  readonly text: string;
  readonly logprobs: LegacyLogprobs | undefined;
  readonly promptTokenIds: readonly number[] | undefined;
  readonly tokenIds: readonly number[];
}

/** Turns the events of one choice into what the client is told of it. */
export class ChoiceTeller {
  readonly #raw: RawPrompts;
  readonly #prompt: number;
  readonly #logprobs: boolean;
  #begun = false;
  /** Characters of all tokens so far, as vLLM counts offsets. */
  #offset = 0;

  constructor(raw: RawPrompts, prompt: number, logprobs: boolean) {
    this.#raw = raw;
    this.#prompt = prompt;
    this.#logprobs = logprobs;
  }

  tell(event: TextEvent): Piece {
    const first = !this.#begun;
    this.#begun = true;
    const entries = [...(event.prompt?.tokens ?? []), ...(event.logprobs ?? [])];
    return {
      text: (first ? this.#echo(event.prompt) : '') + event.text,
      logprobs: this.#logprobs && entries.length > 0 ? this.#legacy(entries) : undefined,
      promptTokenIds: event.prompt?.tokenIds,
      tokenIds: event.tokenIds ?? [],
    };
  }

  /** An engine that does not say how it read the prompt has it in its text already. */
  #echo(read: ReadPrompt | undefined): string {
    const { echo, list } = this.#raw;
    if (echo === 'none' || (echo === 'engine' && read?.tokenIds === undefined)) return '';
    const prompt = list[this.#prompt];
    // Of ids the text is that of one token after another: of a character in several tokens only pieces are known.
    return typeof prompt === 'string' ? prompt : (read?.tokens ?? []).map(({ token }) => token).join('');
  }

  #legacy(entries: readonly (Omit<TokenLogprob, 'logprob'> & { readonly logprob: number | null })[]): LegacyLogprobs {
    const told = noLogprobs();
    for (const { token, logprob, top_logprobs: top } of entries) {
      told.tokens.push(token);
      told.token_logprobs.push(logprob);
      told.top_logprobs.push(
        logprob === null ? null : Object.fromEntries(top.map((each) => [each.token, each.logprob])),
      );
      told.text_offset.push(this.#offset);
      this.#offset += token.length;
    }
    return told;
  }
}

export function noLogprobs(): LegacyLogprobs {
  return { tokens: [], token_logprobs: [], top_logprobs: [], text_offset: [] };
}

export function append(to: LegacyLogprobs, more: LegacyLogprobs): void {
  for (const token of more.tokens) to.tokens.push(token);
  for (const logprob of more.token_logprobs) to.token_logprobs.push(logprob);
  for (const top of more.top_logprobs) to.top_logprobs.push(top);
  for (const offset of more.text_offset) to.text_offset.push(offset);
}

/** A fault of the conversation, as other protocols know it, is one of the prompt here. */
export function aboutPrompt(fault: GyreError): GyreError {
  const { side, status, code, message, retryAfterMs, cause } = fault;
  return fault.param === 'messages'
    ? new GyreError({ side, status, code, message, param: 'prompt', retryAfterMs, cause })
    : fault;
}

export function wireUsage({ usage }: Ending): Readonly<Record<string, unknown>> {
  const { prompt_tokens: prompt, completion_tokens: completion, cached_tokens: cached } = usage;
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    prompt_tokens_details: { cached_tokens: cached },
  };
}
