import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { look, tallyOf } from '../../src/promote/look.js';
import { ladder, sequential } from '../../src/promote/plan.js';
import { type Kinds, pairs } from './pairs.js';

const seen = (kinds: Kinds, plan = sequential(1, 1024)): ReturnType<typeof look> => look(tallyOf(pairs(kinds)), plan);

describe('what is counted', () => {
  it('is what changed: a win, a loss, and neither where both did alike', () => {
    expect(tallyOf(pairs({ won: 3, lost: 2, both: 5, neither: 4 }))).toEqual({
      tasks: 14,
      wins: 3,
      losses: 2,
      answered: { candidate: 14, serving: 14 },
      unanswered: 0,
    });
  });

  it('takes no answer of the candidate for a wrong one, and none of serving for no win', () => {
    expect(tallyOf(pairs({ both: 10, silent: 4, unserved: 3 }))).toEqual({
      tasks: 17,
      wins: 0,
      losses: 4,
      answered: { candidate: 13, serving: 14 },
      unanswered: 0,
    });
    expect(tallyOf([{ taskId: 'a' }])).toMatchObject({ wins: 0, losses: 0, unanswered: 1 });
  });
});

describe('a look', () => {
  it('goes on while nothing is shown, and ends as soon as it is', () => {
    expect(seen({ won: 5, neither: 27 }).ending).toBeUndefined();
    expect(seen({ won: 6, neither: 26 }).ending).toBe('evidence');
    expect(seen({ won: 6, lost: 3, neither: 23 }).ending).toBeUndefined();
  });

  it('wants more of each further candidate', () => {
    expect(seen({ won: 6, neither: 26 }, sequential(2, 1024)).ending).toBeUndefined();
    expect(seen({ won: 14, neither: 18 }, sequential(10, 1024)).ending).toBe('evidence');
    expect(seen({ won: 14, neither: 18 }, sequential(50, 1024)).ending).toBeUndefined();
  });

  it('ends where the rest could hardly show it, and not before 128 tasks', () => {
    expect(seen({ lost: 30, neither: 66 }).ending).toBeUndefined();
    expect(seen({ lost: 30, neither: 98 }).ending).toBe('futile');
    expect(seen({ neither: 128 }).ending).toBe('futile');
    expect(seen({ won: 16, lost: 12, neither: 100 }).ending).toBeUndefined();
  });

  it('ends where all is asked', () => {
    expect(seen({ won: 30, lost: 25, neither: 201 }, sequential(1, 256)).ending).toBe('max');
  });

  it('of a small set is taken once, when all of it is asked', () => {
    expect(seen({ won: 40 }, ladder(1, 67)).ending).toBeUndefined();
    expect(seen({ won: 12, lost: 2, both: 53 }, ladder(1, 67)).ending).toBe('evidence');
    expect(seen({ won: 9, lost: 5, both: 53 }, ladder(1, 67)).ending).toBe('max');
    expect(seen({ won: 6 }, ladder(1, 6)).ending).toBe('evidence');
    expect(seen({ won: 5 }, ladder(1, 5)).ending).toBe('max');
  });

  it('decides nothing where too little is answered: by the candidate, or by serving', () => {
    expect(seen({ won: 20, neither: 42, silent: 2 }).covered).toBe(false);
    expect(seen({ won: 20, neither: 43, silent: 1 }).covered).toBe(true);
    expect(seen({ won: 20, neither: 42, unserved: 2 }).covered).toBe(false);
  });

  it('is not bettered by answers that stay away', () => {
    const kinds = fc.record({
      won: fc.nat(60),
      lost: fc.nat(60),
      both: fc.nat(60),
      silent: fc.integer({ min: 1, max: 20 }),
    });
    fc.assert(
      fc.property(kinds, ({ silent: count, both, ...rest }) => {
        // Had they been right, they would have been like serving's.
        const answered = seen({ ...rest, both: both + count });
        expect(seen({ ...rest, both, silent: count }).strength).toBeLessThan(answered.strength);
      }),
    );
  });
});
