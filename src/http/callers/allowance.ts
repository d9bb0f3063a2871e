/**
 * How much each key may still ask, decided before anything is spent. Windows slide over the last 60 seconds and
 * live in this process; a month's sum lives in the store, so it holds for every gateway on the data folder. A
 * request may begin while its key is below each bound: what it will use is known when it is answered.
 */
import { GyreError } from '../../core/errors.js';
import type { KeyLimits } from '../../core/key.js';
import type { StepLog } from '../../core/log.js';
import type { Caller } from './auth.js';

const WINDOW_MS = 60_000;
/** When a place among concurrent requests frees cannot be known; this is how soon it is worth asking. */
const PLACE_MS = 1_000;

export interface AllowanceDeps {
  /** Tokens a key has used this month. */
  readonly spent: (keyId: string) => Promise<number>;
  /** Milliseconds that only grow. */
  readonly now?: (() => number) | undefined;
}

/** The decision on one request of a key with limits; what it used is added when it is over. */
export interface Admission {
  /** Why it may not begin; then nothing is counted of it. */
  readonly refusal: GyreError | undefined;
  /** `x-ratelimit-*` as they stand when the request begins, for its answer whatever that is. */
  readonly headers: Readonly<Record<string, string>>;
  /** Counts the tokens of its answer, of all steps. */
  used(tokens: number): void;
  /** Frees its place among the concurrent requests. */
  leave(): void;
}

interface State {
  readonly requests: Window;
  readonly tokens: Window;
  concurrent: number;
}

/** What decides on the requests of keys with limits. */
export interface Admitting {
  readonly allowances: Allowances;
  readonly log: Pick<StepLog, 'flush'>;
}

/** The decision on one request of a key with limits. What it used this month is summed over committed rows. */
export async function admit(admitting: Admitting, keyId: string, limits: KeyLimits): Promise<Admission> {
  return admitting.allowances.admit(keyId, limits, await spentOf(admitting, keyId, limits));
}

/** Why a request might not begin now; nothing is counted. */
export async function refusalOf(
  admitting: Admitting,
  keyId: string,
  limits: KeyLimits,
): Promise<GyreError | undefined> {
  return admitting.allowances.refusal(keyId, limits, await spentOf(admitting, keyId, limits));
}

async function spentOf({ allowances, log }: Admitting, keyId: string, limits: KeyLimits): Promise<number> {
  if (limits.monthlyTokens === undefined) return 0;
  // While the log waits the month's sum is what is committed: nobody waits, and nobody is refused, for that.
  await log.flush().catch(() => undefined);
  return allowances.spent(keyId);
}

/**
 * The same of a request that takes no tokens of a model: reading, counting, rating. It is one of a minute's and those
 * answered at once; a budget of tokens says nothing of it. Throws why it may not begin.
 */
export function admitPlain({ allowances }: Pick<Admitting, 'allowances'>, caller: Caller): Admission | undefined {
  if (caller.limits === undefined) return undefined;
  const { requestsPerMinute, concurrent } = caller.limits;
  const admission = allowances.admit(caller.keyId, { requestsPerMinute, concurrent });
  if (admission.refusal !== undefined) throw admission.refusal;
  return admission;
}

export class Allowances {
  /** Tokens a key has used this month. */
  readonly spent: AllowanceDeps['spent'];
  readonly #now: () => number;
  readonly #states = new Map<string, State>();

  constructor({ spent, now = () => performance.now() }: AllowanceDeps) {
    this.spent = spent;
    this.#now = now;
  }

  /** `spent` is what the key has used this month, where that is bounded. */
  admit(keyId: string, limits: KeyLimits, spent = 0): Admission {
    const state = this.#stateOf(keyId);
    const { requests, tokens } = state;
    const now = this.#now();
    const refusal = this.#refusal(limits, spent, state, now);
    if (refusal !== undefined)
      return { refusal, headers: headersOf(limits, state, now), used: () => undefined, leave: () => undefined };
    state.concurrent += 1;
    if (limits.requestsPerMinute !== undefined) requests.add(now, 1);
    return {
      refusal,
      headers: headersOf(limits, state, now),
      used: (count) => limits.tokensPerMinute === undefined || tokens.add(this.#now(), count),
      leave: () => void (state.concurrent -= 1),
    };
  }

  /** Why a request might not begin now; nothing is counted. */
  refusal(keyId: string, limits: KeyLimits, spent: number): GyreError | undefined {
    return this.#refusal(limits, spent, this.#stateOf(keyId), this.#now());
  }

  #stateOf(keyId: string): State {
    let state = this.#states.get(keyId);
    if (state === undefined)
      this.#states.set(keyId, (state = { requests: new Window(), tokens: new Window(), concurrent: 0 }));
    return state;
  }

  #refusal(
    limits: KeyLimits,
    spent: number,
    { requests, tokens, concurrent }: State,
    now: number,
  ): GyreError | undefined {
    const { requestsPerMinute, tokensPerMinute, monthlyTokens } = limits;
    if (monthlyTokens !== undefined && spent >= monthlyTokens) return exhausted(spent, monthlyTokens);
    if (requestsPerMinute !== undefined && requests.sum(now) >= requestsPerMinute) {
      return exceeded(
        `This key may begin ${requestsPerMinute} requests in 60 seconds, and has`,
        requests.freeAt(requestsPerMinute) - now,
      );
    }
    if (tokensPerMinute !== undefined && tokens.sum(now) >= tokensPerMinute) {
      return exceeded(
        `This key may use ${tokensPerMinute} tokens in 60 seconds, and has used ${tokens.sum(now)}`,
        tokens.freeAt(tokensPerMinute) - now,
      );
    }
    if (limits.concurrent !== undefined && concurrent >= limits.concurrent) {
      return exceeded(`This key may have ${limits.concurrent} requests answered at once, and has`, PLACE_MS);
    }
    return undefined;
  }
}

/** Amounts with the moment they count from, oldest first. */
class Window {
  #times: number[] = [];
  #amounts: number[] = [];
  #first = 0;
  #sum = 0;

  add(at: number, amount: number): void {
    this.sum(at);
    this.#times.push(at);
    this.#amounts.push(amount);
    this.#sum += amount;
  }

  sum(now: number): number {
    for (let at = this.#times[this.#first]; at !== undefined && at <= now - WINDOW_MS; at = this.#times[this.#first]) {
      this.#sum -= this.#amounts[this.#first] ?? 0;
      this.#first += 1;
    }
    if (this.#first > 1_000 && this.#first * 2 > this.#times.length) {
      this.#times = this.#times.slice(this.#first);
      this.#amounts = this.#amounts.slice(this.#first);
      this.#first = 0;
    }
    return this.#sum;
  }

  /** When the sum is below `limit` again, if nothing is added. */
  freeAt(limit: number): number {
    let left = this.#sum;
    let at = this.#first;
    for (; at < this.#times.length && left >= limit; at += 1) left -= this.#amounts[at] ?? 0;
    return (this.#times[at - 1] ?? Number.NEGATIVE_INFINITY) + WINDOW_MS;
  }

  /** When the last amount leaves the window; undefined where none is in it. */
  emptyAt(): number | undefined {
    return this.#times.at(-1) === undefined || this.#first === this.#times.length
      ? undefined
      : (this.#times.at(-1) ?? 0) + WINDOW_MS;
  }
}

function headersOf(
  { requestsPerMinute, tokensPerMinute }: KeyLimits,
  { requests, tokens }: State,
  now: number,
): Record<string, string> {
  return { ...bound('requests', requestsPerMinute, requests, now), ...bound('tokens', tokensPerMinute, tokens, now) };
}

function bound(what: string, limit: number | undefined, window: Window, now: number): Record<string, string> {
  if (limit === undefined) return {};
  return {
    [`x-ratelimit-limit-${what}`]: String(limit),
    [`x-ratelimit-remaining-${what}`]: String(Math.max(0, limit - window.sum(now))),
    [`x-ratelimit-reset-${what}`]: duration((window.emptyAt() ?? now) - now),
  };
}

/** As OpenAI writes it: `0s`, `120ms`, `6.5s`, `1m0s`. */
export function duration(milliseconds: number): string {
  const ms = Math.ceil(milliseconds);
  if (ms > 0 && ms < 1_000) return `${ms}ms`;
  const minutes = Math.floor(ms / 60_000);
  return `${minutes === 0 ? '' : `${minutes}m`}${(ms - minutes * 60_000) / 1_000}s`;
}

function exceeded(what: string, retryAfterMs: number): GyreError {
  const ms = Math.max(1, Math.ceil(retryAfterMs));
  return new GyreError({
    side: 'client',
    status: 429,
    code: 'rate_limit_exceeded',
    retryAfterMs: ms,
    message: `${what}. Try again in ${duration(ms)}.`,
  });
}

/** Names no time to try again: the next month may be weeks away. */
function exhausted(spent: number, budget: number): GyreError {
  return new GyreError({
    side: 'client',
    status: 429,
    code: 'insufficient_quota',
    message:
      `This key may use ${budget} tokens in a month of UTC, and has used ${spent}. It may ask again next month, or ` +
      `when \`gyre keys set NAME --monthly-tokens N\` raises its budget.`,
  });
}
