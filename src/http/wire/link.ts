/**
 * One WebSocket connection: its messages are answered one after the other, what waits for a slow reader is bounded, and
 * a peer that is silent or does not read is given up. It knows no protocol.
 */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';

import type { RawData, WebSocket } from 'ws';

import { asGyreError, GyreError } from '../../core/errors.js';
import { arriving, type TakeHold } from './arriving.js';
import type { Bodies } from './bodies.js';
import type { Leave } from './room.js';
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
const TRY_AGAIN_LATER = 1013;
const NORMAL = 1000;
/** How long a peer whose message is not taken may take to read why, milliseconds. */
const LINGER_MS = 2_000;

export interface LinkLimits extends Pace {
  /** How long a connection may last, milliseconds. */
  readonly socketMs: number;
}

interface Waiting {
  readonly message: Buffer;
  /** Gives back the room of the message. */
  readonly leave: Leave | undefined;
}

/** A connection that was opened: its frames, and the bytes they are made of. */
export interface Opened {
  readonly socket: WebSocket;
  readonly bytes: Duplex;
  /** The request that was upgraded. */
  readonly incoming: IncomingMessage;
}

export class Link {
  /** The request that was upgraded. */
  readonly incoming: IncomingMessage;
  readonly #socket: WebSocket;
  readonly #limits: LinkLimits;
  readonly #timers: readonly NodeJS.Timeout[];
  readonly #listeners = new Set<() => void>();
  #answer: ((message: Buffer) => Promise<void>) | undefined;
  readonly #told: (why: unknown) => string;
  readonly #takeHold: TakeHold;
  readonly #most: number;
  readonly #waiting: Waiting[] = [];
  #waitingBytes = 0;
  #answering = false;
  #unanswered = 0;
  /** What is said and done when the answer under way is over. */
  #farewell: { readonly code: number; readonly reason: string; readonly frame?: string } | undefined;
  #drained: (() => void) | undefined;

  /** `told` makes the message of an error. */
  constructor({ socket, bytes, incoming }: Opened, limits: LinkLimits, bodies: Bodies, told: (why: unknown) => string) {
    this.#socket = socket;
    this.incoming = incoming;
    this.#limits = limits;
    this.#told = told;
    this.#most = bodies.most;
    this.#takeHold = arriving(socket, bytes, bodies, (why) => this.#refuse(why));
    const expired = (): void => this.#leave(NORMAL, 'connection limit reached', told(connectionLimit(limits.socketMs)));
    const lifetime = setTimeout(expired, limits.socketMs);
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

  /** A header of the request that was upgraded. */
  header(name: string): string | undefined {
    const value = this.incoming.headers[name];
    return Array.isArray(value) ? value[0] : value;
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
    const leave = this.#takeHold()?.leave;
    this.#unanswered = 0;
    if (this.#farewell !== undefined) return leave?.();
    if (this.#waiting.length >= MAX_WAITING || this.#waitingBytes + message.length > this.#most) {
      leave?.();
      return this.#socket.close(POLICY_VIOLATION, 'too many messages wait for the answer under way');
    }
    this.#waiting.push({ message, leave });
    this.#waitingBytes += message.length;
    void this.#work();
  }

  /** Nothing more is read: what still comes would be the rest of a message that is not taken. */
  #refuse(why: Error): void {
    this.send(this.#told(why));
    const busy = asGyreError(why).status === 429;
    this.#socket.close(busy ? TRY_AGAIN_LATER : POLICY_VIOLATION, busy ? 'no room' : 'a message did not come');
    setTimeout(() => this.terminate(), LINGER_MS);
  }

  async #work(): Promise<void> {
    if (this.#answering || this.#answer === undefined) return;
    this.#answering = true;
    for (let next = this.#next(); next !== undefined; next = this.#next()) {
      await this.#answer(next.message);
      // What is answered waits for its reader, and nothing more is answered meanwhile.
      await this.full;
      next.leave?.();
    }
    this.#answering = false;
    this.#part();
  }

  #next(): Waiting | undefined {
    const next = this.gone || this.#farewell !== undefined ? undefined : this.#waiting.shift();
    this.#waitingBytes -= next?.message.length ?? 0;
    return next;
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
    for (const { leave } of this.#waiting.splice(0)) leave?.();
    this.#drained?.();
    for (const listener of [...this.#listeners]) listener();
  }
}

function bytesOf(data: RawData): Buffer {
  if (Array.isArray(data)) return Buffer.concat(data);
  return Buffer.isBuffer(data) ? data : Buffer.from(data);
}

/** Why a connection that has lasted too long ends. */
function connectionLimit(milliseconds: number): GyreError {
  return new GyreError({
    side: 'client',
    status: 400,
    code: 'websocket_connection_limit_reached',
    message: `This connection is ${Math.round(milliseconds / 60_000)} minutes old, as old as one may be. Open another.`,
  });
}
