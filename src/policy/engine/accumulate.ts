/**
 * Chunks in, events and whole actions out. Pure: no socket, no clock. Each chunk is read once and
 * trusted as little as its fields deserve; what the engine did not report stays absent.
 */
import type { Action, Beside, NativeTurn, PolicyEvent, RawPrompts, TokenLogprob, Usage } from '../../core/policy.js';
import { NO_USAGE } from '../../core/policy.js';
import { parseJson, writeJson } from '../../core/text/json.js';
import { Calls, type CallDelta } from './calls.js';
import { type Chunk, type ChunkChoice, shareUsage, tokenIdsIn, type WireUsage } from './chunk.js';
import { asChatChunk } from './completion.js';
import { chunkFault, ENGINE, garbage, tooLarge, truncated, type Party } from './fault.js';
import { endedBy, type Ended, finishWord, graver } from './finish.js';
import { addMessageFields, addParts, type OwnFields } from './own_fields.js';
import { besideOf, type Delta, reasoningName, saidIn } from './said.js';
import { TokenChunkReader, type TokenChunk } from './token_chunk.js';

/** What the request asked for that decides how its reply is read. */
export interface ReplyOptions {
  /** The token limit of one action, when there was one. */
  readonly maxTokens?: number | undefined;
  /** The tokens of prompt and action together, where the engine has said how many it can hold. */
  readonly contextLength?: number | undefined;
  /** Whether the entries of each token are kept, beyond the numbers. */
  readonly tokenLogprobs: boolean;
  /** Bytes an answer may have, all its choices together. */
  readonly maxBytes: number;
  /** Bytes that the same answer had in actions before. */
  readonly bytesBefore?: number | undefined;
  /** Whether a turn is to be sent back to its server as it came, so that its own fields are kept. */
  readonly keepsTurns?: boolean | undefined;
  /** Called with the names of what came beside text. */
  readonly beside?: ((names: readonly string[]) => void) | undefined;
  /** Called with the name that the server has for reasoning; undefined where that is no plain text. */
  readonly reasoned?: ((name: string | undefined) => void) | undefined;
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
      readonly refusal?: true | undefined;
    }
  | { type: 'reasoning'; readonly index: number; text: string }
  | { type: 'arguments'; readonly index: number; readonly position: number; text: string }
  | { type: Exclude<PolicyEvent['type'], 'text' | 'reasoning' | 'arguments'> };

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
  /** What the server says in fields of its own, where it is to get them back. */
  own: OwnFields | undefined;
  /** The content where some of it came as a list. */
  parts: OwnFields[] | undefined;
}

/** What one event counts for beside its text: it is kept until the step is over. */
const EVENT_BYTES = 64;

export class Accumulator {
  readonly #options: ReplyOptions;
  readonly #party: Party;
  readonly #choices: Choice[] = [];
  readonly #tokenChunks = new TokenChunkReader();
  #begun = false;
  #engineId: string | undefined;
  #promptTokenIds: readonly number[] | undefined;
  #usage: WireUsage | undefined;
  #bytes = 0;
  /** What came beside the choices: some servers repeat it in every chunk. */
  #beside = '';

  constructor(options: ReplyOptions, party: Party = ENGINE) {
    this.#options = options;
    this.#party = party;
    this.#bytes = options.bytesBefore ?? 0;
  }

  /**
   * Reads the data of one event and appends what it says to `out`. Throws an engine fault on an error object and on
   * anything that is no chunk.
   */
  push(data: string, out: PolicyEvent[]): void {
    const token = this.#options.tokenLogprobs ? undefined : this.#tokenChunks.read(data);
    if (token !== undefined) return this.#token(token, out);
    this.pushParsed(parse(data, this.#party), data, out);
    this.#tokenChunks.learn(data);
  }

  /** As {@link push}, of an event that is parsed already: `data` are its words, or the first of them. */
  pushParsed(value: unknown, data: string, out: PolicyEvent[]): void {
    if (typeof value !== 'object' || value === null) throw garbage(`not an object: ${data}`, this.#party);
    const said: Chunk = value;
    const { raw, maxTokens } = this.#options;
    const chunk = raw === undefined ? said : asChatChunk(said, raw, maxTokens);
    if (chunk.error !== undefined && chunk.error !== null) throw chunkFault(chunk.error, this.#party);
    if (chunk.object === 'error') throw chunkFault(chunk, this.#party);
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
    if (this.#options.keepsTurns !== undefined) this.#besideChoices(chunk, out);
  }

  /** Nothing more will come. What was held back until it is known to be whole is told now. */
  end(out: PolicyEvent[]): void {
    for (const choice of this.#choices) choice?.calls.end(out);
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
    const choice = (this.#choices[0] ??= this.#emptyChoice(0));
    this.#count(text.length + 8);
    choice.text += text;
    (choice.tokenIds ??= []).push(tokenId);
    if (logprob !== undefined) choice.logprobs.push(logprob);
    const last = out.at(-1) as Growing | undefined;
    if (last?.type === 'text' && last.index === 0 && last.tokenIds !== undefined && last.logprobs === undefined) {
      last.text += text;
      last.tokenIds.push(tokenId);
    } else out.push({ type: 'text', index: 0, text, tokenIds: [tokenId] });
  }

  #choice(wire: ChunkChoice | null, out: PolicyEvent[]): void {
    if (typeof wire !== 'object' || wire === null) return;
    if (typeof wire.error === 'object' && wire.error !== null) throw chunkFault(wire.error, this.#party);
    const index = typeof wire.index === 'number' && wire.index >= 0 && wire.index < MAX_CHOICES ? wire.index : 0;
    const choice = (this.#choices[index] ??= this.#emptyChoice(index));
    const delta = wire.delta ?? wire.message ?? (typeof wire.text === 'string' ? { content: wire.text } : undefined);
    const tokenIds =
      Array.isArray(wire.token_ids) && wire.token_ids.length > 0 ? (wire.token_ids as readonly number[]) : undefined;
    if (tokenIds !== undefined) {
      choice.tokenIds ??= [];
      for (const id of tokenIds) choice.tokenIds.push(id);
      this.#count(tokenIds.length * 8);
    }
    const listed = wire.logprobs?.content;
    const entries = Array.isArray(listed) ? (listed as readonly TokenLogprob[]) : undefined;
    if (entries !== undefined) {
      for (const entry of entries) choice.logprobs.push(entry.logprob);
      if (this.#options.tokenLogprobs) for (const entry of entries) choice.entries.push(entry);
      this.#count(entries.length * 8);
    }
    const text = delta ? this.#said(choice, delta, wire.delta === undefined, out) : '';
    // A token whose text the parser holds back, or that belongs to a call, still is a sampled token.
    if (wire.prompt !== undefined) {
      choice.promptTokenIds = wire.prompt.tokenIds;
      out.push({ type: 'text', index, text: '', prompt: wire.prompt });
    }
    // So does the last of a completion, which ends without a text.
    if (text !== '' || tokenIds !== undefined || (entries !== undefined && this.#options.raw !== undefined)) {
      choice.text += text;
      this.#grow(Buffer.byteLength(text), out, {
        type: 'text',
        index,
        text,
        ...(this.#options.tokenLogprobs && entries !== undefined && entries.length > 0 ? { logprobs: entries } : {}),
        ...(tokenIds === undefined ? {} : { tokenIds: [...tokenIds] }),
      });
    }
    if (delta) this.#callsIn(choice, delta, out);
    const word = finishWord(wire.finish_reason);
    if (word !== undefined) {
      choice.finish = graver(choice.finish, word);
      if (typeof wire.stop_reason === 'string') choice.stopSequence = wire.stop_reason;
    }
  }

  /** Everything of a delta but its calls. Returns its text, which belongs to its tokens. */
  #said(choice: Choice, delta: Delta, whole: boolean, out: PolicyEvent[]): string {
    const { index } = choice;
    const { text, reasoning, refusal, parts, beside } = saidIn(delta);
    if (this.#options.keepsTurns === true) {
      this.#count(addMessageFields((choice.own ??= {}), delta, whole));
      if (parts !== undefined || (choice.parts !== undefined && text !== ''))
        addParts(
          (choice.parts ??= choice.text === '' ? [] : [{ type: 'text', text: choice.text }]),
          parts?.map((part) => (typeof part === 'string' ? { type: 'text', text: part } : part)) ?? [
            { type: 'text', text },
          ],
          whole,
        );
    }
    if (reasoning !== '') {
      choice.reasoning += reasoning;
      this.#grow(Buffer.byteLength(reasoning), out, { type: 'reasoning', index, text: reasoning });
    }
    if (refusal !== '') {
      choice.text += refusal;
      this.#grow(Buffer.byteLength(refusal), out, { type: 'text', index, text: refusal, refusal: true });
    }
    if (beside !== undefined) this.#tellBeside(index, beside, out);
    return text;
  }

  #callsIn(choice: Choice, delta: Delta, out: PolicyEvent[]): void {
    const { tool_calls: listed, function_call: legacy } = delta;
    const deltas: readonly CallDelta[] =
      Array.isArray(listed) && listed.length > 0
        ? (listed as readonly CallDelta[])
        : typeof legacy === 'object' && legacy !== null
          ? [{ index: 0, function: legacy }]
          : [];
    if (deltas.length === 0) return;
    if (choice.calls.count > MAX_CALLS || deltas.length > MAX_CALLS)
      throw garbage(`an answer of more than ${MAX_CALLS} tool calls`, this.#party);
    const before = choice.calls.bytes;
    const from = out.length;
    choice.calls.push(deltas, out);
    this.#count(choice.calls.bytes - before + EVENT_BYTES * deltas.length);
    joinArguments(out, from);
  }

  /** A list of sources beside the choices, as a search engine's server sends it. */
  #besideChoices(chunk: Chunk, out: PolicyEvent[]): void {
    const found = besideOf(chunk as Readonly<Record<string, unknown>>);
    if (found === undefined) return;
    const text = writeJson(found);
    if (text === this.#beside) return;
    this.#beside = text;
    this.#tellBeside(0, found, out);
  }

  #tellBeside(index: number, fields: Beside, out: PolicyEvent[]): void {
    this.#count(writeJson(fields).length + EVENT_BYTES);
    out.push({ type: 'beside', index, fields });
    this.#options.beside?.(Object.keys(fields));
  }

  /** Adds an event, to the last one where that is of the same kind and nobody has taken it yet. */
  #grow(bytes: number, out: PolicyEvent[], event: Extract<PolicyEvent, { readonly type: 'text' | 'reasoning' }>): void {
    this.#count(bytes + EVENT_BYTES);
    const last = out.at(-1) as Growing | undefined;
    if (last?.type === event.type && last.index === event.index && isBare(last) && isBare(event))
      last.text += event.text;
    else out.push(event);
  }

  #emptyChoice(index: number): Choice {
    return {
      index,
      text: '',
      reasoning: '',
      calls: new Calls(index, this.#options.keepsTurns === true),
      finish: undefined,
      stopSequence: undefined,
      promptTokenIds: undefined,
      tokenIds: undefined,
      logprobs: [],
      entries: [],
      own: undefined,
      parts: undefined,
    };
  }

  #count(bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes > this.#options.maxBytes) throw tooLarge(this.#options.maxBytes, this.#party);
  }

  #action(choice: Choice, usage: Usage, timings: Action['timings']): Action {
    const ended = endedBy(choice.finish ?? '', this.#party);
    const cut = this.#cut(choice, ended, usage);
    const ids = tokenIdsIn(choice.tokenIds);
    const logprobsWhole =
      choice.logprobs.length > 0 &&
      (ids === undefined || ids.length === choice.logprobs.length) &&
      choice.logprobs.every(isLogprob);
    const calls = choice.calls.whole();
    if (choice.reasoning !== '' && choice.own !== undefined) this.#options.reasoned?.(reasoningName(choice.own));
    if (calls.some(({ name }) => name === '')) throw garbage('a tool call without a name', this.#party);
    return {
      text: choice.text,
      reasoning: choice.reasoning === '' ? undefined : choice.reasoning,
      calls,
      // A named tool_choice ends with `stop` although it made a call.
      finishReason: cut ? 'length' : ended === 'stop' && calls.length > 0 ? 'tool_calls' : ended,
      cut,
      stopSequence: choice.stopSequence,
      promptTokenIds: tokenIdsIn(choice.promptTokenIds ?? this.#promptTokenIds),
      tokenIds: ids,
      logprobs: logprobsWhole ? choice.logprobs : undefined,
      tokenLogprobs: choice.entries.length > 0 ? choice.entries : undefined,
      usage,
      native: nativeOf(choice),
      engineId: this.#engineId,
      timings,
    };
  }

  /**
   * vLLM streams say `tool_calls` for an action its token limit ended (vllm#58228), so with calls the
   * count decides. Without calls `stop` is believed: an answer may end exactly at the limit.
   */
  #cut(choice: Choice, ended: Ended, usage: Usage): boolean {
    if (ended === 'length') return true;
    if (choice.calls.count === 0) return false;
    const { maxTokens = Infinity, contextLength = Infinity } = this.#options;
    const sampled = choice.tokenIds?.length ?? usage.completion_tokens;
    const prompt = this.#promptTokenIds?.length ?? usage.prompt_tokens;
    return sampled >= Math.min(maxTokens, prompt > 0 ? contextLength - prompt : Infinity);
  }
}

/** Each piece is looked for among the calls before it, and the loop runs far fewer. */
const MAX_CALLS = 1024;

/** The most a request may ask for. */
const MAX_CHOICES = 128;

function nativeOf({ own, parts, calls }: Choice): NativeTurn | undefined {
  const message = { ...own, ...(parts === undefined ? {} : { content: parts }) };
  const ofCalls = calls.own();
  return Object.keys(message).length === 0 && ofCalls === undefined ? undefined : { message, calls: ofCalls ?? {} };
}

/** Whether an event has nothing but its text. */
function isBare(event: Growing | PolicyEvent): boolean {
  if (event.type === 'reasoning') return true;
  return (
    event.type === 'text' && event.tokenIds === undefined && event.logprobs === undefined && event.refusal === undefined
  );
}

/** Joins the last piece of arguments, where it is one, to the piece before it that nobody has taken yet. */
function joinArguments(out: PolicyEvent[], from: number): void {
  const [last, next] = [out[from - 1], out[from]] as [Growing | undefined, Growing | undefined];
  if (out.length !== from + 1 || last?.type !== 'arguments' || next?.type !== 'arguments') return;
  if (last.index !== next.index || last.position !== next.position) return;
  last.text += next.text;
  out.pop();
}

/** Arguments that are no text: the numbers in them are the policy's. */
const OBJECT_ARGUMENTS = /"arguments":\s*[{[]/;

function parse(data: string, party: Party): unknown {
  try {
    return OBJECT_ARGUMENTS.test(data) ? parseJson(data) : JSON.parse(data);
  } catch (cause) {
    throw garbage(`not JSON: ${data}`, party, cause);
  }
}

/** -9999 is vLLM's placeholder for a number it cannot give. */
function isLogprob(value: number): boolean {
  return typeof value === 'number' && value > -9999;
}
