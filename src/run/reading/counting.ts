/**
 * Counting what is new in the log, for whoever asks for the status: in a small log it is done before the answer, in one
 * of which much is not counted yet it goes on beside, and the answer says how far it is.
 */
import { setTimeout as sleep } from 'node:timers/promises';

/** Between two slices, which take about as long: it is half of a core's time. */
const REST_MS = 40;
/** So long whoever asks waits for the first slice: another program may hold the database's lock. */
const PATIENCE_MS = 1_000;

export class Counting {
  readonly #slice: () => Promise<boolean>;
  readonly #restMs: number;
  #first: Promise<void> | undefined;
  #behind = false;

  /** `slice` counts for a short while and says whether there is more. */
  constructor(slice: () => Promise<boolean>, restMs: number = REST_MS) {
    this.#slice = slice;
    this.#restMs = restMs;
  }

  /** Resolves when all is counted that can be within a short while. A fault is left to the next who asks. */
  async soon(): Promise<void> {
    if (this.#behind) return;
    this.#first ??= this.#begin().finally(() => (this.#first = undefined));
    const patience = new AbortController();
    try {
      await Promise.race([
        this.#first,
        sleep(PATIENCE_MS, undefined, { ref: false, signal: patience.signal }).catch(() => undefined),
      ]);
    } finally {
      patience.abort();
    }
  }

  async #begin(): Promise<void> {
    try {
      this.#behind = await this.#slice();
      if (this.#behind) void this.#goOn();
    } catch {
      // Locked, or closed.
    }
  }

  async #goOn(): Promise<void> {
    try {
      do await sleep(this.#restMs, undefined, { ref: false });
      while (await this.#slice());
    } catch {
      // Locked, or closed.
    } finally {
      this.#behind = false;
    }
  }
}
