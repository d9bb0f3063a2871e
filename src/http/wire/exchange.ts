/**
 * One request and its response on node's own objects. The answer path writes here directly: a fetch
 * Response around a stream costs more than the rest of the gateway together. It knows when the client
 * has gone, whether anything was sent, and how to send a failure once.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';

import { asGyreError, discreetly, isBug } from '../../core/errors.js';
import { newId } from '../../core/ids.js';
import type { Arrival, Delivered, Watch } from '../../core/observe.js';
import type { Clock, Clocks } from '../../loop/clock.js';
import type { Bodies } from './bodies.js';
import { jsonInTurns } from './body.js';
import { failureOf, type ErrorShape, type Failure } from './failure.js';
import type { Leave, Room } from './room.js';

/** What @hono/node-server puts into a context's `env`. */
export interface NodeBindings {
  readonly incoming: IncomingMessage;
  readonly outgoing: ServerResponse;
}

const REQUEST_ID = /^[\w.:-]{1,128}$/;

/** The client's own id of a request when it is a plain word, else a new one. */
export function requestIdOf(header: string | readonly string[] | undefined): string {
  return typeof header === 'string' && REQUEST_ID.test(header) ? header : newId('req');
}

/** One request and its response, whatever carries them: an HTTP request, or a message on a WebSocket. */
export interface AnyExchange extends Arrival {
  /** Fires its signal when the client goes away before its answer is whole, or at the deadline. */
  readonly clock: Clock;
  /** Who watches it, if anyone does. */
  watch: Watch | undefined;
  /** Whoever asks may read the reasons of faults, addresses and paths included. */
  trusted: boolean;
  /**
   * The request as JSON. From then on it takes a place: a body may take its time, and until it is there holds nobody's.
   * Throws 400 on what is no JSON, 429 where there is no place, and what {@link Bodies.read} throws.
   */
  body(bodies: Bodies): Promise<unknown>;
  /** Bytes of the request, once it is there. */
  readonly size: number;
  /** Milliseconds since the request's head was read. */
  elapsed(): number;
  json(body: string, headers: Readonly<Record<string, string>>): void;
  /** Answers with the error, unless an answer has begun or nobody is there to read it. */
  fail(thrown: unknown, headers: Readonly<Record<string, string>>, toolsRan: boolean): void;
  /** The run is over: nothing more will be written. */
  done(): void;
  /** The status that was sent, if the response got that far. */
  readonly status: number | undefined;
  readonly delivered: Delivered;
}

/** Who is told of what becomes of exchanges. */
export interface ExchangeHooks {
  /** The end of both the run and the response. */
  readonly closed: (exchange: AnyExchange) => void;
  /** A fault that is a bug of ours: its client is told only that there was one. */
  readonly bug: (thrown: unknown, requestId: string) => void;
}

/** What is answered instead: a bug is reported, whoever watches hears of it, and reasons are for who is trusted. */
export function failureTold(
  { requestId, watch, trusted }: AnyExchange,
  thrown: unknown,
  toolsRan: boolean,
  bug: ExchangeHooks['bug'],
  errors: ErrorShape,
): Failure {
  if (isBug(thrown)) bug(thrown, requestId);
  watch?.refused?.(asGyreError(thrown));
  return failureOf(trusted ? thrown : discreetly(thrown), requestId, toolsRan, errors);
}

export class Exchange implements AnyExchange {
  readonly incoming: IncomingMessage;
  readonly outgoing: ServerResponse;
  readonly requestId: string;
  readonly startedAt = Date.now();
  readonly clock: Clock;
  readonly #errors: ErrorShape;
  watch: Watch | undefined;
  trusted = false;
  size = 0;
  readonly #began = performance.now();
  readonly #hooks: ExchangeHooks;
  /** 2: the loop's run and the HTTP response; each takes one off when it ends, in either order. */
  #open = 2;
  /** Whether all of the response has left this process. */
  #whole = false;
  /** Gives back the room of the body. */
  #leave: Leave | undefined;
  /** Where it has a place. */
  #room: Room | undefined;

  constructor({ incoming, outgoing }: NodeBindings, clocks: Clocks, errors: ErrorShape, hooks: ExchangeHooks) {
    this.#errors = errors;
    this.#hooks = hooks;
    this.clock = clocks.start();
    this.incoming = incoming;
    this.outgoing = outgoing;
    this.requestId = requestIdOf(incoming.headers['x-request-id']);
    // A connection that is cut off with an answer in it finishes that answer too, and so says `writableFinished`. Asked
    // first, because node ends a connection that is not kept alive when it hears of this.
    outgoing.prependListener('finish', () => (this.#whole = !incoming.socket.destroyed));
    outgoing.on('close', () => {
      if (this.#whole) clocks.recycle(this.clock);
      else this.clock.end('client');
      this.#end();
    });
  }

  async body(bodies: Bodies): Promise<unknown> {
    return jsonInTurns(await this.bytes(bodies));
  }

  /** The request as it came. Its room is kept until the response is over, since all that is made of it is. */
  async bytes(bodies: Bodies): Promise<Buffer> {
    const { bytes, leave } = await bodies.read(this.incoming, this.clock.signal);
    this.#leave = leave;
    this.size = bytes.length;
    bodies.room.enter();
    this.#room = bodies.room;
    return bytes;
  }

  done(): void {
    this.#room?.leave();
    this.#end();
  }

  get status(): number | undefined {
    return this.outgoing.headersSent ? this.outgoing.statusCode : undefined;
  }

  get delivered(): Delivered {
    return this.#whole ? 'delivered' : this.outgoing.headersSent ? 'disconnected' : 'not_started';
  }

  header(name: string): string | undefined {
    const value = this.incoming.headers[name];
    return Array.isArray(value) ? value[0] : value;
  }

  elapsed(): number {
    return performance.now() - this.#began;
  }

  json(body: string, headers: Readonly<Record<string, string>>): void {
    this.#send(200, flat(headers, ['content-type', 'application/json', 'x-request-id', this.requestId]), body);
  }

  fail(thrown: unknown, headers: Readonly<Record<string, string>>, toolsRan: boolean): void {
    const failure = failureTold(this, thrown, toolsRan, this.#hooks.bug, this.#errors);
    this.#send(failure.status, flat({ ...headers, ...failure.headers }, []), failure.body);
  }

  #end(): void {
    this.#open -= 1;
    if (this.#open > 0) return;
    this.#leave?.();
    this.#hooks.closed(this);
  }

  #send(status: number, headers: string[], body: string): void {
    if (this.outgoing.headersSent || this.outgoing.destroyed) return;
    headers.push('content-length', String(Buffer.byteLength(body)));
    this.outgoing.writeHead(status, headers);
    this.outgoing.end(body);
  }
}

/**
 * Adds headers to a list of names and values in turn: node writes it as it is, and an object made for each answer takes
 * longer than all of them.
 */
export function flat(headers: Readonly<Record<string, string>>, list: string[]): string[] {
  for (const name in headers) list.push(name, headers[name] ?? '');
  return list;
}
