import { expect, test } from 'vitest';

import { proportion } from '../../src/core/judging/proportion.js';
import { normalQuantile, paired } from '../../src/promote/interval.js';

const scores = (right: number, of: number): number[] => Array.from({ length: of }, (_, at) => (at < right ? 1 : 0));

test('the interval of a proportion stays inside 0..1 and matches the published Wilson values', () => {
  expect(proportion(scores(0, 10)).ci95[0]).toBe(0);
  expect(proportion(scores(10, 10)).ci95[1]).toBeCloseTo(1, 12);
  expect(proportion(scores(10, 10)).ci95[1]).toBeLessThanOrEqual(1);
  const { ci95 } = proportion(scores(15, 50));
  expect(ci95[0]).toBeCloseTo(0.191, 3);
  expect(ci95[1]).toBeCloseTo(0.4375, 3);
});

test('the paired interval covers the difference and equal answers are not certain', () => {
  const same = paired(scores(5, 10), scores(5, 10));
  expect(same.difference).toBe(0);
  expect(same.high).toBeGreaterThan(0);
  expect(() => paired([1], [1, 0])).toThrow(/differ in length/);
});

test.each([
  [0.8, 0.841621],
  [0.9, 1.281552],
  [0.95, 1.644854],
  [0.99, 2.326348],
  [0.6, 0.253347],
])('the normal quantile at %d is %d', (confidence, z) => {
  expect(normalQuantile(confidence)).toBeCloseTo(z, 5);
});
