import { expect, test } from 'vitest';

import { type Version, weightsNear } from '../../../src/core/learning/version.js';

type Row = Pick<Version, 'version' | 'parent' | 'copyOf'>;
const trained = (version: number, parent: number): Row => ({ version, parent });
const copy = (version: number, copyOf: number, parent: number): Row => ({ version, parent, copyOf });
const near = (rows: readonly Row[], head: number): number[] => [...weightsNear(rows, head, 2)].sort((a, b) => a - b);

const LINE = Array.from({ length: 9 }, (_, at) => trained(at + 1, at));

test('two updates back is near, and the base is what the first was trained on', () => {
  expect(near(LINE, 9)).toEqual([7, 8, 9]);
  expect(near(LINE, 1)).toEqual([0, 1]);
  expect(near([], 0)).toEqual([0]);
});

test('after a head was set back what was trained meanwhile is not near, though its number is higher', () => {
  expect(near(LINE, 0)).toEqual([0]);
  expect(near([...LINE, trained(10, 1)], 10)).toEqual([0, 1, 10]);
});

test('after a rollback the number before is as far as its weights are', () => {
  const back = [...LINE, copy(10, 2, 9)];
  expect(near(back, 10)).toEqual([0, 1, 2, 10]);
  expect(near([...back, trained(11, 10)], 11)).toEqual([1, 2, 10, 11]);
  // Back to the weights of a copy.
  expect(near([...back, trained(11, 10), copy(12, 10, 11)], 12)).toEqual([0, 1, 2, 10, 12]);
});
