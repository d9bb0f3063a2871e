/**
 * One WebSocket connection: its messages are answered one after the other, what waits for a slow reader is bounded, and
 * a peer that is silent or does not read is given up. It knows no protocol.
 */
import type { IncomingMessage } from 'node:http';

import type { RawData, WebSocket } from 'ws';

import { GyreError } from '../../core/errors.js';
import type { Pace } from './stream.js';

/** Bytes that may wait for the reader before the policy has to. */
const HIGH_WATER = 64 * 1024;
/** Messages, and bytes of them, that may wait while one is answered. */
const MAX_WAITING = 16;
/** Pings without an answer after which a peer is given up. */
const MAX_UNANSWERED = 2;

/** Close codes of RFC 6455, and in a private range what they leave out. */
const GOING_AWAY = 1001;
const POLICY_VIOLATION = 1008;
const NORMAL = 1000;

export interface LinkLimits extends Pace {
  /** Bytes of all messages that wait. */
  readonly bodyBytes: number;
  /** How long a connection may last, milliseconds. */
  readonly socketMs: number;
}

export class Link {
  /** The request that was upgraded. */
  readonly incoming: IncomingMessage;
  readonly #socket: WebSocket;
  readonly #limits: LinkLimits;
  readonly #timers: readonly NodeJS.Timeout[];
  readonly #listeners = new Set<() => void>();
  #answer: ((message: Buffer) => Promise<void>) | undefined;
  #waiting: Buffer[] = [];
  #waitingBytes = 0;
  #answering = false;
  #unanswered = 0;
  /** What is said and done when the answer under way is over. */
  #farewell: { readonly code: number; readonly reason: string; readonly frame?: string } | undefined;
  #drained: (() => void) | undefined;

  /** `expired` makes the last message of a connection that has lasted too long. */
  constructor(socket: WebSocket, incoming: IncomingMessage, limits: LinkLimits, expired: () => string) {
    this.#socket = socket;
    this.incoming = incoming;
    this.#limits = limits;
    const lifetime = setTimeout(() => this.#leave(NORMAL, 'connection limit reached', expired()), limits.socketMs);
    const keepalive = setInterval(() => this.#ping(), limits.keepaliveMs);
    this.#timers = [lifetime, keepalive];
    socket.on('message', (data) => this.#take(bytesOf(data)));
    socket.on('pong', () => (this.#unanswered = 0));
    // Its reason is in the close that follows.
    socket.on('error', () => undefined);
    socket.on('close', () => this.#closed());
  }

  /** From now on messages are answered by `answer`, which never rejects, each after the one before. */
  serve(answer: (message: Buffer) => Promise<void>): void {
    this.#answer = answer;
    void this.#work();
  }

  get gone(): boolean {
    return this.#socket.readyState !== this.#socket.OPEN;
  }

  /** `sent` is called when the text has left this process; not at all when the peer goes before. */
  send(text: string, sent?: () => void): void {
    if (this.gone) return;
    this.#socket.send(text, (error) => {
      if (this.#socket.bufferedAmount <= HIGH_WATER) this.#drained?.();
      if (error === undefined || error === null) sent?.();
    });
  }

  /** A promise means: wait, the peer is slower than the policy. It resolves as well when the peer is gone. */
  get full(): Promise<void> | undefined {
    return this.gone || this.#socket.bufferedAmount <= HIGH_WATER ? undefined : this.#wait();
  }

  /** Calls `listener` when the peer is gone. */
  onGone(listener: () => void): void {
    this.#listeners.add(listener);
  }

  offGone(listener: () => void): void {
    this.#listeners.delete(listener);
  }

  /** Goes away: at once where nothing is being answered, else after that. */
  goAway(): void {
    this.#leave(GOING_AWAY, 'the gateway is shutting down');
  }

  /** Cuts the peer off. */
  terminate(): void {
    this.#socket.terminate();
  }

  #take(message: Buffer): void {
    this.#unanswered = 0;
    if (this.#farewell !== undefined) return;
    if (this.#waiting.length >= MAX_WAITING || this.#waitingBytes + message.length > this.#limits.bodyBytes)
      return this.#socket.close(POLICY_VIOLATION, 'too many messages wait for the answer under way');
    this.#waiting.push(message);
    this.#waitingBytes += message.length;
    void this.#work();
  }

  async #work(): Promise<void> {
    if (this.#answering || this.#answer === undefined) return;
    this.#answering = true;
    for (let next = this.#next(); next !== undefined; next = this.#next()) await this.#answer(next);
    this.#answering = false;
    this.#part();
  }

  #next(): Buffer | undefined {
    const message = this.gone || this.#farewell !== undefined ? undefined : this.#waiting.shift();
    this.#waitingBytes -= message?.length ?? 0;
    return message;
  }

  #leave(code: number, reason: string, frame?: string): void {
    this.#farewell ??= frame === undefined ? { code, reason } : { code, reason, frame };
    if (!this.#answering) this.#part();
  }

  #part(): void {
    if (this.#farewell === undefined || this.gone) return;
    const { code, reason, frame } = this.#farewell;
    if (frame !== undefined) this.send(frame);
    this.#socket.close(code, reason);
  }

  #ping(): void {
    if (this.gone) return;
    if (this.#unanswered >= MAX_UNANSWERED) return this.terminate();
    this.#unanswered += 1;
    this.#socket.ping();
  }

  #wait(): Promise<void> {
    return new Promise((resolve) => {
      const deadline = setTimeout(() => this.terminate(), this.#limits.slowReaderMs);
      this.#drained = () => {
        clearTimeout(deadline);
        this.#drained = undefined;
        resolve();
      };
    });
  }

  #closed(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#waiting = [];
    this.#drained?.();
    for (const listener of [...this.#listeners]) listener();
  }
}

function bytesOf(data: RawData): Buffer {
  if (Array.isArray(data)) return Buffer.concat(data);
  return Buffer.isBuffer(data) ? data : Buffer.from(data);
}

/** Why a connection that has lasted too long ends. */
export function connectionLimit(milliseconds: number): GyreError {
  return new GyreError({
    side: 'client',
    status: 400,
    code: 'websocket_connection_limit_reached',
    message: `This connection is ${Math.round(milliseconds / 60_000)} minutes old, as old as one may be. Open another.`,
  });
}
