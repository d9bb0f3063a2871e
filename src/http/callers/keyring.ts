/**
 * The keys of a gateway in memory. They are rows that other processes change, and no request waits for rows: the whole
 * list is read again beside the requests, and is at most {@link OLDEST_MS} old when a request is let in by it. Only a
 * secret that is in no list waits for the next one.
 */
import { GyreError } from '../../core/errors.js';
import type { Key, KeyList, KeyRows, Keys } from '../../core/key.js';
import { sha256 } from '../../core/text/hash.js';

/** A list this old is read again beside the requests. */
const YOUNG_MS = 2_000;
/** A list this old lets nobody in: a key that was revoked is refused by then. */
export const OLDEST_MS = 4_000;
/** Unknown secrets have the list read no more often than this, however many they are. */
const PAUSE_MS = 100;
/** So many requests with unknown secrets may wait for the next list. */
const MAX_WAITING = 500;
/** How soon a count that could not be written is tried again. */
const RETRY_MS = 1_000;

/** Clocks, for whoever has others. */
export interface KeyringClocks {
  /** Which month it is. */
  readonly now?: (() => number) | undefined;
  /** Milliseconds that only grow, by which a list grows old: a clock that is set back keeps no revoked key alive. */
  readonly elapsed?: (() => number) | undefined;
}

export class Keyring implements Keys {
  readonly #rows: KeyRows;
  readonly #now: () => number;
  readonly #elapsed: () => number;
  #byHash: ReadonlyMap<string, Key> = new Map();
  #stamp: string | undefined;
  #any = false;
  /** When the list was asked for that is known. */
  #asOf = Number.NEGATIVE_INFINITY;
  #reading: Promise<void> | undefined;
  /** The reading that begins after the present one. */
  #next: Promise<void> | undefined;
  #waiting = 0;
  /** What was counted and is no row yet, by key. */
  readonly #counting = new Map<string, number>();

  constructor(rows: KeyRows, { now = Date.now, elapsed = () => performance.now() }: KeyringClocks = {}) {
    this.#rows = rows;
    this.#now = now;
    this.#elapsed = elapsed;
  }

  required(): boolean {
    void this.fresh()?.catch(ignore);
    return this.#any;
  }

  find(secret: string): Key | undefined {
    return this.#byHash.get(sha256(secret));
  }

  fresh(): Promise<void> | undefined {
    const age = this.#elapsed() - this.#asOf;
    if (age < YOUNG_MS) return undefined;
    const reading = (this.#reading ??= this.#read());
    if (age >= OLDEST_MS) return reading;
    reading.catch(ignore); // it is tried again by the next request
    return undefined;
  }

  async renewed(): Promise<void> {
    if (this.#waiting >= MAX_WAITING) throw tooMany();
    this.#waiting += 1;
    try {
      await (this.#next ??= this.#readNext());
    } finally {
      this.#waiting -= 1;
    }
  }

  async spent(keyId: string): Promise<number> {
    const pending = this.#counting.get(keyId) ?? 0;
    return pending + (await this.#rows.spent(keyId, this.#now()));
  }

  count(keyId: string, tokens: number): void {
    this.#counting.set(keyId, (this.#counting.get(keyId) ?? 0) + tokens);
    this.#write(keyId, this.#now(), tokens);
  }

  #write(keyId: string, at: number, tokens: number): void {
    this.#rows.count(keyId, at, tokens).then(
      () => {
        const left = (this.#counting.get(keyId) ?? 0) - tokens;
        if (left > 0) this.#counting.set(keyId, left);
        else this.#counting.delete(keyId);
      },
      () => setTimeout(() => this.#write(keyId, at, tokens), RETRY_MS).unref(),
    );
  }

  async #readNext(): Promise<void> {
    await this.#reading?.catch(ignore);
    const pause = this.#asOf + PAUSE_MS - this.#elapsed();
    if (pause > 0) await new Promise((resolve) => setTimeout(resolve, Math.min(pause, PAUSE_MS)));
    while (this.#reading !== undefined) await this.#reading.catch(ignore);
    // Whoever comes from now on waits for another one.
    this.#next = undefined;
    await (this.#reading = this.#read());
  }

  async #read(): Promise<void> {
    const asOf = this.#elapsed();
    try {
      const list = await this.#rows.keys(this.#stamp);
      if (list !== undefined) this.#take(list);
      this.#asOf = asOf;
    } finally {
      this.#reading = undefined;
    }
  }

  #take({ stamp, any, keys }: KeyList): void {
    this.#byHash = new Map(keys);
    this.#stamp = stamp;
    // Keys are never deleted, so "yes" holds for good.
    this.#any ||= any;
  }
}

const ignore = (): void => undefined;

function tooMany(): GyreError {
  return new GyreError({
    side: 'client',
    status: 429,
    code: 'rate_limit_exceeded',
    retryAfterMs: 1_000,
    message: 'Too many requests with API keys that are not known are waiting to be looked up. Try again in 1 s.',
  });
}
