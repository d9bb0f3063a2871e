/** What the scripted engine replies: its parts, the bytes vLLM would make of them, and how they are cut and broken. */
import type { ServerResponse } from 'node:http';

import { canonicalJson } from '../../src/core/text/hash.js';

export interface EngineCall {
  readonly id?: string;
  readonly name: string;
  readonly arguments: string;
}

/** What one request gets. Everything has a default; an empty reply says "ok" and stops. */
export interface Reply {
  /** Tokens; a string is cut into words. */
  readonly text?: string | readonly string[];
  readonly reasoning?: string | readonly string[];
  readonly calls?: readonly EngineCall[];
  /** Of two tokens that alone are allowed: how much likelier the first is, in nats. */
  readonly preference?: number;
  /** With `n` above 1: what each choice says; the last one for the rest. */
  readonly variants?: readonly Pick<Reply, 'text' | 'calls' | 'finish'>[];
  /** Null: the stream ends without one. */
  readonly finish?: string | null;
  /** What vLLM says beside the finish reason: the stop string that was met. */
  readonly stopReason?: string;
  readonly usage?:
    | { readonly prompt?: number; readonly completion?: number; readonly cached?: number; readonly reasoning?: number }
    | false;
  /** False: a plain OpenAI upstream that knows no token ids. */
  readonly tokenIds?: boolean;
  readonly promptTokenIds?: readonly number[];
  readonly done?: boolean;
  /** Choices of these deltas instead of `text` and `calls`; strings are sent as they are. */
  readonly deltas?: readonly (Readonly<Record<string, unknown>> | string)[];
  /** An HTTP answer instead of a completion. */
  readonly status?: number;
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Milliseconds before the head, and between events. */
  readonly headDelayMs?: number;
  readonly delayMs?: number;
  /** Never answers. */
  readonly silent?: boolean;
  /** Goes quiet for ever, breaks the connection, or ends it, after this many events. */
  readonly stall?: number;
  readonly reset?: number;
  readonly hangUp?: number;
  /** Line ends of CR LF. */
  readonly crlf?: boolean;
  /** How the whole stream is cut into writes; default one write per event. */
  readonly cut?: (bytes: Buffer) => readonly Buffer[];
}

export interface ChatBody {
  readonly model: string;
  readonly messages: readonly {
    readonly role: string;
    readonly content: unknown;
    readonly tool_call_id?: string;
    readonly reasoning?: string;
    readonly tool_calls?: readonly {
      readonly id: string;
      readonly function: { readonly name: string; readonly arguments: string };
    }[];
  }[];
  readonly tools?: readonly {
    readonly function: { readonly name: string; readonly parameters?: { readonly properties?: object } };
  }[];
  readonly tool_choice?: unknown;
  readonly stream?: boolean;
  readonly n?: number;
  readonly max_tokens?: number;
  readonly [field: string]: unknown;
}

/** The bytes of a reply, whole and as the events of its stream. */
export function encode(reply: Reply, body: ChatBody): { readonly json: string; readonly events: string[] } {
  const head = (object: string): Record<string, unknown> => ({
    id: 'chatcmpl-engine',
    object,
    created: 1_760_000_000,
    model: body.model,
  });
  const part = head('chat.completion.chunk');
  const choices = Array.from({ length: body.n ?? 1 }, (_, index) => index);
  const variant = (index: number): Reply => ({
    ...reply,
    ...reply.variants?.[Math.min(index, reply.variants.length - 1)],
  });
  const tokensOf = (said: Reply): { text: readonly string[]; reasoning: readonly string[] } => ({
    text: pieces(said.text ?? (said.calls === undefined && said.reasoning === undefined ? 'ok' : [])),
    reasoning: pieces(said.reasoning ?? []),
  });
  const finishOf = (said: Reply): string | null =>
    said.finish === undefined ? (said.calls === undefined ? 'stop' : 'tool_calls') : said.finish;
  const ids = reply.tokenIds ?? body['return_token_ids'] === true;
  const promptIds = reply.promptTokenIds ?? words(canonicalJson(body.messages)).map(tokenId);
  const end = reply.crlf === true ? '\r\n\r\n' : '\n\n';
  const event = (data: unknown): string => `data: ${typeof data === 'string' ? data : JSON.stringify(data)}${end}`;
  const chunk = (
    index: number,
    delta: unknown,
    sampled: readonly string[],
    more: Record<string, unknown> = {},
  ): unknown => ({
    ...part,
    choices: [
      {
        index,
        delta,
        logprobs:
          body['logprobs'] === true && sampled.length > 0
            ? { content: sampled.map((token) => logprob(token, body)) }
            : null,
        finish_reason: null,
        ...more,
        ...(ids && sampled.length > 0 ? { token_ids: sampled.map(tokenId) } : {}),
      },
    ],
  });

  let completion = 0;
  const events: string[] = [];
  for (const index of choices) {
    const opening = chunk(index, { role: 'assistant', content: '' }, []) as Record<string, unknown>;
    events.push(event(ids ? { ...opening, prompt_token_ids: promptIds, prompt_text: null } : opening));
  }
  for (const index of choices) {
    const said = variant(index);
    const tokens = tokensOf(said);
    const finish = finishOf(said);
    const say = (delta: unknown, sampled: readonly string[]): void => {
      completion += sampled.length;
      events.push(event(chunk(index, delta, sampled)));
    };
    if (reply.deltas !== undefined) {
      for (const delta of reply.deltas) {
        if (typeof delta === 'string') events.push(delta);
        else say(delta, [JSON.stringify(delta)]);
      }
    } else {
      for (const token of tokens.reasoning) say({ reasoning: token }, [token]);
      for (const token of tokens.text) say({ content: token }, [token]);
      for (const [at, call] of (said.calls ?? []).entries()) {
        // The parser holds back what may be a call: its tokens come with an empty text.
        say({}, ['<tool_call>']);
        say(
          {
            content: null,
            tool_calls: [
              { index: at, id: call.id ?? `chatcmpl-tool-${at}`, type: 'function', function: { name: call.name } },
            ],
          },
          [call.name],
        );
        for (const text of halves(call.arguments))
          say({ content: null, tool_calls: [{ index: at, function: { arguments: text } }] }, [text]);
      }
    }
    if (finish !== null) {
      completion += 1;
      events.push(
        event(chunk(index, {}, ['<|im_end|>'], { finish_reason: finish, stop_reason: said.stopReason ?? null })),
      );
    }
  }
  const usage = {
    prompt_tokens: (reply.usage || {}).prompt ?? promptIds.length,
    completion_tokens: (reply.usage || {}).completion ?? completion,
    total_tokens: ((reply.usage || {}).prompt ?? promptIds.length) + ((reply.usage || {}).completion ?? completion),
    prompt_tokens_details:
      (reply.usage || {}).cached === undefined ? null : { cached_tokens: (reply.usage || {}).cached },
    ...((reply.usage || {}).reasoning === undefined
      ? {}
      : { completion_tokens_details: { reasoning_tokens: (reply.usage || {}).reasoning } }),
  };
  if (
    reply.usage !== false &&
    (body['stream_options'] as { include_usage?: boolean } | undefined)?.include_usage === true
  )
    events.push(event({ ...part, choices: [], usage, system_fingerprint: 'vllm-0.28.0-fake' }));
  if (reply.done !== false) events.push(event('[DONE]'));

  const json = JSON.stringify({
    ...head('chat.completion'),
    choices: choices.map((index) => ({
      index,
      finish_reason: finishOf(variant(index)),
      stop_reason: null,
      logprobs: null,
      message: {
        role: 'assistant',
        content: tokensOf(variant(index)).text.join(''),
        tool_calls: (variant(index).calls ?? []).map((call, at) => ({
          id: call.id ?? `chatcmpl-tool-${at}`,
          type: 'function',
          function: { name: call.name, arguments: call.arguments },
        })),
      },
    })),
    usage,
    ...(ids ? { prompt_token_ids: promptIds } : {}),
  });
  return { json, events };
}

/**
 * A conversation that ends with a turn, as a template renders it: the prompt of that turn as a chat request is told it,
 * the words of the turn, its end, and the end of a line.
 */
export function turnTokens(messages: ChatBody['messages']): number[] {
  const last = messages.at(-1) as { content?: string | null; tool_calls?: { function: object }[] } | undefined;
  const said = [last?.content ?? '', ...(last?.tool_calls ?? []).map((call) => JSON.stringify(call.function))].join('');
  const prompt = words(canonicalJson(messages.slice(0, -1)));
  return [...prompt, ...words(said), '<|im_end|>', '\n'].map(tokenId);
}

/** The id the engine gives a token: stable, within the vocabulary. */
export function tokenId(token: string): number {
  let hash = 7;
  for (const character of token) hash = (hash * 31 + (character.codePointAt(0) ?? 0)) % 49_152;
  return hash;
}

/** Writes a reply as it says, with all its faults; `instead` are the events of another protocol. */
export async function answer(
  outgoing: ServerResponse,
  body: ChatBody,
  reply: Reply,
  instead?: readonly string[],
): Promise<void> {
  if (reply.silent === true) return;
  if (reply.headDelayMs !== undefined) await pause(reply.headDelayMs);
  if (reply.status !== undefined || reply.body !== undefined) {
    outgoing.writeHead(reply.status ?? 200, { 'content-type': 'application/json', ...reply.headers });
    return void outgoing.end(reply.body ?? JSON.stringify(vllmError(reply.status ?? 500, 'scripted fault')));
  }
  const { json, events: ours } = encode(
    instead === undefined ? reply : {},
    instead === undefined ? body : { ...body, messages: [] },
  );
  const events = instead ?? ours;
  if (body.stream !== true) {
    outgoing.writeHead(200, { 'content-type': 'application/json' });
    return void outgoing.end(json);
  }
  const stop = reply.stall ?? reply.reset ?? reply.hangUp;
  if (stop === 0 && reply.reset === 0) return void outgoing.socket?.resetAndDestroy();
  outgoing.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8', ...reply.headers });
  outgoing.flushHeaders();
  if (reply.cut !== undefined) {
    for (const part of reply.cut(Buffer.from(events.join('')))) {
      outgoing.write(part);
      await pause(reply.delayMs ?? 0);
    }
    return void outgoing.end();
  }
  for (const [at, event] of events.entries()) {
    if (at === stop) {
      if (reply.stall !== undefined) return;
      await pause(5); // what was written must have left before the connection goes
      if (reply.reset !== undefined) outgoing.socket?.resetAndDestroy();
      else outgoing.end();
      return;
    }
    if (outgoing.destroyed) return;
    if (!outgoing.write(event)) await drained(outgoing);
    if (reply.delayMs !== undefined) await pause(reply.delayMs);
  }
  outgoing.end();
}

function drained(outgoing: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      outgoing.off('drain', done).off('close', done);
      resolve();
    };
    outgoing.on('drain', done).on('close', done);
  });
}

export function vllmError(status: number, message: string): unknown {
  return { error: { message, type: status === 404 ? 'NotFoundError' : 'BadRequestError', param: null, code: status } };
}

function logprob(token: string, body: ChatBody): unknown {
  const bytes = [...Buffer.from(token)];
  const alternatives = Array.from({ length: Number(body['top_logprobs'] ?? 0) }, (_, at) => ({
    token: `${token}${at}`,
    logprob: -0.25 - at,
    bytes,
  }));
  return { token, logprob: -0.25, bytes, top_logprobs: alternatives };
}

function pieces(text: string | readonly string[]): readonly string[] {
  return typeof text === 'string' ? words(text) : text;
}

export function words(text: string): string[] {
  return text.match(/\s*\S+|\s+/g) ?? [];
}

function halves(text: string): string[] {
  const middle = Math.ceil(text.length / 2);
  return [text.slice(0, middle), text.slice(middle)].filter((part) => part !== '');
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => (ms === 0 ? setImmediate(resolve) : setTimeout(resolve, ms)));
}
