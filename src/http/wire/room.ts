/** How much is answered at once: requests, and bytes of what they ask. */
import { GyreError } from '../../core/errors.js';

export interface RoomLimits {
  readonly requests: number;
  /** Of all bodies that are being read or answered. One body alone is let in whatever its size. */
  readonly bytes: number;
  /** How long a body may wait for others to be over, milliseconds. */
  readonly waitMs: number;
}

/** Bytes of bodies so small that looking after them would take longer than what they hold. */
const UNCOUNTED = 16 * 1024;

interface Waiting {
  readonly bytes: number;
  readonly enter: () => void;
}

/** A place that was taken; giving it back twice is once. */
export type Leave = () => void;

export class Room {
  readonly #limits: RoomLimits;
  readonly #waiting: Waiting[] = [];
  #requests = 0;
  #bytes = 0;

  constructor(limits: RoomLimits) {
    this.#limits = limits;
  }

  /** Requests that are being answered. */
  get requests(): number {
    return this.#requests;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Bytes at most. */
  get most(): number {
    return this.#limits.bytes;
  }

  /** A place for one request. Throws 429 where there is none. */
  enter(): void {
    if (this.#requests >= this.#limits.requests) throw crowded(this.#requests);
    this.#requests += 1;
  }

  /** Gives the place of {@link enter} back. */
  leave(): void {
    this.#requests -= 1;
  }

  /** Room for a body, undefined where it needs none, after those that came before. Rejects with 429 after a while. */
  hold(bytes: number, signal?: AbortSignal): Leave | Promise<Leave> | undefined {
    if (bytes <= UNCOUNTED) return undefined;
    if (this.#waiting.length === 0 && this.#fits(bytes)) return this.#take(bytes);
    return this.#wait(bytes, signal);
  }

  /** More room for what turned out to be larger; undefined where there is none at once. */
  more(bytes: number): Leave | undefined {
    return this.#bytes + bytes > this.#limits.bytes ? undefined : this.#take(bytes);
  }

  #fits(bytes: number): boolean {
    return this.#bytes === 0 || this.#bytes + bytes <= this.#limits.bytes;
  }

  #take(bytes: number): Leave {
    this.#bytes += bytes;
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      this.#bytes -= bytes;
      this.#letIn();
    };
  }

  #letIn(): void {
    for (let first = this.#waiting[0]; first !== undefined && this.#fits(first.bytes); first = this.#waiting[0]) {
      this.#waiting.shift();
      first.enter();
    }
  }

  #wait(bytes: number, signal: AbortSignal | undefined): Promise<Leave> {
    return new Promise((resolve, reject) => {
      const stop = (): void => {
        clearTimeout(patience);
        signal?.removeEventListener('abort', giveUp);
      };
      const waiting: Waiting = {
        bytes,
        enter: () => {
          stop();
          resolve(this.#take(bytes));
        },
      };
      const giveUp = (): void => {
        stop();
        this.#waiting.splice(this.#waiting.indexOf(waiting), 1);
        reject(full(this.#bytes, this.#limits.bytes));
        this.#letIn();
      };
      const patience = setTimeout(giveUp, this.#limits.waitMs);
      signal?.addEventListener('abort', giveUp, { once: true });
      this.#waiting.push(waiting);
    });
  }
}

function crowded(requests: number): GyreError {
  return busy(
    `The gateway is answering ${requests} requests, as many as "limits.concurrency" allows. Try again in a second.`,
  );
}

export function full(bytes: number, limit: number): GyreError {
  return busy(
    `The gateway is busy with ${bytes} bytes of requests; "limits.bytes_in_flight" allows ${limit}. ` +
      'Try again in a second, or send less at once.',
  );
}

function busy(message: string): GyreError {
  return new GyreError({ side: 'gateway', status: 429, code: 'rate_limit_exceeded', retryAfterMs: 1000, message });
}
