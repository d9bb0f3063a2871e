/** What a judge may ask for in a minute, and spend in a day. Whoever asks waits for the minute, and not for the day. */
import { setTimeout as sleep } from 'node:timers/promises';

import { GyreError } from '../../core/errors.js';

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;
/** Requests after which the rows are asked what others have spent meanwhile, as a calibration beside a gateway does. */
const ALONE = 50;

export interface JudgeLimits {
  readonly requestsAMinute?: number | undefined;
  readonly tokensAMinute?: number | undefined;
  readonly tokensADay?: number | undefined;
}

interface Spent {
  readonly at: number;
  /** What it is expected to take, until it is known. */
  tokens: number;
}

export class Spending {
  readonly #limits: JudgeLimits;
  readonly #judge: string;
  readonly #spentSince: (at: number) => Promise<number>;
  /** The last minute's, oldest first. */
  #lately: Spent[] = [];
  #day = -1;
  #today = 0;
  #alone = 0;
  #turn: Promise<unknown> = Promise.resolve();
  /** Requests that are under way, and what they are expected to take. */
  #underWay = 0;
  #expected = 0;
  #ended: (() => void) | undefined;

  /** `spentSince`: tokens by the rows, which outlast a process. */
  constructor(judge: string, limits: JudgeLimits, spentSince: (at: number) => Promise<number>) {
    this.#judge = judge;
    this.#limits = limits;
    this.#spentSince = spentSince;
  }

  /**
   * Resolves when another request may be made, which is expected to take so many tokens. What it gives is to be called
   * with what it took, also where it failed. Throws 429 where the day's are used up.
   */
  async begin(expected: number, signal: AbortSignal): Promise<(tokens: number) => void> {
    const mine = this.#turn.then(() => this.#wait(expected, signal));
    this.#turn = mine.catch(() => undefined);
    const spent = await mine;
    this.#underWay += 1;
    this.#expected += expected;
    return (tokens) => {
      this.#underWay -= 1;
      this.#expected -= expected;
      spent.tokens = tokens;
      this.#today += tokens;
      this.#ended?.();
    };
  }

  async #wait(expected: number, signal: AbortSignal): Promise<Spent> {
    for (;;) {
      signal.throwIfAborted();
      const now = Date.now();
      await this.#withinDay(now, signal);
      this.#lately = this.#lately.filter(({ at }) => now - at < MINUTE_MS);
      const free = this.#freeAt(now);
      if (free <= now) {
        const spent = { at: now, tokens: expected };
        this.#lately.push(spent);
        return spent;
      }
      await sleep(free - now, undefined, { signal });
    }
  }

  async #withinDay(now: number, signal: AbortSignal): Promise<void> {
    const { tokensADay } = this.#limits;
    if (tokensADay === undefined) return;
    const day = Math.floor(now / DAY_MS);
    if (day !== this.#day || this.#alone >= ALONE) {
      const spent = await this.#spentSince(day * DAY_MS);
      // What is under way here, or not saved yet, is in no row.
      this.#today = day === this.#day ? Math.max(this.#today, spent) : spent;
      this.#day = day;
      this.#alone = 0;
    }
    this.#alone += 1;
    // What is under way may be all that is left: the last of the day is asked alone.
    while (this.#today < tokensADay && this.#today + this.#expected >= tokensADay && this.#underWay > 0) {
      signal.throwIfAborted();
      await new Promise<void>((resolve) => {
        this.#ended = resolve;
        signal.addEventListener('abort', () => resolve(), { once: true });
      });
    }
    if (this.#today < tokensADay) return;
    throw new GyreError({
      side: 'judge',
      status: 429,
      code: 'judge_budget',
      message: `the judge "${this.#judge}" has used ${this.#today} of ${tokensADay} tokens of this day (UTC)`,
      retryAfterMs: (day + 1) * DAY_MS - now,
    });
  }

  /** When the oldest of what is too much is a minute old. */
  #freeAt(now: number): number {
    const { requestsAMinute = Infinity, tokensAMinute = Infinity } = this.#limits;
    const past = (spent: Spent | undefined): number => (spent === undefined ? now : spent.at + MINUTE_MS);
    const byRequests =
      this.#lately.length < requestsAMinute ? now : past(this.#lately[this.#lately.length - requestsAMinute]);
    let tokens = this.#lately.reduce((sum, spent) => sum + spent.tokens, 0);
    let byTokens = now;
    for (const spent of this.#lately) {
      if (tokens < tokensAMinute) break;
      tokens -= spent.tokens;
      byTokens = past(spent);
    }
    return Math.max(byRequests, byTokens);
  }
}
