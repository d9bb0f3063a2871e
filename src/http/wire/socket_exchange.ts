/** One message on a WebSocket and what is answered to it: an exchange as an HTTP request is one. */
import { newId } from '../../core/ids.js';
import type { Delivered, Watch } from '../../core/observe.js';
import type { Clock, Clocks } from '../../loop/clock.js';
import type { Bodies } from './bodies.js';
import { type AnyExchange, type ExchangeHooks, failureTold } from './exchange.js';
import type { ErrorShape } from './failure.js';
import type { Link } from './link.js';
import type { Room } from './room.js';

export interface SocketExchangeDeps extends ExchangeHooks {
  readonly clocks: Clocks;
  readonly errors: ErrorShape;
}

/** A message as it came. */
export interface Message {
  readonly size: number;
  readonly read: () => unknown;
}

export class SocketExchange implements AnyExchange {
  readonly requestId = newId('req');
  readonly startedAt = Date.now();
  readonly clock: Clock;
  watch: Watch | undefined;
  trusted = false;
  status: number | undefined;
  readonly size: number;
  readonly #link: Link;
  readonly #read: () => unknown;
  readonly #envelope: Readonly<Record<string, unknown>>;
  readonly #deps: SocketExchangeDeps;
  readonly #began = performance.now();
  readonly #gone = (): void => this.#over(false);
  #room: Room | undefined;
  #whole = false;
  #responding = true;
  #open = 2;

  /** `read` gives the value of a message of `size` bytes, or throws; `envelope` is put into each error. */
  constructor(
    link: Link,
    { size, read }: Message,
    envelope: Readonly<Record<string, unknown>>,
    deps: SocketExchangeDeps,
  ) {
    this.size = size;
    this.#link = link;
    this.#read = read;
    this.#envelope = envelope;
    this.#deps = deps;
    this.clock = deps.clocks.start();
    link.onGone(this.#gone);
  }

  header(name: string): string | undefined {
    return this.#link.header(name);
  }

  /** The message's bytes were bounded as they came in. */
  body({ room }: Bodies): Promise<unknown> {
    return new Promise((resolve) => {
      const value = this.#read();
      room.enter();
      this.#room = room;
      resolve(value);
    });
  }

  elapsed(): number {
    return performance.now() - this.#began;
  }

  get gone(): boolean {
    return this.#link.gone;
  }

  /** A promise means: wait, the client is slower than the policy. */
  get full(): Promise<void> | undefined {
    return this.#link.full;
  }

  get delivered(): Delivered {
    return this.#whole ? 'delivered' : this.status === undefined ? 'not_started' : 'disconnected';
  }

  /** One message of an answer that is not over. */
  send(text: string): void {
    this.status ??= 200;
    this.#link.send(text);
  }

  /** The last message of an answer. */
  json(text: string): void {
    this.status ??= 200;
    this.#last(text);
  }

  /** The headers that a response would have are in the message: clients look there for when to try again. */
  fail(thrown: unknown, more: Readonly<Record<string, string>>, toolsRan: boolean): void {
    if (this.status !== undefined || this.#link.gone) return;
    const { bug, errors } = this.#deps;
    const { status, headers, body } = failureTold(this, thrown, toolsRan, bug, errors);
    this.status = status;
    this.#last(errorMessage(status, body, { ...more, ...headers }, this.#envelope));
  }

  done(): void {
    this.#room?.leave();
    // Nothing was said: the client left, and its connection is about to say so.
    if (this.#responding && this.status === undefined) this.#over(false);
    this.#end();
  }

  #last(text: string): void {
    this.#link.send(text, () => this.#over(true));
    if (this.#link.gone) this.#over(false);
  }

  /** The response is over, whole or not. */
  #over(whole: boolean): void {
    if (!this.#responding) return;
    this.#responding = false;
    this.#whole = whole;
    this.#link.offGone(this.#gone);
    if (whole) this.#deps.clocks.recycle(this.clock);
    else this.clock.end('client');
    this.#end();
  }

  #end(): void {
    this.#open -= 1;
    if (this.#open === 0) this.#deps.closed(this);
  }
}

/** An error as a message: the envelope a whole response would have, its status, and the fields flat as in a stream. */
export function errorMessage(
  status: number,
  body: string,
  headers: Readonly<Record<string, string>> = {},
  envelope: Readonly<Record<string, unknown>> = {},
): string {
  const { error } = JSON.parse(body) as { readonly error: Readonly<Record<string, unknown>> };
  const { code = null, message = '', param = null } = error;
  const { 'content-type': _, ...rest } = headers as Readonly<Record<string, string>> & { 'content-type'?: string };
  return JSON.stringify({ type: 'error', status, error, code, message, param, headers: rest, ...envelope });
}
