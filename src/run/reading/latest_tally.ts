/**
 * The tally of what would be learned from. Counting takes as long as its steps, so in a large log nobody waits for it:
 * the last tally is told, and a new one is made beside.
 */
import type { StateTally } from '../../core/learning/candidate.js';
import type { Timed } from './calls.js';

/** A tally that took no longer is made anew for whoever asks. */
const QUICK_MS = 20;
/** One that took longer is made again after so many times as long: it is one part in so many of a core's time. */
const REST = 10;
/** Nobody is told an older one, also who asks seldom. */
const OLDEST_MS = 30_000;

export class LatestTally {
  readonly #count: () => Promise<Timed<StateTally>>;
  readonly #now: () => number;
  #latest: (Timed<StateTally> & { readonly at: number }) | undefined;
  #counting: Promise<StateTally> | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(count: () => Promise<Timed<StateTally>>, now: () => number = () => performance.now()) {
    this.#count = count;
    this.#now = now;
  }

  async get(): Promise<StateTally> {
    const latest = this.#latest;
    if (latest === undefined) return this.#made();
    if (latest.ms <= QUICK_MS) return this.#make();
    if (this.#now() - latest.at >= REST * latest.ms) this.#made().catch(() => undefined); // told the next time
    return latest.value;
  }

  /** The one that is being made, or a new one. */
  #made(): Promise<StateTally> {
    return (this.#counting ??= this.#make().finally(() => (this.#counting = undefined)));
  }

  async #make(): Promise<StateTally> {
    const made = await this.#count();
    this.#latest = { ...made, at: this.#now() };
    clearTimeout(this.#timer);
    if (made.ms > QUICK_MS) this.#timer = setTimeout(() => void this.#made().catch(() => undefined), OLDEST_MS).unref();
    return made.value;
  }
}
