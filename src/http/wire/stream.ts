/**
 * Server-sent events on their way to a client: what becomes known in one turn of the event loop leaves in one
 * packet, silence is broken by comments, what waits for a slow reader is bounded, and a reader that stops is
 * given up. It knows no protocol: frames come in whole.
 */
import type { ServerResponse } from 'node:http';

import { onAbort } from '../../core/running/abort.js';
import { flat, type Exchange } from './exchange.js';

export interface Pace {
  /** Silence after which a comment keeps the connection open, milliseconds. */
  readonly keepaliveMs: number;
  /** How long a reader may take nothing before it is given up, milliseconds. */
  readonly slowReaderMs: number;
}

const STREAM_HEADERS = [
  'content-type',
  'text/event-stream; charset=utf-8',
  'cache-control',
  'no-cache',
  'x-accel-buffering',
  'no',
];

export class EventStream {
  readonly #exchange: Exchange;
  readonly #outgoing: ServerResponse;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #pace: Pace;
  readonly #keepalive: NodeJS.Timeout;
  #pending = '';
  #scheduled = false;
  #over = false;
  #chunked = false;

  constructor(exchange: Exchange, headers: Readonly<Record<string, string>>, pace: Pace) {
    this.#exchange = exchange;
    this.#outgoing = exchange.outgoing;
    this.#headers = headers;
    this.#pace = pace;
    this.#keepalive = setTimeout(() => this.#ping(), pace.keepaliveMs);
  }

  /** Whether the client has, or is about to get, a status of 200: a fault can then only be told inside the stream. */
  get begun(): boolean {
    return this.#outgoing.headersSent || this.#pending !== '';
  }

  get gone(): boolean {
    return this.#outgoing.destroyed;
  }

  write(frames: string): void {
    this.#pending += frames;
    if (this.#scheduled) return;
    this.#scheduled = true;
    process.nextTick(() => this.#flush());
  }

  /** A promise means: wait, the client is slower than the policy. */
  get full(): Promise<void> | undefined {
    return this.#outgoing.writableNeedDrain ? drained(this.#exchange, this.#pace.slowReaderMs) : undefined;
  }

  /** No more signs of life. Nothing is written. */
  stop(): void {
    this.#over = true;
    clearTimeout(this.#keepalive);
  }

  end(frames: string): void {
    this.stop();
    const last = this.#pending + frames;
    this.#pending = '';
    this.#open();
    this.#outgoing.end(this.#chunked ? `${this.#chunk(last)}0\r\n\r\n` : last);
    this.#giveUpIfUnread();
  }

  #ping(): void {
    if (this.#over || this.#outgoing.destroyed) return;
    if (!this.#outgoing.writableNeedDrain) this.write(': ping\n\n'); // who does not read needs no sign of life
    this.#keepalive.refresh();
  }

  #flush(): void {
    this.#scheduled = false;
    if (this.#pending === '' || this.#outgoing.destroyed || this.#outgoing.writableEnded) return;
    const frames = this.#pending;
    this.#pending = '';
    this.#open();
    this.#outgoing.write(this.#chunk(frames));
    this.#keepalive.refresh();
  }

  /** Node writes a chunk in four pieces: we frame it ourselves, in one. */
  #open(): void {
    const outgoing = this.#outgoing;
    if (outgoing.headersSent) return;
    this.#chunked = this.#exchange.incoming.httpVersion === '1.1';
    const headers = flat(this.#headers, [...STREAM_HEADERS, 'x-request-id', this.#exchange.requestId]);
    if (this.#chunked) headers.push('transfer-encoding', 'chunked');
    outgoing.writeHead(200, headers);
    if (this.#chunked) outgoing.chunkedEncoding = false;
  }

  #chunk(frames: string): string {
    return this.#chunked ? `${Buffer.byteLength(frames).toString(16)}\r\n${frames}\r\n` : frames;
  }

  /** The last frames of a reader that stopped would otherwise hold their socket for ever. */
  #giveUpIfUnread(): void {
    const outgoing = this.#outgoing;
    if (outgoing.writableLength === 0) return;
    const deadline = setTimeout(() => outgoing.destroy(), this.#pace.slowReaderMs);
    outgoing.once('close', () => clearTimeout(deadline));
    outgoing.once('finish', () => clearTimeout(deadline));
  }
}

/**
 * Resolves when a reader has taken what was written, or is gone, or the exchange's time is over: its signal has fired
 * then. A reader that is too slow is given up.
 */
export function drained({ outgoing, clock }: Exchange, slowReaderMs: number): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(deadline);
      unlisten();
      outgoing.off('drain', done).off('close', done);
      resolve();
    };
    const deadline = setTimeout(() => outgoing.destroy(), slowReaderMs);
    outgoing.on('drain', done).on('close', done);
    const unlisten = onAbort(clock.signal, done);
    if (clock.signal.aborted) done();
  });
}
