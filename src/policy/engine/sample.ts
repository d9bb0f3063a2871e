/**
 * The policy over HTTP: one streamed chat completion of vLLM, or of anything that speaks OpenAI's
 * protocol, per action. It reads and reports; it never retries, and an aborted signal destroys the
 * upstream socket, which is how an engine learns to stop.
 */
import { Pool, type Dispatcher } from 'undici';

import { ANY_MODEL, type Neutraliser } from '../../core/text/control.js';
import type { HttpProxy } from '../../core/proxy.js';
import type { Relayed, RelayReply } from '../../core/serving.js';
import { throughProxy } from '../../network/proxied.js';
import type { Action, Policy, PolicyEvent, PolicyRequest, Prompt, TokenCounter } from '../../core/policy.js';
import { ActionStream, type UpstreamReading } from './action_stream.js';
import { completionBody } from './completion.js';
import { Capacities, fitting } from './fitting.js';
import { ENGINE, isUnanswered, type Party } from './fault.js';
import { countingMedia, Media, readingMedia } from './media.js';
import { relayTo } from './relay.js';
import { Reopening, type Stream } from './reopening.js';
import { type CountRequest, countTokens, tokensOf } from './tokenize.js';
import { type Body, promptBody, requestBody, turnBody, written } from './wire.js';

export interface EngineOptions {
  /** Address of the engine, with or without `/v1`. */
  readonly url: string;
  readonly apiKey?: string | undefined;
  /** Milliseconds until the reply's head must be there, and between two pieces of its body. */
  readonly timeoutMs: number;
  /** Breaks the control tokens of the engine's model; those of the common families without it. */
  readonly neutraliser?: Neutraliser | undefined;
  /** Bytes one answer may have; 16 MiB without it. */
  readonly answerBytes?: number | undefined;
  /** What is asked instead of connecting to it. */
  readonly proxy?: HttpProxy | undefined;
}

const ANSWER_BYTES = 16 * 1024 * 1024;
/** Pictures and sound are larger than what is said: what is passed on may have so many times as much. */
const RELAYED_BYTES = 16;

/** The connections to one server, an engine or an upstream. */
export interface ServerConnection {
  /** `bodyOf` makes the request as this server takes it. */
  sample(
    request: PolicyRequest,
    bodyOf: (request: PolicyRequest) => Body,
    signal: AbortSignal,
  ): AsyncGenerator<PolicyEvent, readonly Action[]>;
  /** Tokens of a prompt, where the server is a vLLM. `body` is the prompt as vLLM takes it. */
  count(prompt: Prompt, body: string, signal: AbortSignal): Promise<number>;
  /** The ids of its tokens, in the same way. */
  tokens(prompt: Prompt, body: string, signal: AbortSignal): Promise<readonly number[]>;
  /** Passes on what is no conversation, as it came. */
  relay(request: Relayed, signal: AbortSignal): Promise<RelayReply>;
  /** Ends every connection; what is being sampled fails. */
  close(): Promise<void>;
}

/** A policy that holds connections, and counts what it would be asked over them. */
export interface EnginePolicy extends Policy, TokenCounter {
  readonly render: NonNullable<Policy['render']>;
  /** Tokens of a text as the base model reads it where nothing in it is a control token. */
  tokens(text: string, model: string, signal: AbortSignal): Promise<readonly number[]>;
  /** Ends every connection; what is being sampled fails. */
  close(): Promise<void>;
}

export function openPolicy(options: EngineOptions): EnginePolicy {
  const connection = connectTo(options, { ...ENGINE, at: new URL(options.url).origin });
  const media = new Media({ inTools: true });
  const neutraliser = options.neutraliser ?? ANY_MODEL;
  return {
    ...readingMedia(
      {
        sample: (request, signal) =>
          connection.sample(
            request,
            (fitted) =>
              fitted.raw === undefined ? requestBody(fitted, neutraliser) : completionBody(fitted, fitted.raw),
            signal,
          ),
      },
      media,
    ),
    ...countingMedia(
      { count: (prompt, signal) => connection.count(prompt, promptBody(prompt, neutraliser), signal) },
      media,
    ),
    render: (prompt, turn, signal) => {
      const told = { ...prompt, messages: [...media.told(prompt.messages, prompt.newestMedia), turn] };
      return connection.tokens(told, turnBody(told, neutraliser), signal);
    },
    tokens(text, model, signal) {
      const body = JSON.stringify({ model, prompt: neutraliser.brought(text), add_special_tokens: false });
      return connection.tokens({ model, messages: [], tools: [] }, body, signal);
    },
    close: () => connection.close(),
  };
}

/** Connects at the first request. */
export function connectTo(
  options: EngineOptions,
  party: Omit<Party, 'secret'>,
  reading?: UpstreamReading,
): ServerConnection {
  const answerBytes = options.answerBytes ?? ANSWER_BYTES;
  const url = new URL(options.url);
  const { proxy } = options;
  const who: Party = {
    ...party,
    ...(options.apiKey === undefined ? {} : { secret: options.apiKey }),
    ...(proxy === undefined ? {} : { proxy: proxy.url.origin }),
  };
  const connectTimeout = Math.min(options.timeoutMs, 10_000);
  const bounds = { headersTimeout: options.timeoutMs, bodyTimeout: options.timeoutMs };
  const pool: Dispatcher =
    proxy !== undefined
      ? throughProxy(proxy, { ...bounds, connectTimeout })
      : new Pool(url.origin, {
          ...bounds,
          connect: { timeout: connectTimeout, noDelay: true },
          pipelining: 1,
          // An idle connection is dropped well before an engine does it (uvicorn: 5 s), so that no request meets a
          // closing one.
          keepAliveTimeout: 2_000,
          keepAliveTimeoutThreshold: 2_000,
        });
  const root = url.pathname.replace(/\/+$/, '').replace(/\/v1$/, '');
  const credentials = options.apiKey === undefined ? {} : { authorization: `Bearer ${options.apiKey}` };
  const api = apiPath(url.pathname);
  /** What lies under /v1 lies under the protocol's address; what does not, beside it. */
  const addressOf = (path: string): string =>
    path.startsWith('/v1/')
      ? api + path.slice('/v1'.length)
      : url.pathname.replace(/\/+$/, '').replace(/\/v\d+$/, '') + path;
  const completions = `${api}/completions${url.search}`;
  const target = {
    origin: url.origin,
    path: `${api}/chat/completions${url.search}`,
    headers: ['content-type', 'application/json', 'accept', 'text/event-stream', ...Object.entries(credentials).flat()],
  };

  const capacities = new Capacities();

  /** A request to vLLM's `/tokenize`. */
  const tokenize = (body: string, requestId: string | undefined): CountRequest => ({
    origin: url.origin,
    path: `${root}/tokenize`,
    headers: {
      'content-type': 'application/json',
      ...credentials,
      ...(requestId === undefined ? {} : { 'x-request-id': requestId }),
    },
    body,
  });
  const count = (body: string, requestId: string | undefined, signal: AbortSignal): Promise<number> =>
    countTokens(pool, tokenize(body, requestId), who, signal);

  const longest = async ({ model, raw, requestId }: PolicyRequest, signal: AbortSignal): Promise<number> => {
    const lengths = (raw?.list ?? []).map(async (prompt) =>
      typeof prompt === 'string' ? count(JSON.stringify({ model, prompt }), requestId, signal) : prompt.length,
    );
    return Math.max(...(await Promise.all(lengths)));
  };

  return {
    sample(request, bodyOf, signal) {
      const open = (fitted: PolicyRequest): ActionStream => {
        const contextLength = capacities.of(fitted.model)?.length;
        return new ActionStream(fitted, who, { answerBytes, contextLength, reading }, signal, (stream) => {
          const headers = [...target.headers];
          if (request.requestId !== undefined) headers.push('x-request-id', request.requestId);
          for (const [name, value] of Object.entries(request.trace ?? {})) headers.push(name, value);
          const path = request.raw === undefined ? target.path : completions;
          // Spelt out for each: an object spread into another costs more here than all the rest of this.
          const { origin } = target;
          const body = written(bodyOf(fitted));
          if (typeof body === 'string') pool.dispatch({ origin, path, method: 'POST', headers, body }, stream);
          else
            body
              .then((bytes) => {
                if (!stream.isOver) pool.dispatch({ origin, path, method: 'POST', headers, body: bytes }, stream);
              })
              .catch((thrown: unknown) => stream.refused(thrown));
        });
      };
      const fitted = (): Stream => fitting(request, capacities, open, () => longest(request, signal));
      // What an upstream has taken is paid for, whether its answer came or not.
      if (who.named) return fitted();
      return new Reopening(fitted, (thrown, tried) =>
        Promise.resolve(tried === 1 && isUnanswered(thrown) && !signal.aborted),
      );
    },
    count: (prompt, body, signal) => count(body, prompt.requestId, signal),
    tokens: (prompt, body, signal) => tokensOf(pool, tokenize(body, prompt.requestId), who, signal),
    relay({ path, contentType, accept = '*/*', body, requestId }, signal) {
      const headers = { 'content-type': contentType, accept, ...credentials, 'x-request-id': requestId };
      return relayTo(
        pool,
        { origin: url.origin, path: `${addressOf(path)}${url.search}`, headers, body },
        who,
        signal,
        answerBytes * RELAYED_BYTES,
      );
    },
    close: () => pool.destroy(),
  };
}

/**
 * A path that names a version of the protocol is kept, as OpenAI clients keep their base address; else `/v1` is meant.
 */
export function apiPath(path: string): string {
  const bare = path.replace(/\/+$/, '');
  return /\/v\d[^/]*(?:\/|$)/.test(bare) ? bare : `${bare}/v1`;
}
