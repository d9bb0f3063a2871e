import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { levelOf, logChance, logEvidence } from '../../src/promote/evidence.js';

/** The mixture by Simpson's rule, as it is defined. */
function integrated(wins: number, losses: number): number {
  const parts = 20_000;
  const at = (theta: number): number =>
    Math.exp(
      (wins + losses) * Math.LN2 +
        (wins === 0 ? 0 : wins * Math.log(theta)) +
        (losses === 0 ? 0 : losses * Math.log(1 - theta)),
    );
  const width = 0.5 / parts;
  let sum = at(0.5) + at(1);
  for (let part = 1; part < parts; part += 1) sum += (part % 2 === 1 ? 4 : 2) * at(0.5 + part * width);
  // The mean over half a unit.
  return Math.log((2 * sum * width) / 3);
}

const counts = fc.tuple(fc.integer({ min: 0, max: 600 }), fc.integer({ min: 0, max: 600 }));

describe('the evidence of a sequential test', () => {
  it('is nothing before a task has changed', () => {
    expect(logEvidence(0, 0)).toBeCloseTo(0, 12);
  });

  it.each([
    [1, 0],
    [0, 1],
    [6, 0],
    [0, 9],
    [8, 2],
    [25, 15],
    [15, 25],
    [50, 50],
    [120, 80],
    [520, 480],
    [700, 324],
  ])('of %d wins and %d losses is the integral that defines it', (wins, losses) => {
    expect(logEvidence(wins, losses)).toBeCloseTo(integrated(wins, losses), 6);
  });

  it('is what a fair coin leaves as it is on average, exactly', () => {
    fc.assert(
      fc.property(counts, ([wins, losses]) => {
        const [now, won, lost] = [
          logEvidence(wins, losses),
          logEvidence(wins + 1, losses),
          logEvidence(wins, losses + 1),
        ];
        expect((Math.exp(won - now) + Math.exp(lost - now)) / 2).toBeCloseTo(1, 8);
      }),
    );
  });

  it('falls on average wherever a win is less likely than a loss', () => {
    fc.assert(
      fc.property(counts, fc.double({ min: 0, max: 0.5, noNaN: true }), ([wins, losses], chance) => {
        const now = logEvidence(wins, losses);
        const next =
          chance * Math.exp(logEvidence(wins + 1, losses) - now) +
          (1 - chance) * Math.exp(logEvidence(wins, losses + 1) - now);
        expect(next).toBeLessThanOrEqual(1 + 1e-8);
      }),
    );
  });

  it('grows with every win and falls with every loss, and is never more than doubled', () => {
    fc.assert(
      fc.property(counts, ([wins, losses]) => {
        const now = logEvidence(wins, losses);
        const won = logEvidence(wins + 1, losses);
        expect(won).toBeGreaterThan(now);
        expect(won - now).toBeLessThanOrEqual(Math.LN2 + 1e-9);
        expect(logEvidence(wins, losses + 1)).toBeLessThan(now);
      }),
    );
  });

  it('has the mean of 1 over all sequences of a fair coin, whenever one stops', () => {
    // Every sequence of twelve, each stopped as soon as its evidence has reached 8.
    const mean = (wins: number, losses: number): number => {
      const evidence = Math.exp(logEvidence(wins, losses));
      if (evidence >= 8 || wins + losses === 12) return evidence;
      return (mean(wins + 1, losses) + mean(wins, losses + 1)) / 2;
    };
    expect(mean(0, 0)).toBeCloseTo(1, 9);
  });

  it.each([
    [0.5, 0.06],
    [0.5, 0.01],
    [0.45, 0.06],
    [0.5, 0.000_5],
  ])('where a win has a chance of %d ever reaches 1/%d no oftener than that', (chance, alpha) => {
    // Exact: the chance of each count of wins among those sequences that have not reached it, up to 400 changes.
    let open = new Map([[0, 1]]);
    let reached = 0;
    for (let changed = 1; changed <= 400; changed += 1) {
      const next = new Map<number, number>();
      for (const [wins, share] of open)
        for (const [after, part] of [
          [wins + 1, chance],
          [wins, 1 - chance],
        ] as const) {
          if (logEvidence(after, changed - after) >= -Math.log(alpha)) reached += share * part;
          else next.set(after, (next.get(after) ?? 0) + share * part);
        }
      open = next;
    }
    expect(reached).toBeLessThanOrEqual(alpha);
    expect(reached).toBeGreaterThan(0);
  });

  it('takes six wins and no loss for the first candidate, and refuses what are no counts', () => {
    const needed = -Math.log(levelOf(0.1, 1));
    expect(logEvidence(5, 0)).toBeLessThan(needed);
    expect(logEvidence(6, 0)).toBeGreaterThan(needed);
    expect(() => logEvidence(-1, 0)).toThrow(/no number of tasks/);
    expect(() => logEvidence(0.5, 0)).toThrow(/no number of tasks/);
  });
});

describe('the sign test', () => {
  it('is the share of all sequences with so many wins or more', () => {
    expect(Math.exp(logChance(9, 1))).toBeCloseTo(11 / 1024, 12);
    expect(Math.exp(logChance(5, 5))).toBeCloseTo(638 / 1024, 12);
    expect(logChance(0, 7)).toBeCloseTo(0, 12);
    expect(logChance(0, 0)).toBe(0);
    expect(logChance(1000, 0)).toBeCloseTo(-1000 * Math.LN2, 6);
  });
});

describe('the level of a candidate', () => {
  it('is spent by all of them together and by no number of them overdrawn', () => {
    let spent = 0;
    for (let candidate = 1; candidate <= 100_000; candidate += 1) spent += levelOf(0.1, candidate);
    expect(spent).toBeLessThan(0.1);
    expect(spent).toBeGreaterThan(0.0999);
    expect(levelOf(0.1, 1)).toBeCloseTo(0.0608, 4);
    expect(() => levelOf(0.1, 0)).toThrow(/counted from 1/);
  });
});
