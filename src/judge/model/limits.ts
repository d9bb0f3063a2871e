/** What a judge may ask for in a minute, and spend in a day. Whoever asks waits for the minute, and not for the day. */
import { setTimeout as sleep } from 'node:timers/promises';

import { GyreError } from '../../core/errors.js';

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;

export interface JudgeLimits {
  readonly requestsAMinute?: number | undefined;
  readonly tokensAMinute?: number | undefined;
  readonly tokensADay?: number | undefined;
}

interface Spent {
  readonly at: number;
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
  #turn: Promise<unknown> = Promise.resolve();

  /** `spentSince`: tokens by the rows, which outlast a process. */
  constructor(judge: string, limits: JudgeLimits, spentSince: (at: number) => Promise<number>) {
    this.#judge = judge;
    this.#limits = limits;
    this.#spentSince = spentSince;
  }

  /** Resolves when another request may be made; tells what it took with what it gives. Throws 429 for the day. */
  async begin(signal: AbortSignal): Promise<(tokens: number) => void> {
    const mine = this.#turn.then(() => this.#wait(signal));
    this.#turn = mine.catch(() => undefined);
    const spent = await mine;
    return (tokens) => {
      spent.tokens += tokens;
      this.#today += tokens;
    };
  }

  async #wait(signal: AbortSignal): Promise<Spent> {
    for (;;) {
      signal.throwIfAborted();
      const now = Date.now();
      await this.#withinDay(now);
      this.#lately = this.#lately.filter(({ at }) => now - at < MINUTE_MS);
      const free = this.#freeAt(now);
      if (free <= now) {
        const spent = { at: now, tokens: 0 };
        this.#lately.push(spent);
        return spent;
      }
      await sleep(free - now, undefined, { signal });
    }
  }

  async #withinDay(now: number): Promise<void> {
    const { tokensADay } = this.#limits;
    if (tokensADay === undefined) return;
    const day = Math.floor(now / DAY_MS);
    if (day !== this.#day) {
      this.#today = await this.#spentSince(day * DAY_MS);
      this.#day = day;
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
