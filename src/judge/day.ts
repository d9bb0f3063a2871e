/** What a judge may use up in a day (UTC), by its rows and by what this process knows that is in none yet. */
import { GyreError } from '../core/errors.js';

const DAY_MS = 24 * 60 * 60_000;
/** Looks after which the rows are asked what others have used meanwhile, as a calibration beside a gateway does. */
const ALONE = 50;

export interface DayOptions {
  readonly judge: string;
  /** So many are a day's; without a number there is no end. */
  readonly most: number | undefined;
  /** What is counted: `tokens`. */
  readonly unit: string;
  /** What was used since a time by the rows, which outlast a process. */
  readonly usedSince: (at: number) => Promise<number>;
}

export class Day {
  readonly #options: DayOptions;
  #day = -1;
  #used = 0;
  #alone = 0;

  constructor(options: DayOptions) {
    this.#options = options;
  }

  /** To be called before `used` is looked at. */
  async look(now: number): Promise<void> {
    if (this.#options.most === undefined) return;
    const day = Math.floor(now / DAY_MS);
    if (day !== this.#day || this.#alone >= ALONE) {
      const used = await this.#options.usedSince(day * DAY_MS);
      // What is under way here, or not saved yet, is in no row.
      this.#used = day === this.#day ? Math.max(this.#used, used) : used;
      this.#day = day;
      this.#alone = 0;
    }
    this.#alone += 1;
  }

  /** Whether nothing is left, also where so much more is counted as used. */
  isUsedUp(more = 0): boolean {
    return this.#used + more >= (this.#options.most ?? Infinity);
  }

  add(count: number): void {
    this.#used += count;
  }

  /** 429, with the time to the next day. */
  refusal(now: number): GyreError {
    const { judge, most, unit } = this.#options;
    return new GyreError({
      side: 'judge',
      status: 429,
      code: 'judge_budget',
      message: `the judge "${judge}" has used ${this.#used} of ${most} ${unit} of this day (UTC)`,
      retryAfterMs: (Math.floor(now / DAY_MS) + 1) * DAY_MS - now,
    });
  }
}
