/**
 * Chunks in, events and whole actions out. Pure: no socket, no clock. Each chunk is read once and
 * trusted as little as its fields deserve; what the engine did not report stays absent.
 */
import type { Action, FinishReason, PolicyEvent, RawPrompts, TokenLogprob, Usage } from '../../core/policy.js';
import { NO_USAGE } from '../../core/policy.js';
import { Calls, type CallDelta } from './calls.js';
import type { Chunk, ChunkChoice, WireUsage } from './chunk.js';
import { asChatChunk } from './completion.js';
import { chunkFault, ENGINE, garbage, truncated, type Party } from './fault.js';
import { TokenChunkReader, type TokenChunk } from './token_chunk.js';

/** What the request asked for that decides how its reply is read. */
export interface ReplyOptions {
  /** The token limit of one action, when there was one. */
  readonly maxTokens?: number | undefined;
  /** Whether the entries of each token are kept, beyond the numbers. */
  readonly tokenLogprobs: boolean;
  /** The prompts, where it is the reply of `/v1/completions`. */
  readonly raw?: RawPrompts | undefined;
}

/**
 * The last event nobody has taken yet. Tokens that arrive together become one event: each event on its own costs more
 * than its token.
 */
type Growing =
  | {
      type: 'text';
      index: number;
      text: string;
      tokenIds?: number[] | undefined;
      readonly logprobs?: readonly TokenLogprob[] | undefined;
    }
  | { type: Exclude<PolicyEvent['type'], 'text'> };

interface Choice {
  readonly index: number;
  text: string;
  reasoning: string;
  readonly calls: Calls;
  finish: string | undefined;
  stopSequence: string | undefined;
  promptTokenIds: readonly number[] | undefined;
  tokenIds: number[] | undefined;
  readonly logprobs: number[];
  readonly entries: TokenLogprob[];
}

export class Accumulator {
  readonly #options: ReplyOptions;
  readonly #party: Party;
  readonly #choices: Choice[] = [];
  readonly #tokenChunks = new TokenChunkReader();
  #begun = false;
  #engineId: string | undefined;
  #promptTokenIds: readonly number[] | undefined;
  #usage: WireUsage | undefined;

  constructor(options: ReplyOptions, party: Party = ENGINE) {
    this.#options = options;
    this.#party = party;
  }

  /**
   * Reads the data of one event and appends what it says to `out`. Throws an engine fault on an error object and on
   * anything that is no chunk.
   */
  push(data: string, out: PolicyEvent[]): void {
    const token = this.#options.tokenLogprobs ? undefined : this.#tokenChunks.read(data);
    if (token !== undefined) return this.#token(token, out);
    const { raw, maxTokens } = this.#options;
    const said = parse(data, this.#party);
    const chunk = raw === undefined ? said : asChatChunk(said, raw, maxTokens);
    if (chunk.error !== undefined && chunk.error !== null) throw chunkFault(chunk.error, this.#party);
    if (chunk.usage) this.#usage = chunk.usage;
    const choices: readonly ChunkChoice[] | undefined = Array.isArray(chunk.choices)
      ? (chunk.choices as readonly ChunkChoice[])
      : undefined;
    if (choices === undefined) {
      if (chunk.usage) return;
      throw garbage(`a chunk without choices: ${data}`, this.#party);
    }
    if (!this.#begun) this.#begin(chunk, out);
    for (const choice of choices) this.#choice(choice, out);
    this.#tokenChunks.learn(data);
  }

  /** Every choice as a whole action, in order of index. Throws when one of them never finished. */
  finish(timings: Action['timings']): readonly Action[] {
    const choices = this.#choices.filter((choice) => choice !== undefined);
    if (choices.length === 0 || choices.some((choice) => choice.finish === undefined)) throw truncated(this.#party);
    const usages = shareUsage(this.#usage, choices);
    return choices.map((choice, at) => this.#action(choice, usages[at] ?? NO_USAGE, timings));
  }

  #begin(chunk: Chunk, out: PolicyEvent[]): void {
    this.#begun = true;
    if (typeof chunk.id === 'string') this.#engineId = chunk.id;
    if (Array.isArray(chunk.prompt_token_ids)) this.#promptTokenIds = chunk.prompt_token_ids;
    out.push(
      this.#promptTokenIds === undefined ? { type: 'start' } : { type: 'start', promptTokenIds: this.#promptTokenIds },
    );
  }

  #token({ text, tokenId, logprob }: TokenChunk, out: PolicyEvent[]): void {
    const choice = (this.#choices[0] ??= emptyChoice(0));
    choice.text += text;
    (choice.tokenIds ??= []).push(tokenId);
    if (logprob !== undefined) choice.logprobs.push(logprob);
    const last = out.at(-1) as Growing | undefined;
    if (last?.type === 'text' && last.index === 0 && last.tokenIds !== undefined && last.logprobs === undefined) {
      last.text += text;
      last.tokenIds.push(tokenId);
    } else out.push({ type: 'text', index: 0, text, tokenIds: [tokenId] });
  }

  #choice(wire: ChunkChoice, out: PolicyEvent[]): void {
    const index = typeof wire.index === 'number' ? wire.index : 0;
    const choice = (this.#choices[index] ??= emptyChoice(index));
    const delta = wire.delta ?? wire.message;
    const tokenIds =
      Array.isArray(wire.token_ids) && wire.token_ids.length > 0 ? (wire.token_ids as readonly number[]) : undefined;
    if (tokenIds !== undefined) {
      choice.tokenIds ??= [];
      for (const id of tokenIds) choice.tokenIds.push(id);
    }
    const entries = wire.logprobs?.content ?? undefined;
    if (entries !== undefined) {
      for (const entry of entries) choice.logprobs.push(entry.logprob);
      if (this.#options.tokenLogprobs) for (const entry of entries) choice.entries.push(entry);
    }
    if (delta) {
      const reasoning = delta.reasoning ?? delta.reasoning_content;
      if (typeof reasoning === 'string' && reasoning !== '') {
        choice.reasoning += reasoning;
        out.push({ type: 'reasoning', index, text: reasoning });
      }
    }
    const text = typeof delta?.content === 'string' ? delta.content : '';
    // A token whose text the parser holds back, or that belongs to a call, still is a sampled token.
    if (wire.prompt !== undefined) {
      choice.promptTokenIds = wire.prompt.tokenIds;
      out.push({ type: 'text', index, text: '', prompt: wire.prompt });
    }
    // So does the last of a completion, which ends without a text.
    if (text !== '' || tokenIds !== undefined || (entries !== undefined && this.#options.raw !== undefined)) {
      choice.text += text;
      const shown = this.#options.tokenLogprobs && entries !== undefined && entries.length > 0;
      if (shown)
        out.push(
          tokenIds === undefined
            ? { type: 'text', index, text, logprobs: entries }
            : { type: 'text', index, text, logprobs: entries, tokenIds },
        );
      else
        out.push(
          tokenIds === undefined
            ? { type: 'text', index, text }
            : { type: 'text', index, text, tokenIds: [...tokenIds] },
        );
    }
    if (delta && Array.isArray(delta.tool_calls)) choice.calls.push(delta.tool_calls as readonly CallDelta[], out);
    if (typeof wire.finish_reason === 'string') {
      choice.finish = wire.finish_reason;
      if (typeof wire.stop_reason === 'string') choice.stopSequence = wire.stop_reason;
    }
  }

  #action(choice: Choice, usage: Usage, timings: Action['timings']): Action {
    const cut = this.#cut(choice, usage);
    const ids = choice.tokenIds;
    const logprobsWhole =
      choice.logprobs.length > 0 &&
      (ids === undefined || ids.length === choice.logprobs.length) &&
      choice.logprobs.every(isLogprob);
    return {
      text: choice.text,
      reasoning: choice.reasoning === '' ? undefined : choice.reasoning,
      calls: choice.calls.whole(),
      finishReason: cut ? 'length' : finishReason(choice, this.#party),
      cut,
      stopSequence: choice.stopSequence,
      promptTokenIds: choice.promptTokenIds ?? this.#promptTokenIds,
      tokenIds: ids,
      logprobs: logprobsWhole ? choice.logprobs : undefined,
      tokenLogprobs: choice.entries.length > 0 ? choice.entries : undefined,
      usage,
      engineId: this.#engineId,
      timings,
    };
  }

  /**
   * vLLM streams say `tool_calls` for an action its token limit ended (vllm#58228), so with calls the
   * count decides. Without calls `stop` is believed: an answer may end exactly at the limit.
   */
  #cut(choice: Choice, usage: Usage): boolean {
    if (choice.finish === 'length') return true;
    if (this.#options.maxTokens === undefined || choice.calls.count === 0) return false;
    return (choice.tokenIds?.length ?? usage.completion_tokens) >= this.#options.maxTokens;
  }
}

function emptyChoice(index: number): Choice {
  return {
    index,
    text: '',
    reasoning: '',
    calls: new Calls(index),
    finish: undefined,
    stopSequence: undefined,
    promptTokenIds: undefined,
    tokenIds: undefined,
    logprobs: [],
    entries: [],
  };
}

function parse(data: string, party: Party): Chunk {
  let value: unknown;
  try {
    value = JSON.parse(data);
  } catch (cause) {
    throw garbage(`not JSON: ${data}`, party, cause);
  }
  if (typeof value !== 'object' || value === null) throw garbage(`not an object: ${data}`, party);
  return value;
}

/** The engine's word in OpenAI's four; a named tool_choice ends with `stop` although it made a call. */
function finishReason(choice: Choice, party: Party): FinishReason {
  switch (choice.finish) {
    case 'abort':
    case 'error':
      throw garbage(`it gave the answer up (finish reason "${choice.finish}")`, party);
    case 'content_filter':
      return 'content_filter';
    default:
      return choice.calls.count > 0 ? 'tool_calls' : 'stop';
  }
}

/** -9999 is vLLM's placeholder for a number it cannot give. */
function isLogprob(value: number): boolean {
  return typeof value === 'number' && value > -9999;
}

/** One usage stands for all choices: the prompt counts once, completions by their own tokens where these are known. */
function shareUsage(wire: WireUsage | undefined, choices: readonly Choice[]): Usage[] {
  const total: Usage = {
    prompt_tokens: wire?.prompt_tokens ?? 0,
    completion_tokens: wire?.completion_tokens ?? 0,
    cached_tokens: wire?.prompt_tokens_details?.cached_tokens ?? 0,
    reasoning_tokens: wire?.completion_tokens_details?.reasoning_tokens ?? 0,
  };
  if (choices.length === 1) return [total];
  const rest = choices.slice(1).map((choice) => ({ ...NO_USAGE, completion_tokens: choice.tokenIds?.length ?? 0 }));
  const spent = rest.reduce((sum, usage) => sum + usage.completion_tokens, 0);
  return [{ ...total, completion_tokens: Math.max(0, total.completion_tokens - spent) }, ...rest];
}
