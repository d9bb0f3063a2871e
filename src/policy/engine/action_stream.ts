/**
 * One request on its way: what undici reads of the reply becomes events, then whole actions. It reads and reports; it
 * never retries, and an aborted signal destroys the socket, which is how an engine learns to stop.
 */
import type { Dispatcher } from 'undici';

import { onAbort } from '../../core/running/abort.js';
import { Gathered } from '../../core/running/gathered.js';
import { AT_ONCE, takingTurns, turnFor } from '../../core/running/turns.js';
import { GyreError } from '../../core/errors.js';
import type { Action, PolicyEvent, PolicyRequest } from '../../core/policy.js';
import { Accumulator } from './accumulate.js';
import { LARGE, readLarge } from './chunk.js';
import { cancelled, garbage, statusFault, tooLarge, transportFault, type Party } from './fault.js';
import { areEvents, SseParser } from './sse.js';

/** What is asked of an upstream's connection beside. */
export interface UpstreamReading {
  /** Whether turns are sent back as they came, so that their own fields are kept. */
  readonly keepsTurns: boolean;
  /** Called with the names of what came beside text. */
  readonly beside: (names: readonly string[]) => void;
  /** Called with the name it has for reasoning; undefined where that is no plain text. */
  readonly reasoned: (name: string | undefined) => void;
}

/** What bounds and shapes the reading of a reply. */
interface ReplyBounds {
  readonly answerBytes: number;
  /** The tokens of prompt and action together, where the engine has said how many it can hold. */
  readonly contextLength: number | undefined;
  readonly reading: UpstreamReading | undefined;
}

/** Events waiting for a slow reader before the socket is told to wait too. */
const QUEUE_LIMIT = 1024;
/** Bytes on the wire for each byte of an answer: a token takes some hundred, with all its alternatives thousands. */
const WIRE_BYTES = 64;
/** Bytes of a body that is an error, however short an answer may be. */
const ERROR_BYTES = 64 * 1024;
const DONE = '[DONE]';

type Kind = 'stream' | 'json' | 'error';

type Next = IteratorResult<PolicyEvent, readonly Action[]>;

/**
 * One request on the wire: undici calls the `on` methods, `next` takes what they left. Written out rather than
 * as a generator function: an event waits for one promise, not for a generator's several.
 */
export class ActionStream implements Dispatcher.DispatchHandler, AsyncGenerator<PolicyEvent, readonly Action[]> {
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
  readonly #body = new Gathered();
  /** What came while a large piece waits for its turn to be read. */
  #held: Buffer[] | undefined;
  #endedWhileHeld = false;
  /** A large event, and those behind it: they wait until it is parsed. Not where none is, which is nearly always. */
  #events: string[] | undefined;
  readonly #turnAfter = takingTurns();
  readonly #answerBytes: number;
  #wireBytes = 0;
  #firstTokenMs: number | undefined;

  constructor(
    request: PolicyRequest,
    party: Party,
    { answerBytes, contextLength, reading }: ReplyBounds,
    signal: AbortSignal,
    dispatch: (stream: ActionStream) => void,
  ) {
    this.#party = party;
    this.#answerBytes = answerBytes;
    this.#signal = signal;
    this.#dispatch = dispatch;
    this.#accumulator = new Accumulator(
      {
        tokenLogprobs: request.topLogprobs !== undefined,
        maxTokens: request.sampling.max_tokens,
        contextLength,
        maxBytes: answerBytes,
        bytesBefore: request.bytesBefore,
        raw: request.raw,
        ...reading,
      },
      party,
    );
    this.#parser = new SseParser((data) => {
      if (data.length > LARGE || this.#events !== undefined) (this.#events ??= []).push(data);
      else this.#event(data);
    }, answerBytes);
  }

  /** Nobody wants it any more, or it has failed. */
  get isOver(): boolean {
    return this.#over;
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
    this.#wireBytes += bytes.length;
    if (this.#kind !== 'stream') {
      this.#body.add(bytes);
      const limit = this.#kind === 'error' ? Math.max(ERROR_BYTES, this.#answerBytes) : this.#answerBytes;
      if (this.#wireBytes > limit) this.#fail(tooLarge(this.#answerBytes, this.#party));
      return;
    }
    if (this.#wireBytes > this.#answerBytes * WIRE_BYTES) return this.#fail(tooLarge(this.#answerBytes, this.#party));
    if (this.#held !== undefined) {
      this.#held.push(bytes);
      return;
    }
    const turn = turnFor(this.#parser.sizeWith(bytes)) ?? this.#turnAfter(bytes.length);
    if (turn === undefined) return this.#read(bytes, controller);
    controller.pause();
    this.#held = [bytes];
    void turn.then(() => this.#readHeld(controller));
  }

  async #readHeld(controller: Dispatcher.DispatchController): Promise<void> {
    const held = this.#held ?? [];
    // What comes meanwhile is held behind it.
    for (let bytes = held.shift(); bytes !== undefined && !this.#over; bytes = held.shift()) {
      this.#read(bytes, controller);
      if (this.#events === undefined) continue;
      await this.#readEvents();
      this.#tell(controller);
    }
    this.#held = undefined;
    if (this.#endedWhileHeld) this.onResponseEnd();
    else if (!controller.aborted && this.#isRead) controller.resume();
  }

  #read(bytes: Buffer, controller: Dispatcher.DispatchController): void {
    if (this.#over) return;
    this.#guard(() => this.#parser.push(bytes));
    this.#tell(controller);
  }

  /** Whether the reader keeps up. */
  get #isRead(): boolean {
    return this.#queue.length - this.#taken <= QUEUE_LIMIT;
  }

  #tell(controller: Dispatcher.DispatchController): void {
    if (this.#queue.length === this.#taken) return;
    // The first event only says that the reply began; tokens are what follows it.
    if (this.#firstTokenMs === undefined && this.#queue.at(-1)?.type !== 'start')
      this.#firstTokenMs = performance.now() - this.#clock;
    if (!this.#isRead) controller.pause();
    this.#rouse();
  }

  #event(data: string): void {
    if (this.#over) return; // what follows [DONE] says nothing
    if (data === DONE) this.#end();
    else this.#accumulator.push(data, this.#queue);
  }

  /** Those that a large one is among; no bytes are read meanwhile. */
  async #readEvents(): Promise<void> {
    const events = this.#events ?? [];
    this.#events = undefined;
    for (const data of events)
      if (this.#over) return;
      else if (data.length > LARGE) await this.#readLarge(data);
      else this.#guard(() => this.#event(data));
  }

  /** What is said by JSON that is parsed in turns. */
  async #readLarge(json: Buffer | string): Promise<void> {
    try {
      const [value, words] = await readLarge(json, this.#party, () => this.#over);
      if (!this.#over) this.#accumulator.pushParsed(value, words, this.#queue);
    } catch (thrown) {
      this.#failBy(thrown);
    }
  }

  onResponseEnd(): void {
    if (this.#over) return;
    if (this.#held !== undefined) {
      this.#endedWhileHeld = true;
      return;
    }
    const turn = this.#kind === 'json' ? turnFor(this.#wireBytes) : undefined;
    if (turn === undefined) this.#readEnd();
    else void turn.then(() => this.#readEnd());
  }

  #readEnd(): void {
    if (this.#over) return;
    switch (this.#kind) {
      case 'stream':
        this.#guard(() => this.#parser.end());
        if (this.#events === undefined) return this.#end();
        return void this.#readEvents().then(() => this.#end());
      case 'json':
        return void this.#readBody(this.#body.take());
      case 'error':
        return this.#fail(statusFault(this.#status, this.#text(), this.#retryAfter, this.#party));
      default:
        return this.#kind satisfies never;
    }
  }

  async #readBody(bytes: Buffer): Promise<void> {
    if (areEvents(bytes)) {
      for (let at = 0; at < bytes.length; at += AT_ONCE) {
        if (at > 0) await turnFor(AT_ONCE);
        this.#guard(() => this.#parser.push(bytes.subarray(at, at + AT_ONCE)));
        await this.#readEvents();
      }
      this.#guard(() => this.#parser.end());
      await this.#readEvents();
    } else if (bytes.length > LARGE) await this.#readLarge(bytes);
    else this.#guard(() => this.#accumulator.push(bytes.toString('utf8'), this.#queue));
    this.#end();
  }

  /** It could not be asked for. */
  refused(thrown: unknown): void {
    this.#fail(thrown);
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
    return this.#body.take().toString('utf8');
  }

  #guard(read: () => void): void {
    try {
      read();
    } catch (thrown) {
      this.#failBy(thrown);
    }
  }

  #failBy(thrown: unknown): void {
    this.#fail(thrown instanceof GyreError ? thrown : garbage(String(thrown), this.#party, thrown));
  }

  #end(): void {
    if (this.#over) return;
    this.#guard(() => this.#accumulator.end(this.#queue));
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
    if (this.#controller?.paused === true && this.#held === undefined) this.#controller.resume();
  }
}
