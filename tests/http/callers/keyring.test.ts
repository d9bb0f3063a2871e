/** Keys in memory: how old they may be, what an unknown secret costs, and what is counted while nothing is written. */
import { expect, test } from 'vitest';

import type { Key, KeyList, KeyRows } from '../../../src/core/key.js';
import { sha256 } from '../../../src/core/text/hash.js';
import { Keyring, OLDEST_MS } from '../../../src/http/callers/keyring.js';
import { identify } from '../../../src/http/callers/auth.js';

const KEY: Key = { id: 'key-ann', role: 'client', train: true };

/** Rows that a test changes; each list and each sum is asked for as it says. */
function rows(list: readonly string[] = []): KeyRows & { secrets: readonly string[]; asked: number; fails: boolean } {
  return {
    secrets: list,
    asked: 0,
    fails: false,
    keys(seen): Promise<KeyList | undefined> {
      this.asked += 1;
      if (this.fails) return Promise.reject(new Error('locked'));
      const stamp = this.secrets.join(' ');
      const keys = this.secrets.map((secret) => [sha256(secret), KEY] as const);
      return Promise.resolve(stamp === seen ? undefined : { stamp, any: keys.length > 0, keys });
    },
    spent: () => Promise.resolve(10),
    count(): Promise<void> {
      return this.fails ? Promise.reject(new Error('locked')) : Promise.resolve();
    },
  };
}

test('a list that is old is read beside the requests, and one that is too old lets nobody in', async () => {
  const kept = rows(['good']);
  let clock = 0;
  const ring = new Keyring(kept, { elapsed: () => clock });
  await ring.fresh();
  kept.secrets = [];
  clock = OLDEST_MS - 1;
  kept.fails = true;
  expect(ring.fresh()).toBeUndefined();
  expect(ring.find('good')).toEqual(KEY);
  await Promise.resolve();
  clock = OLDEST_MS;
  await expect(ring.fresh()).rejects.toThrow('locked');
  kept.fails = false;
  await ring.fresh();
  expect(ring.find('good')).toBeUndefined();
  expect(ring.required()).toBe(true);
});

test('a key that was made a moment ago is let in by the next list', async () => {
  const kept = rows(['old']);
  const ring = new Keyring(kept);
  await ring.fresh();
  kept.secrets = ['old', 'new'];
  expect(await identify(ring, 'Bearer new', undefined)).toMatchObject({ keyId: 'key-ann' });
});

test('however many secrets are guessed, lists are read one after the other, and so many wait at most', async () => {
  const kept = rows(['good']);
  const ring = new Keyring(kept);
  await ring.fresh();
  const guesses = Array.from({ length: 2_000 }, (_, at) =>
    Promise.resolve(identify(ring, `Bearer guess ${at}`, undefined)).catch(
      (thrown: unknown) => (thrown as { status: number }).status,
    ),
  );
  const told = await Promise.all(guesses);
  expect(told.filter((status) => status === 401)).toHaveLength(500);
  expect(told.filter((status) => status === 429)).toHaveLength(1_500);
  expect(kept.asked).toBe(2);
  expect(identify(ring, 'Bearer good', undefined)).toMatchObject({ keyId: 'key-ann' });
});

test('what cannot be counted is counted when it can, and known meanwhile', async () => {
  const kept = rows(['good']);
  const ring = new Keyring(kept);
  kept.fails = true;
  ring.count('key-ann', 5);
  ring.count('key-ann', 7);
  expect(await ring.spent('key-ann')).toBe(22);
  kept.fails = false;
  await expect.poll(() => ring.spent('key-ann'), { timeout: 10_000 }).toBe(10);
});
