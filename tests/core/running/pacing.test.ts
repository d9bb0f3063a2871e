import { expect, test } from 'vitest';

import { Pacing } from '../../../src/core/running/pacing.js';

const { signal } = new AbortController();
const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 2));

async function mostAtOnce(pacing: Pacing, tasks: number): Promise<number> {
  let [now, most] = [0, 0];
  const work = async (): Promise<void> => {
    now += 1;
    most = Math.max(most, now);
    await pause();
    now -= 1;
  };
  await Promise.all(Array.from({ length: tasks }, () => pacing.do(work)));
  return most;
}

test('as many are at work as may be, and one alone while clients are being answered', async () => {
  const free = new Pacing({ width: 3, busy: () => Promise.resolve(false), signal });
  expect(await mostAtOnce(free, 9)).toBe(3);
  const busy = new Pacing({ width: 3, busy: () => Promise.resolve(true), signal });
  expect(await mostAtOnce(busy, 3)).toBe(1);
});

test('whoever cannot say whether it is busy is not', async () => {
  const unknown = new Pacing({ width: 2, busy: () => Promise.reject(new Error('gone')), signal });
  expect(await mostAtOnce(unknown, 4)).toBe(2);
});

test('after too much nothing begins for as long as it was said', async () => {
  const pacing = new Pacing({ width: 4, busy: () => Promise.resolve(false), signal });
  const before = Date.now();
  pacing.tooMuch(1_200);
  await pacing.do(() => Promise.resolve());
  expect(Date.now() - before).toBeGreaterThanOrEqual(1_199);
});

test('what fails gives its place back, and whoever stops it waits for nothing', async () => {
  const stopping = new AbortController();
  const pacing = new Pacing({ width: 1, busy: () => Promise.resolve(false), signal: stopping.signal });
  await expect(pacing.do(() => Promise.reject(new Error('no')))).rejects.toThrow('no');
  expect(await pacing.do(() => Promise.resolve(7))).toBe(7);
  pacing.tooMuch(60_000);
  const waiting = pacing.do(() => Promise.resolve());
  stopping.abort(new Error('stopped'));
  await expect(waiting).rejects.toThrow();
});
