import fc from 'fast-check';
import { expect, test } from 'vitest';

import { mostOf, shareOut } from '../../src/filter/shares.js';

const of = (counts: Readonly<Record<string, number>>): { giver: string | undefined }[] =>
  Object.entries(counts).flatMap(([giver, count]) =>
    Array.from({ length: count }, () => ({ giver: giver === 'own' ? undefined : giver })),
  );
function shares(
  counts: Readonly<Record<string, number>>,
  max: number,
  share = 0.2,
  givers = Object.keys(counts).length,
) {
  const { taken, over } = shareOut(of(counts), max, share, givers);
  const given: Record<string, number> = {};
  for (const { giver = 'own' } of taken) given[giver] = (given[giver] ?? 0) + 1;
  return { given, over };
}

test('among many keys each gives a fifth at most, and what is left over is counted', () => {
  expect(shares({ mal: 1000, a: 10, b: 10, c: 10, d: 10, e: 10 }, 48)).toEqual({
    given: { mal: 9, a: 9, b: 9, c: 9, d: 9, e: 3 },
    over: 991 + 1 + 1 + 1 + 1,
  });
  expect(shares({ mal: 1000, a: 4, b: 4, c: 4, d: 4 }, 48)).toEqual({
    given: { mal: 4, a: 4, b: 4, c: 4, d: 4 },
    over: 996,
  });
});

test('one key alone, and no key at all, give everything', () => {
  expect(shares({ one: 100 }, 48)).toEqual({ given: { one: 48 }, over: 0 });
  expect(shares({ '': 100 }, 48)).toEqual({ given: { '': 48 }, over: 0 });
});

test('of two keys each gives half, and of three a third', () => {
  expect(shares({ a: 100, b: 100 }, 48).given).toEqual({ a: 24, b: 24 });
  expect(shares({ a: 100, b: 5 }, 48).given).toEqual({ a: 5, b: 5 });
  expect(shares({ a: 100, b: 100, c: 1 }, 48).given).toEqual({ a: 1, b: 1, c: 1 });
});

test('a key whose company is silent gives one state and not a batch', () => {
  expect(shares({ mal: 1000 }, 48, 0.2, 6)).toEqual({ given: { mal: 1 }, over: 999 });
});

test("the operator's own has no bound, and makes room for others", () => {
  expect(shares({ own: 40, mal: 1000 }, 100, 0.2, 5).given).toEqual({ own: 40, mal: 10 });
});

test('a share of 1 bounds nobody', () => {
  expect(shares({ mal: 1000, a: 1 }, 48, 1).given).toEqual({ mal: 48 });
});

test('a share is not lost to how numbers are rounded', () => {
  expect(mostOf(5, 0.2, 100)).toBe(1);
  expect(mostOf(10, 0.3, 100)).toBe(3);
  expect(mostOf(100, 0.07, 100)).toBe(7);
  expect(mostOf(3, 0.2, 3)).toBe(1);
});

test('nobody gives more than his share of what is taken, something is taken, and no larger batch would do', () => {
  const key = fc.constantFrom('own', 'a', 'b', 'c', 'd', 'e', 'f', 'g');
  fc.assert(
    fc.property(
      fc.array(key, { minLength: 1, maxLength: 80 }),
      fc.integer({ min: 1, max: 50 }),
      fc.double({ min: 0.05, max: 1, noNaN: true }),
      (list, max, share) => {
        const items = list.map((giver) => ({ giver: giver === 'own' ? undefined : giver }));
        const givers = new Set(list.filter((giver) => giver !== 'own')).size;
        const { taken, over } = shareOut(items, max, share, givers);
        expect(taken.length).toBeGreaterThan(0);
        expect(taken.length).toBeLessThanOrEqual(max);
        const counts = new Map<string, number>();
        for (const { giver } of taken) if (giver !== undefined) counts.set(giver, (counts.get(giver) ?? 0) + 1);
        for (const count of counts.values()) expect(count).toBeLessThanOrEqual(mostOf(taken.length, share, givers));
        if (taken.length < max) expect(over).toBe(items.length - taken.length);
        if (taken.length === Math.min(max, items.length)) return;
        const most = mostOf(taken.length + 1, share, givers);
        const could = [...new Set(list)].reduce((sum, giver) => {
          const has = list.filter((each) => each === giver).length;
          return sum + (giver === 'own' ? has : Math.min(has, most));
        }, 0);
        expect(could).toBeLessThan(taken.length + 1);
      },
    ),
  );
});
