import { expect, test } from 'vitest';

import { meanOf, passAt, shareOf } from '../../../src/core/judging/mean.js';

/** By its definition: the share of choices of k answers with a right one among them. */
function counted(k: number, n: number, right: number): number {
  let [all, hit] = [0, 0];
  for (let chosen = 0; chosen < 1 << n; chosen += 1) {
    const places = Array.from({ length: n }, (_, at) => at).filter((at) => (chosen & (1 << at)) !== 0);
    if (places.length !== k) continue;
    all += 1;
    if (places.some((at) => at < right)) hit += 1;
  }
  return hit / all;
}

test('pass@k is the share of choices of k answers that have a right one among them', () => {
  for (let n = 1; n <= 9; n += 1)
    for (let k = 1; k <= n; k += 1)
      for (let right = 0; right <= n; right += 1)
        expect(passAt(k, n, right), `${k} of ${n}, ${right} right`).toBeCloseTo(counted(k, n, right), 12);
});

test('an interval of yes and no stays within 0 and 1, and is not empty where all are the same', () => {
  expect(shareOf([1, 1, 1, 1]).mean).toBe(1);
  expect(shareOf([1, 1, 1, 1]).ci95[0]).toBeCloseTo(0.51, 2);
  expect(shareOf([1, 1, 1, 1]).ci95[1]).toBeCloseTo(1, 12);
  expect(shareOf([]).n).toBe(0);
});

test('of other numbers it is the normal one over them', () => {
  const { mean, ci95 } = meanOf([1, 2, 3, 4, 5]);
  expect(mean).toBe(3);
  expect(ci95[1] - 3).toBeCloseTo(1.959964 * Math.sqrt(2.5 / 5), 9);
  expect(shareOf([0.5, 1, 1, 1]).ci95[1]).toBe(1);
});
