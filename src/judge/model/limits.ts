/** What a judge may ask for in a minute, and spend in a day. Whoever asks waits for the minute, and not for the day. */
import { onAbort } from '../../core/running/abort.js';
import { Day } from '../day.js';

const MINUTE_MS = 60_000;

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
  readonly #day: Day;
  /** The last minute's, oldest first. */
  #lately: Spent[] = [];
  #turn: Promise<unknown> = Promise.resolve();
  /** Requests that are under way, and what they are expected to take. */
  #underWay = 0;
  #expected = 0;
  #ended: (() => void) | undefined;
  /** How long requests were held back in all, and since when one is. */
  #held = 0;
  #heldSince: number | undefined;

  /** `spentSince`: tokens by the rows, which outlast a process. */
  constructor(judge: string, limits: JudgeLimits, spentSince: (at: number) => Promise<number>) {
    this.#limits = limits;
    this.#day = new Day({ judge, most: limits.tokensADay, unit: 'tokens', usedSince: spentSince });
  }

  /** Milliseconds, in all so far, in which a limit held back the next request. */
  heldMs(): number {
    return this.#held + (this.#heldSince === undefined ? 0 : performance.now() - this.#heldSince);
  }

  /**
   * Resolves when another request may be made, which is expected to take so many tokens. What it gives is to be called
   * with what it took, also where it failed. Throws 429 where the day's are used up.
   */
  async begin(expected: number, signal: AbortSignal): Promise<(tokens: number) => void> {
    const mine = this.#turn.then(() => this.#wait(expected, signal));
    this.#turn = mine.catch(() => undefined);
    const spent = await mine;
    return (tokens) => {
      this.#underWay -= 1;
      this.#expected -= expected;
      spent.tokens = tokens;
      this.#day.add(tokens);
      this.#ended?.();
    };
  }

  async #wait(expected: number, signal: AbortSignal): Promise<Spent> {
    for (;;) {
      signal.throwIfAborted();
      const now = Date.now();
      await this.#day.look(now);
      if (this.#day.isUsedUp()) throw this.#day.refusal(now);
      // What is under way may be all that is left of the day: the last of it is asked alone.
      if (this.#underWay > 0 && this.#day.isUsedUp(this.#expected)) {
        await this.#hold(signal);
        continue;
      }
      this.#lately = this.#lately.filter(({ at }) => now - at < MINUTE_MS);
      const free = this.#freeAt(now, expected);
      if (free > now) {
        await this.#hold(signal, free - now);
        continue;
      }
      const spent = { at: now, tokens: expected };
      this.#lately.push(spent);
      // Counted here, since the next in turn looks before whoever waits for this one does.
      this.#underWay += 1;
      this.#expected += expected;
      return spent;
    }
  }

  /** Until a request has ended, which may have taken less than was expected, or for so long. */
  async #hold(signal: AbortSignal, ms?: number): Promise<void> {
    signal.throwIfAborted();
    const began = (this.#heldSince = performance.now());
    await new Promise<void>((resolve) => {
      const timer = ms === undefined ? undefined : setTimeout(() => go(), ms);
      const go = (): void => {
        clearTimeout(timer);
        stop();
        this.#ended = undefined;
        resolve();
      };
      const stop = onAbort(signal, go);
      this.#ended = go;
    });
    this.#held += performance.now() - began;
    this.#heldSince = undefined;
  }

  /** When as much of the last minute is past as leaves room; one that takes more than a minute's goes alone. */
  #freeAt(now: number, expected: number): number {
    const { requestsAMinute = Infinity, tokensAMinute = Infinity } = this.#limits;
    const past = (spent: Spent | undefined): number => (spent === undefined ? now : spent.at + MINUTE_MS);
    const byRequests =
      this.#lately.length < requestsAMinute ? now : past(this.#lately[this.#lately.length - requestsAMinute]);
    let tokens = this.#lately.reduce((sum, spent) => sum + spent.tokens, 0);
    let byTokens = now;
    for (const spent of this.#lately) {
      if (tokens === 0 || tokens + expected <= tokensAMinute) break;
      tokens -= spent.tokens;
      byTokens = past(spent);
    }
    return Math.max(byRequests, byTokens);
  }
}
