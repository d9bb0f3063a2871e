/** Large work begins in its order, as much of it at a time as the bound says. */
import { setImmediate as turn } from 'node:timers/promises';

import { expect, test } from 'vitest';

import { SideBySide } from '../../../src/core/running/side_by_side.js';

const MIB = 1024 * 1024;

/** Each of the sizes enters; what has begun is told after each of the steps. */
async function begun(most: number, sizes: readonly number[]): Promise<[number[], (at: number) => Promise<void>]> {
  const work = new SideBySide(most);
  const began: number[] = [];
  const leaves: (() => void)[] = [];
  sizes.forEach((size, at) => {
    void work.enter(size).then((leave) => {
      began.push(at);
      leaves[at] = leave;
    });
  });
  await turn();
  return [
    began,
    async (at) => {
      leaves[at]?.();
      await turn();
    },
  ];
}

test('what fits goes on side by side, and the next begins when enough has ended', async () => {
  const [began, end] = await begun(16 * MIB, [6 * MIB, 6 * MIB, 6 * MIB, 12 * MIB]);
  expect(began).toEqual([0, 1]);
  await end(1);
  expect(began).toEqual([0, 1, 2]);
  await end(0);
  expect(began).toEqual([0, 1, 2]);
  await end(2);
  expect(began).toEqual([0, 1, 2, 3]);
});

test('what is larger than the bound goes on alone', async () => {
  const [began, end] = await begun(16 * MIB, [2 * MIB, 31 * MIB, 2 * MIB]);
  expect(began).toEqual([0]);
  await end(0);
  expect(began).toEqual([0, 1]);
  await end(1);
  expect(began).toEqual([0, 1, 2]);
});

test('one that would fit does not pass one that waits, and small work passes all', async () => {
  const [began, end] = await begun(16 * MIB, [10 * MIB, 10 * MIB, 5 * MIB, 1000]);
  expect(began).toEqual([0, 3]);
  await end(0);
  expect(began).toEqual([0, 3, 1, 2]);
});
