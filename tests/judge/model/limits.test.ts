/** What may be sent in a minute and spent in a day, by a clock that the test moves. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import { type JudgeLimits, Spending } from '../../../src/judge/model/limits.js';
import { patiently } from './clock.js';

const START = Date.UTC(2026, 0, 1, 12);
beforeEach(() => vi.useFakeTimers({ now: START, toFake: ['setTimeout', 'clearTimeout', 'Date', 'performance'] }));
afterEach(() => vi.useRealTimers());

const NEVER = new AbortController().signal;
const of = (limits: JudgeLimits, spent = 0): Spending => new Spending('critic', limits, () => Promise.resolve(spent));

/** Asks at once for so many turns; in which minute each was given, and how much each then took. */
async function minutes(spending: Spending, count: number, expected: number, took = expected): Promise<number[]> {
  const from = Date.now();
  const given: number[] = [];
  const asked = Array.from({ length: count }, async () => {
    const ended = await spending.begin(expected, NEVER);
    given.push(Math.floor((Date.now() - from) / 60_000));
    ended(took);
  });
  await patiently(Promise.all(asked));
  return given;
}

const inEach = (given: readonly number[]): number[] =>
  Array.from({ length: Math.max(...given) + 1 }, (_, minute) => given.filter((at) => at === minute).length);

test('24 requests at ten a minute come to their end in the third', async () => {
  expect(inEach(await minutes(of({ requestsAMinute: 10 }), 24, 100))).toEqual([10, 10, 4]);
});

test('so they do at so many tokens a minute, of which no more is spent than that', async () => {
  expect(inEach(await minutes(of({ tokensAMinute: 1_050 }), 24, 100))).toEqual([10, 10, 4]);
});

test('what has taken less than was expected leaves room at once', async () => {
  expect(inEach(await minutes(of({ tokensAMinute: 1_000 }), 24, 500, 20))).toEqual([24]);
});

test('one that takes more than a minute may is sent alone, and one that failed takes nothing of it', async () => {
  expect(inEach(await minutes(of({ tokensAMinute: 1_000 }), 3, 5_000))).toEqual([1, 1, 1]);
  expect(inEach(await minutes(of({ tokensAMinute: 1_000 }), 3, 5_000, 0))).toEqual([3]);
});

test('how long it was held back is known, also while it is', async () => {
  const spending = of({ requestsAMinute: 1 });
  (await spending.begin(1, NEVER))(1);
  expect(spending.heldMs()).toBe(0);
  const next = spending.begin(1, NEVER);
  await vi.advanceTimersByTimeAsync(20_000);
  expect(spending.heldMs()).toBe(20_000);
  await patiently(next);
  expect(spending.heldMs()).toBe(60_000);
});

test('who leaves while it waits does not hold up the next', async () => {
  const spending = of({ requestsAMinute: 1 });
  (await spending.begin(1, NEVER))(1);
  const leaving = new AbortController();
  const [left, stays] = [spending.begin(1, leaving.signal), spending.begin(1, NEVER)];
  await vi.advanceTimersByTimeAsync(1_000);
  leaving.abort(new Error('left'));
  await expect(left).rejects.toThrow('left');
  await patiently(stays);
  expect(Date.now() - START).toBeLessThan(62_000);
});

test('the tokens of a day end what may be asked, with the time to the next, which begins anew', async () => {
  const spending = of({ tokensADay: 150 }, 0);
  (await spending.begin(100, NEVER))(150);
  await expect(spending.begin(100, NEVER)).rejects.toMatchObject({
    code: 'judge_budget',
    message: 'the judge "critic" has used 150 of 150 tokens of this day (UTC)',
    retryAfterMs: 12 * 60 * 60_000,
  });
  await vi.advanceTimersByTimeAsync(12 * 60 * 60_000);
  await expect(spending.begin(100, NEVER)).resolves.toBeTypeOf('function');
});
