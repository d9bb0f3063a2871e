/** How much is answered at once: requests, and bytes of what they ask. */
import { GyreError } from '../../core/errors.js';
import { onAbort } from '../../core/running/abort.js';

export interface RoomLimits {
  readonly requests: number;
  /** Of all bodies that are being read or answered. One body alone is let in whatever its size. */
  readonly bytes: number;
  /** Bytes a body may have. */
  readonly body: number;
  /** How long a body may wait for others to be over, milliseconds. */
  readonly waitMs: number;
  /** What is said where there is no room for `bytes` more. */
  readonly full?: ((bytes: number, limit: number) => GyreError) | undefined;
}

/** Bytes of bodies so small that looking after them would take longer than what they hold. */
export const UNCOUNTED = 16 * 1024;

/** A place that was taken; giving it back twice is once. */
export type Leave = () => void;

interface Waiting {
  readonly bytes: number;
  enter(): void;
  /** It is over before it was let in. */
  drop(): void;
}

/**
 * Bytes are counted as they come: who only announces them holds none. So that bodies which are all half there do not
 * wait for each other, the last of the room is for the one that began first.
 */
export class Room {
  readonly #limits: RoomLimits;
  /** What is for the oldest of those that still come. */
  readonly #reserve: number;
  /** Those that still come, oldest first. */
  readonly #coming = new Set<Hold>();
  readonly #waiting = new Map<Hold, Waiting>();
  #requests = 0;
  #bytes = 0;

  constructor(limits: RoomLimits) {
    this.#limits = limits;
    this.#reserve = Math.min(limits.body, Math.floor(limits.bytes / 2));
  }

  /** Requests that are being answered. */
  get requests(): number {
    return this.#requests;
  }

  get bytes(): number {
    return this.#bytes;
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

  /** Room for what begins to come. */
  begin(): Hold {
    const hold: Hold = new Hold({
      grow: (by, signal) => this.#grow(hold, by, signal),
      whole: () => {
        // Its last bytes may have waited; they are here.
        this.#waiting.get(hold)?.enter();
        if (this.#coming.delete(hold)) this.#letIn();
      },
      settle: (to) => {
        this.#take(hold, to - hold.bytes);
        this.#letIn();
      },
      leave: () => {
        this.#bytes -= hold.bytes;
        this.#coming.delete(hold);
        this.#waiting.get(hold)?.drop();
        this.#letIn();
      },
    });
    this.#coming.add(hold);
    return hold;
  }

  #grow(hold: Hold, by: number, signal: AbortSignal | undefined): Promise<void> | undefined {
    const [oldest] = this.#coming;
    if ((this.#waiting.size > 0 && hold !== oldest) || !this.#fits(hold, by)) return this.#wait(hold, by, signal);
    this.#take(hold, by);
    return undefined;
  }

  #fits(hold: Hold, by: number): boolean {
    if (this.#bytes === hold.bytes) return true;
    const [oldest] = this.#coming;
    return this.#bytes + by <= this.#limits.bytes - (hold === oldest ? 0 : this.#reserve);
  }

  #take(hold: Hold, bytes: number): void {
    hold.bytes += bytes;
    this.#bytes += bytes;
  }

  #letIn(): void {
    if (this.#waiting.size === 0) return;
    for (const hold of this.#coming) {
      const waiting = this.#waiting.get(hold);
      if (waiting === undefined) continue;
      if (!this.#fits(hold, waiting.bytes)) return;
      waiting.enter();
    }
  }

  #wait(hold: Hold, bytes: number, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const stop = (): void => {
        clearTimeout(patience);
        unlisten?.();
        this.#waiting.delete(hold);
      };
      const giveUp = (): void => {
        stop();
        reject((this.#limits.full ?? full)(this.#bytes, this.#limits.bytes));
      };
      const patience = setTimeout(giveUp, this.#limits.waitMs);
      const unlisten = signal && onAbort(signal, giveUp);
      this.#waiting.set(hold, {
        bytes,
        enter: () => {
          stop();
          this.#take(hold, bytes);
          resolve();
        },
        drop: giveUp,
      });
    });
  }
}

/** What {@link Room} does for a hold. */
interface Keeping {
  grow(by: number, signal: AbortSignal | undefined): Promise<void> | undefined;
  whole(): void;
  settle(to: number): void;
  leave(): void;
}

/** What one body takes of a {@link Room}. */
export class Hold {
  /** Counted by its room. */
  bytes = 0;
  readonly #room: Keeping;
  #left = false;

  constructor(room: Keeping) {
    this.#room = room;
  }

  /**
   * So much of it is here. A promise means: take no more of it until that resolves; it rejects with 429 where others
   * are not over in time.
   */
  grow(to: number, signal?: AbortSignal): Promise<void> | undefined {
    return this.#room.grow(to - this.bytes, signal);
  }

  /** All of it is here. */
  whole(): void {
    this.#room.whole();
  }

  /** What it is in truth, where that is only known when it is here. */
  settle(to: number): void {
    if (!this.#left) this.#room.settle(to);
  }

  /** It is over, and what was made of it. */
  readonly leave: Leave = () => {
    if (this.#left) return;
    this.#left = true;
    this.#room.leave();
  };
}

function crowded(requests: number): GyreError {
  return busy(
    `The gateway is answering ${requests} requests, as many as "limits.concurrency" allows. Try again in a second.`,
  );
}

function full(bytes: number, limit: number): GyreError {
  return busy(
    `The gateway is busy with ${bytes} bytes of requests; "limits.bytes_in_flight" allows ${limit}. ` +
      'Try again in a second, or send less at once.',
  );
}

export function busy(message: string): GyreError {
  return new GyreError({ side: 'gateway', status: 429, code: 'rate_limit_exceeded', retryAfterMs: 1000, message });
}
