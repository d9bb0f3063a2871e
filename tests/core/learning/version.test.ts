/** Which versions a version's weights go back to. */
import { expect, test } from 'vitest';

import { updatesSince, type Version } from '../../../src/core/learning/version.js';

const row = (version: number, parent: number, copyOf?: number): Version => ({
  ...{ version, parent, kind: copyOf === undefined ? 'trained' : 'rollback', metrics: {}, createdAt: 0 },
  ...(copyOf === undefined ? {} : { copyOf }),
});
const since = (versions: readonly Version[], from: number): [number, number][] => [...updatesSince(versions, from)];

test('each update is one more, and the model itself is the first', () => {
  expect(since([row(1, 0), row(2, 1), row(3, 2)], 3)).toEqual([
    [3, 0],
    [2, 1],
    [1, 2],
    [0, 3],
  ]);
  expect(since([], 0)).toEqual([[0, 0]]);
});

test('a copy is what it is a copy of, and what was left is no part of it', () => {
  const versions = [row(1, 0), row(2, 1), row(3, 2), row(4, 3, 1), row(5, 4)];
  expect(since(versions, 5)).toEqual([
    [5, 0],
    [4, 1],
    [1, 1],
    [0, 2],
  ]);
});

test('after the head was set back the versions beyond it are none of its own', () => {
  expect(since([row(1, 0), row(2, 1), row(3, 2)], 1)).toEqual([
    [1, 0],
    [0, 1],
  ]);
});

test('where a row is missing the way ends there', () => {
  expect(since([row(3, 2)], 3)).toEqual([
    [3, 0],
    [2, 1],
  ]);
});
