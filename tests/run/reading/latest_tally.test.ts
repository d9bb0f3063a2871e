/** The tally told by status: made anew where that is quick, else the last one while the next is made beside. */
import { expect, test } from 'vitest';

import { LatestTally } from '../../../src/run/reading/latest_tally.js';
import type { Timed } from '../../../src/run/reading/calls.js';
import type { StateTally } from '../../../src/core/learning/candidate.js';
import { openStore } from '../../../src/store/file/db.js';
import { addKey } from '../../../src/store/keys/keys.js';
import { answer, opened, opening, temporaryFolder, user } from '../../store/fixture.js';
import { askOver } from '../rows.js';

const counted = (kept: number, ms: number): Timed<StateTally> => ({
  value: { all: { kept, dropped: {}, versions: 0 }, byKey: new Map() },
  ms,
});

test('a quick one is made for each that asks', async () => {
  let made = 0;
  const latest = new LatestTally(() => Promise.resolve(counted((made += 1), 2)));
  for (const kept of [1, 2, 3]) expect((await latest.get()).all.kept).toBe(kept);
});

test('nobody but the first waits for a slow one, which is made again after ten times as long', async () => {
  const finish: ((tally: Timed<StateTally>) => void)[] = [];
  let clock = 0;
  const latest = new LatestTally(
    () => new Promise((resolve) => finish.push(resolve)),
    () => clock,
  );
  const first = [latest.get(), latest.get()];
  finish[0]?.(counted(1, 300));
  expect((await Promise.all(first)).map(({ all }) => all.kept)).toEqual([1, 1]);
  clock += 2_999;
  expect((await latest.get()).all.kept).toBe(1);
  expect(finish).toHaveLength(1);
  clock += 1;
  expect((await latest.get()).all.kept).toBe(1);
  expect((await latest.get()).all.kept).toBe(1);
  expect(finish).toHaveLength(2);
  finish[1]?.(counted(2, 300));
  await expect.poll(async () => (await latest.get()).all.kept).toBe(2);
});

test('a count that fails is told to whoever waits for the first, and later keeps the last', async () => {
  let [fails, clock] = [true, 0];
  const latest = new LatestTally(
    () => (fails ? Promise.reject(new Error('locked')) : Promise.resolve(counted(1, 300))),
    () => clock,
  );
  await expect(latest.get()).rejects.toThrow('locked');
  fails = false;
  expect((await latest.get()).all.kept).toBe(1);
  fails = true;
  clock += 10_000;
  expect((await latest.get()).all.kept).toBe(1);
  expect((await latest.get()).all.kept).toBe(1);
});

test('in a store it is made anew where anything was written, by whichever connection', async () => {
  const folder = temporaryFolder();
  const { store, log } = opened(folder);
  const ask = askOver(store.db);
  const first = await ask('tally', []);
  expect(await ask('tally', [])).toBe(first);
  await answer(log, opening([user('q')]), [{ text: 'a', prompt: [1, 2], ids: [3] }]);
  const second = await ask('tally', []);
  expect([first.value.all.kept, second.value.all.kept]).toEqual([0, 1]);
  expect(second.value.byKey.size).toBe(1);
  const other = openStore(folder);
  addKey(other.db, { name: 'ada' });
  other.close();
  const third = await ask('tally', []);
  expect(third).not.toBe(second);
  expect(third.value).toEqual(second.value);
});
