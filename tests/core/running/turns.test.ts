/** Large work gets a turn of the event loop for each piece, so that small work comes between. */
import { expect, test } from 'vitest';

import { turnFor } from '../../../src/core/running/turns.js';

const LARGE = 1024 * 1024;

test('small work waits for nobody', () => {
  expect(turnFor(0)).toBeUndefined();
  expect(turnFor(50_000)).toBeUndefined();
});

test('of large pieces that all wait only one is done in each turn of the event loop, in their order', async () => {
  let turns = 0;
  let counting = true;
  const count = (): void => {
    turns += 1;
    if (counting) setImmediate(count);
  };
  setImmediate(count);
  const doneIn: number[] = [];
  const done: number[] = [];
  await Promise.all(
    [0, 1, 2, 3, 4].map(async (piece) => {
      await turnFor(LARGE);
      done.push(piece);
      doneIn.push(turns);
    }),
  );
  counting = false;
  expect(done).toEqual([0, 1, 2, 3, 4]);
  expect(new Set(doneIn).size).toBe(5);
});

test('a piece that waits for its next turn lets others go before it', async () => {
  const order: string[] = [];
  const work = async (name: string): Promise<void> => {
    for (const piece of [1, 2]) {
      await turnFor(LARGE);
      order.push(`${name}${piece}`);
    }
  };
  await Promise.all([work('a'), work('b')]);
  expect(order).toEqual(['a1', 'b1', 'a2', 'b2']);
});
