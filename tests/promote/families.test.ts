import { describe, expect, it } from 'vitest';

import { keptBy } from '../../src/promote/families.js';
import { normalShare } from '../../src/promote/interval.js';

const kept = (tasks: number, wins: number, losses: number, margin = 0.05): ReturnType<typeof keptBy> =>
  keptBy({ tasks, wins, losses, answered: { candidate: tasks, serving: tasks }, unanswered: 0 }, margin);

/** How often a candidate is let through, exactly: over all counts of wins and losses. */
function through(tasks: number, changed: number, gain: number, margin: number): number {
  const [win, loss] = [(changed + gain) / 2, (changed - gain) / 2];
  const log = (share: number, times: number): number => (times === 0 ? 0 : times * Math.log(share));
  const factorials = [0];
  for (let n = 1; n <= tasks; n += 1) factorials.push((factorials[n - 1] ?? 0) + Math.log(n));
  const factorial = (n: number): number => factorials[n] ?? 0;
  let sum = 0;
  for (let wins = 0; wins <= tasks; wins += 1)
    for (let losses = 0; wins + losses <= tasks; losses += 1) {
      const same = tasks - wins - losses;
      const chance =
        factorial(tasks) -
        factorial(wins) -
        factorial(losses) -
        factorial(same) +
        log(win, wins) +
        log(loss, losses) +
        log(1 - changed, same);
      // What is too rare to count is not asked about.
      if (chance > -25 && kept(tasks, wins, losses, margin).kept) sum += Math.exp(chance);
    }
  return sum;
}

describe('a guarded family', () => {
  it('is kept where a loss of the margin can be ruled out, and not where there are too few tasks to tell', () => {
    expect(kept(500, 20, 20).kept).toBe(true);
    expect(kept(500, 10, 50).kept).toBe(false);
    expect(kept(40, 0, 0).kept).toBe(false);
    expect(kept(60, 0, 0).kept).toBe(true);
    expect(kept(0, 0, 0)).toMatchObject({ kept: false, power: 0 });
  });

  it.each([
    [104, 0, 0],
    [104, 7, 3],
    [250, 20, 30],
    [500, 12, 40],
    [30, 30, 0],
    [30, 0, 30],
  ])('of %d tasks with %d wins and %d losses is kept for just those margins that its bound rules out', (n, b, c) => {
    const { low, difference } = kept(n, b, c);
    expect(low).toBeLessThanOrEqual(difference);
    expect(low).toBeGreaterThanOrEqual(-1);
    // A margin is a loss below 1; a bound above 0 rules out every one.
    const bound = Math.min(0.99, Math.max(0.000_002, -low));
    expect(kept(n, b, c, bound + 1e-6).kept).toBe(low > -0.99);
    expect(kept(n, b, c, bound - 1e-6).kept).toBe(low > 0);
  });

  it.each([
    [104, 0.06],
    [104, 0.1],
    [250, 0.1],
    [250, 0.2],
  ])('of %d tasks, %d changed, lets a loss of the margin through in about 5 % of cases', (tasks, changed) => {
    expect(through(tasks, changed, -0.05, 0.05)).toBeLessThan(0.065);
  });

  it.each([
    [104, 0.1],
    [104, 0.2],
    [250, 0.1],
    [400, 0.2],
  ])('of %d tasks, %d changed, has the power that it states', (tasks, changed) => {
    const half = Math.round((tasks * changed) / 2);
    const { power } = kept(tasks, half, half);
    expect(Math.abs(through(tasks, (2 * half) / tasks, 0, 0.05) - power)).toBeLessThan(0.05);
  });

  it('says how many tasks it takes: about 500 for five points where a fifth changes', () => {
    const { needed } = kept(100, 10, 10);
    expect(needed).toBeGreaterThan(450);
    expect(needed).toBeLessThan(600);
    expect(kept(needed, needed / 10, needed / 10).power).toBeCloseTo(0.8, 2);
  });

  it('refuses a margin that is none', () => {
    expect(() => kept(10, 0, 0, 0)).toThrow(/margin/);
    expect(() => kept(10, 0, 0, 5)).toThrow(/margin/);
  });
});

it.each([
  [0, 0.5],
  [1, 0.8413447],
  [-1, 0.1586553],
  [1.644854, 0.95],
  [-3, 0.0013499],
])('the share of the normal below %d is %d', (z, share) => {
  expect(normalShare(z)).toBeCloseTo(share, 6);
});
