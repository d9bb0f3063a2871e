/**
 * The policy over HTTP: one streamed chat completion of vLLM, or of anything that speaks OpenAI's
 * protocol, per action. It reads and reports; it never retries, and an aborted signal destroys the
 * upstream socket, which is how an engine learns to stop.
 */
import { Pool, type Dispatcher } from 'undici';

import { onAbort } from '../../core/abort.js';
import { GyreError } from '../../core/errors.js';
import type { Action, Policy, PolicyEvent, PolicyRequest, Prompt, TokenCounter } from '../../core/policy.js';
import { Accumulator } from './accumulate.js';
import { cancelled, ENGINE, garbage, statusFault, transportFault, type Party } from './fault.js';
import { countingMedia, Media, readingMedia } from './media.js';
import { SseParser } from './sse.js';
import { countTokens } from './tokenize.js';
import { promptBody, requestBody } from './wire.js';

export interface EngineOptions {
  /** Address of the engine, with or without `/v1`. */
  readonly url: string;
  readonly apiKey?: string | undefined;
  /** Milliseconds until the reply's head must be there, and between two pieces of its body. */
  readonly timeoutMs: number;
}

/** The connections to one server, an engine or an upstream. */
export interface ServerConnection {
  /** `body` is the request as this server takes it. */
  sample(request: PolicyRequest, body: string, signal: AbortSignal): AsyncGenerator<PolicyEvent, readonly Action[]>;
  /** Tokens of a prompt, where the server is a vLLM. */
  count(prompt: Prompt, signal: AbortSignal): Promise<number>;
  /** Ends every connection; what is being sampled fails. */
  close(): Promise<void>;
}

/** A policy that holds connections, and counts what it would be asked over them. */
export interface EnginePolicy extends Policy, TokenCounter {
  /** Ends every connection; what is being sampled fails. */
  close(): Promise<void>;
}

export function openPolicy(options: EngineOptions): EnginePolicy {
  const connection = connectTo(options, { ...ENGINE, at: new URL(options.url).origin });
  const media = new Media({ inTools: true });
  return {
    ...readingMedia({ sample: (request, signal) => connection.sample(request, requestBody(request), signal) }, media),
    ...countingMedia({ count: (prompt, signal) => connection.count(prompt, signal) }, media),
    close: () => connection.close(),
  };
}

/** Connects at the first request. */
export function connectTo(options: EngineOptions, party: Omit<Party, 'secret'>): ServerConnection {
  const url = new URL(options.url);
  const who: Party = options.apiKey === undefined ? party : { ...party, secret: options.apiKey };
  const pool = new Pool(url.origin, {
    headersTimeout: options.timeoutMs,
    bodyTimeout: options.timeoutMs,
    connect: { timeout: Math.min(options.timeoutMs, 10_000), noDelay: true },
    pipelining: 1,
    // An idle connection is dropped well before an engine does it (uvicorn: 5 s), so that no request meets a closing
    // one.
    keepAliveTimeout: 2_000,
    keepAliveTimeoutThreshold: 2_000,
  });
  const root = url.pathname.replace(/\/+$/, '').replace(/\/v1$/, '');
  const credentials = options.apiKey === undefined ? {} : { authorization: `Bearer ${options.apiKey}` };
  const target = {
    origin: url.origin,
    path: `${apiPath(url.pathname)}/chat/completions${url.search}`,
    headers: ['content-type', 'application/json', 'accept', 'text/event-stream', ...Object.entries(credentials).flat()],
  };

  return {
    sample(request, body, signal) {
      return new ActionStream(request, who, signal, (stream) => {
        const headers = [...target.headers];
        if (request.requestId !== undefined) headers.push('x-request-id', request.requestId);
        if (request.trace !== undefined) headers.push(...Object.entries(request.trace).flat());
        pool.dispatch({ origin: target.origin, path: target.path, method: 'POST', headers, body }, stream);
      });
    },
    count(prompt, signal) {
      const headers = {
        'content-type': 'application/json',
        ...credentials,
        ...(prompt.requestId === undefined ? {} : { 'x-request-id': prompt.requestId }),
      };
      return countTokens(
        pool,
        { origin: url.origin, path: `${root}/tokenize`, headers, body: promptBody(prompt) },
        who,
        signal,
      );
    },
    close: () => pool.destroy(),
  };
}

/**
 * A path that names a version of the protocol is kept, as OpenAI clients keep their base address; else `/v1` is meant.
 */
function apiPath(path: string): string {
  const bare = path.replace(/\/+$/, '');
  return /\/v\d[^/]*(?:\/|$)/.test(bare) ? bare : `${bare}/v1`;
}

/** Events waiting for a slow reader before the socket is told to wait too. */
const QUEUE_LIMIT = 1024;
/** Bytes kept of a reply that is not a stream. */
const BODY_LIMIT = 16 * 1024 * 1024;
const DONE = '[DONE]';

type Kind = 'stream' | 'json' | 'error';

type Next = IteratorResult<PolicyEvent, readonly Action[]>;

/**
 * One request on the wire: undici calls the `on` methods, `next` takes what they left. Written out rather than
 * as a generator function: an event waits for one promise, not for a generator's several.
 */
class ActionStream implements Dispatcher.DispatchHandler, AsyncGenerator<PolicyEvent, readonly Action[]> {
  readonly #party: Party;
  readonly #signal: AbortSignal;
  readonly #dispatch: (stream: ActionStream) => void;
  #stopListening: (() => void) | undefined;
  #begun = false;
  /** The consumer has returned, or has had the end. */
  #left = false;
  readonly #accumulator: Accumulator;
  readonly #parser: SseParser;
  readonly #startedAt = Date.now();
  readonly #clock = performance.now();
  #controller: Dispatcher.DispatchController | undefined;
  #queue: PolicyEvent[] = [];
  /** Events of the queue that were taken. */
  #taken = 0;
  #waiting: { readonly resolve: (next: Next) => void; readonly reject: (fault: unknown) => void } | undefined;
  #fault: unknown;
  /** Nothing more will come, for good or ill. */
  #over = false;
  #kind: Kind = 'stream';
  #status = 0;
  #retryAfter: string | undefined;
  readonly #body: Buffer[] = [];
  #bodyBytes = 0;
  #firstTokenMs: number | undefined;

  constructor(request: PolicyRequest, party: Party, signal: AbortSignal, dispatch: (stream: ActionStream) => void) {
    this.#party = party;
    this.#signal = signal;
    this.#dispatch = dispatch;
    this.#accumulator = new Accumulator(
      {
        tokenLogprobs: request.topLogprobs !== undefined,
        maxTokens: request.sampling.max_tokens,
      },
      party,
    );
    this.#parser = new SseParser((data) => {
      if (this.#over) return; // what follows [DONE] says nothing
      if (data === DONE) this.#end();
      else this.#accumulator.push(data, this.#queue);
    });
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#over) controller.abort(cancelled());
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: Record<string, string | string[] | undefined>,
  ): void {
    if (status < 200) return; // informational; the reply is still to come
    this.#status = status;
    const type = String(headers['content-type'] ?? 'text/event-stream');
    if (status !== 200) this.#kind = 'error';
    else if (type.includes('json')) this.#kind = 'json';
    else if (!type.includes('event-stream')) this.#fail(garbage(`its content type is "${type}"`, this.#party));
    const after = headers['retry-after'];
    this.#retryAfter = Array.isArray(after) ? after[0] : after;
  }

  onResponseData(controller: Dispatcher.DispatchController, bytes: Buffer): void {
    if (this.#over && this.#kind === 'stream') return;
    if (this.#kind !== 'stream') {
      this.#body.push(bytes);
      this.#bodyBytes += bytes.length;
      if (this.#bodyBytes > BODY_LIMIT) this.#fail(garbage(`its body is larger than ${BODY_LIMIT} bytes`, this.#party));
      return;
    }
    this.#guard(() => this.#parser.push(bytes));
    if (this.#queue.length === this.#taken) return;
    // The first event only says that the reply began; tokens are what follows it.
    if (this.#firstTokenMs === undefined && this.#queue.at(-1)?.type !== 'start')
      this.#firstTokenMs = performance.now() - this.#clock;
    if (this.#queue.length - this.#taken > QUEUE_LIMIT) controller.pause();
    this.#rouse();
  }

  onResponseEnd(): void {
    if (this.#over) return;
    switch (this.#kind) {
      case 'stream':
        return this.#guard(() => {
          this.#parser.end();
          this.#end();
        });
      case 'json':
        return this.#guard(() => {
          this.#accumulator.push(this.#text(), this.#queue);
          this.#end();
        });
      case 'error':
        return this.#fail(statusFault(this.#status, this.#text(), this.#retryAfter, this.#party));
      default:
        return this.#kind satisfies never;
    }
  }

  onResponseError(_controller: Dispatcher.DispatchController, thrown: Error): void {
    this.#fail(transportFault(thrown, this.#status !== 0, this.#party));
  }

  /**
   * Resolves to the next event, then to the actions; rejects with the fault once all events before it are taken. Not
   * called again before it has.
   */
  next(): Promise<Next> {
    if (!this.#begun && !this.#left) this.#begin();
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#rouse();
    });
  }

  /**
   * Leaves early: the engine is told to stop. After the end it does nothing, so that the connection can serve again.
   */
  return(actions: readonly Action[] | PromiseLike<readonly Action[]>): Promise<Next> {
    this.#leave();
    return Promise.resolve(actions).then((value) => ({ done: true, value }));
  }

  throw(thrown: unknown): Promise<Next> {
    this.#leave();
    // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- what was thrown in is thrown out
    return Promise.reject(thrown);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#leave();
  }

  #begin(): void {
    this.#begun = true;
    if (this.#signal.aborted) return this.#fail(cancelled());
    this.#stopListening = onAbort(this.#signal, () => this.#fail(cancelled()));
    try {
      this.#dispatch(this);
    } catch (thrown) {
      this.#fail(thrown);
    }
  }

  #leave(): void {
    if (this.#left) return;
    this.#left = true;
    this.#stopListening?.();
    if (!this.#over) this.#fail(cancelled());
  }

  #actions(): readonly Action[] {
    return this.#accumulator.finish({
      startedAt: this.#startedAt,
      firstTokenMs: this.#firstTokenMs,
      totalMs: performance.now() - this.#clock,
    });
  }

  #text(): string {
    return Buffer.concat(this.#body).toString('utf8');
  }

  #guard(read: () => void): void {
    try {
      read();
    } catch (thrown) {
      this.#fail(thrown instanceof GyreError ? thrown : garbage(String(thrown), this.#party, thrown));
    }
  }

  #end(): void {
    this.#over = true;
    this.#rouse();
  }

  #fail(fault: unknown): void {
    if (this.#over) return;
    this.#over = true;
    this.#fault = fault;
    this.#controller?.abort(fault instanceof Error ? fault : new Error(String(fault)));
    this.#rouse();
  }

  /** Gives whoever waits what there is: an event, else the end or the fault. */
  #rouse(): void {
    const waiting = this.#waiting;
    if (waiting === undefined) return;
    const event = this.#queue[this.#taken];
    if (event !== undefined) {
      this.#taken += 1;
      if (this.#taken === this.#queue.length) this.#emptied();
      this.#waiting = undefined;
      return waiting.resolve({ done: false, value: event });
    }
    if (!this.#over && !this.#left) return;
    this.#waiting = undefined;
    const fault = this.#left ? cancelled() : this.#fault;
    this.#leave();
    if (fault !== undefined) return waiting.reject(fault);
    try {
      waiting.resolve({ done: true, value: this.#actions() });
    } catch (thrown) {
      waiting.reject(thrown);
    }
  }

  #emptied(): void {
    this.#queue = [];
    this.#taken = 0;
    if (this.#controller?.paused === true) this.#controller.resume();
  }
}
