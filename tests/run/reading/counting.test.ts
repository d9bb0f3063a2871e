/** Counting for the status: a little before the answer, the rest beside. */
import { expect, test } from 'vitest';

import { Counting } from '../../../src/run/reading/counting.js';

test('what is new is counted before the answer, each time', async () => {
  let slices = 0;
  const counting = new Counting(() => Promise.resolve((slices += 1) > 1_000));
  for (const asked of [1, 2, 3]) {
    await counting.soon();
    expect(slices).toBe(asked);
  }
});

test('nobody waits for all of a long log, and it is counted to its end beside', async () => {
  const finish: ((more: boolean) => void)[] = [];
  const counting = new Counting(() => new Promise((resolve) => finish.push(resolve)), 0);
  const asked = [counting.soon(), counting.soon()];
  finish[0]?.(true);
  await Promise.all(asked);
  await expect.poll(() => finish.length).toBe(2);
  await counting.soon();
  expect(finish).toHaveLength(2);
  finish[1]?.(true);
  await expect.poll(() => finish.length).toBe(3);
  finish[2]?.(false);
  await expect
    .poll(() => {
      void counting.soon();
      return finish.length;
    })
    .toBe(4);
});

test('a fault is told to nobody, and the next who asks tries again', async () => {
  let tries = 0;
  const counting = new Counting(() => {
    tries += 1;
    return tries === 1 ? Promise.reject(new Error('locked')) : Promise.resolve(false);
  });
  await counting.soon();
  await counting.soon();
  expect(tries).toBe(2);
});
