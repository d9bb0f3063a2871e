import { expect, test } from 'vitest';

import type { Evaluation } from '../../src/core/learning/version.js';
import { gate } from '../../src/promote/gate.js';
import { normalQuantile, paired, proportion } from '../../src/promote/interval.js';

const evaluation = (version: number, scores: readonly number[], taskSet = 'set'): Evaluation => ({
  id: `eval-${version}`,
  version,
  taskSet,
  createdAt: 0,
  results: scores.map((score, at) => ({ taskId: `task-${at}`, trajectoryId: `t${at}`, score })),
});
const scores = (right: number, of: number): number[] => Array.from({ length: of }, (_, at) => (at < right ? 1 : 0));

test('a clear gain passes and the numbers that made the decision are kept', () => {
  const outcome = gate(evaluation(2, scores(30, 40)), evaluation(0, scores(12, 40)), 0.8);
  expect(outcome.passed).toBe(true);
  expect(outcome.numbers).toMatchObject({
    tasks: 40,
    confidence: 0.8,
    candidate: { accuracy: 0.75 },
    serving: { accuracy: 0.3 },
  });
});

test('equal versions, worse versions and a single lucky task do not pass', () => {
  expect(gate(evaluation(2, scores(12, 40)), evaluation(0, scores(12, 40)), 0.8).passed).toBe(false);
  expect(gate(evaluation(2, scores(8, 40)), evaluation(0, scores(12, 40)), 0.8).passed).toBe(false);
  expect(gate(evaluation(2, scores(1, 1)), evaluation(0, scores(0, 1)), 0.8).passed).toBe(false);
});

test('only like is compared with like', () => {
  expect(gate(evaluation(2, scores(40, 40), 'a'), evaluation(0, scores(0, 40), 'b'), 0.8).reason).toMatch(
    /different tasks/,
  );
});

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
