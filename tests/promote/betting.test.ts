import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { Bets, logEvidenceAbove } from '../../src/promote/betting.js';
import { logEvidence } from '../../src/promote/evidence.js';

const counts = fc.integer({ min: 0, max: 300 });

describe('the evidence of differences', () => {
  it('is nothing before there is one, and nothing changes where nobody won or lost', () => {
    expect(new Bets().evidence).toBeCloseTo(0, 12);
    expect(logEvidenceAbove(0, 0, 500, 0)).toBeCloseTo(0, 12);
  });

  it('is that of wins and losses where these are all there is', () => {
    for (const [wins, losses] of [
      [6, 0],
      [25, 15],
      [120, 80],
      [15, 25],
    ] as const)
      expect(logEvidenceAbove(wins, losses, 40, 0)).toBeCloseTo(logEvidence(wins, losses), 1);
  });

  it('is never more on average than it was, where differences are no more than the margin on average', () => {
    fc.assert(
      fc.property(
        counts,
        counts,
        counts,
        fc.double({ min: 0, max: 0.4, noNaN: true }),
        fc.double({ min: 0, max: 0.5, noNaN: true }),
        (wins, losses, ties, margin, ofTies) => {
          const before = new Bets(margin);
          before.add(1, wins);
          before.add(-1, losses);
          before.add(0, ties);
          // Chances of a win and a loss with a mean of exactly the margin.
          const changed = margin + (1 - margin) * (1 - ofTies);
          const [won, lost] = [(changed + margin) / 2, (changed - margin) / 2];
          const after = (difference: number): number => {
            const bets = new Bets(margin);
            bets.add(1, wins + Number(difference === 1));
            bets.add(-1, losses + Number(difference === -1));
            bets.add(0, ties + Number(difference === 0));
            return Math.exp(bets.evidence - before.evidence);
          };
          expect(won * after(1) + lost * after(-1) + (1 - changed) * after(0)).toBeLessThan(1 + 1e-9);
        },
      ),
      { numRuns: 200 },
    );
  });

  it('asks more where a margin is to be exceeded', () => {
    expect(logEvidenceAbove(60, 20, 100, 0.1)).toBeLessThan(logEvidenceAbove(60, 20, 100, 0));
    expect(logEvidenceAbove(60, 20, 100, 0.3)).toBeLessThan(0);
  });

  it('refuses a margin that nothing can exceed', () => {
    expect(() => new Bets(1)).toThrow(/never above 1/);
  });
});
