import { readFileSync } from 'node:fs';

import { expect, test } from 'vitest';

import { openStore } from '../../src/store/db.js';
import { addKey, CACHE_MS, listKeys, openKeyring, revokeKey } from '../../src/store/keys.js';
import { opened, temporaryFolder } from './fixture.js';

test('a key is found by its secret, and the secret is in no file', () => {
  const folder = temporaryFolder();
  const { store } = opened(folder);
  const ring = openKeyring(store.db);
  expect(ring.required()).toBe(false);
  const { key, secret } = addKey(store.db, { name: 'ada', role: 'admin', train: false });
  expect(secret).toMatch(/^gyre_sk_[\w-]{43}$/);
  expect(openKeyring(store.db).required()).toBe(true);
  expect(ring.find(secret)).toEqual(key);
  expect(key).toMatchObject({ name: 'ada', role: 'admin', train: false });
  expect(ring.find(`${secret}x`)).toBeUndefined();
  expect(ring.find('')).toBeUndefined();
  store.sqlite.pragma('wal_checkpoint(TRUNCATE)');
  expect(readFileSync(store.file).includes(secret.slice(8))).toBe(false);
});

test('a revocation by another process acts within two seconds', () => {
  const folder = temporaryFolder();
  const { store } = opened(folder);
  let clock = 0;
  const ring = openKeyring(store.db, () => clock);
  const { secret } = addKey(store.db, { name: 'ada' });
  expect(ring.find(secret)?.name).toBe('ada');
  const other = openStore(folder);
  expect(revokeKey(other.db, 'ada')?.revokedAt).toBeDefined();
  other.close();
  clock = CACHE_MS + 1;
  expect(ring.find(secret)).toBeUndefined();
  expect(ring.required()).toBe(true);
});

test('a first key made by another process closes the gateway within two seconds', () => {
  const folder = temporaryFolder();
  const { store } = opened(folder);
  let clock = 0;
  const ring = openKeyring(store.db, () => clock);
  expect(ring.required()).toBe(false);
  const other = openStore(folder);
  const { secret } = addKey(other.db, { name: 'ada' });
  other.close();
  expect(ring.find(secret)?.name).toBe('ada');
  clock = CACHE_MS;
  expect(ring.required()).toBe(true);
});

test('a name is used by one key at a time and free again after revocation', () => {
  const { store } = opened();
  const first = addKey(store.db, { name: 'ada' });
  expect(() => addKey(store.db, { name: 'ada' })).toThrow(/there is a key named "ada" already/);
  expect(() => addKey(store.db, { name: ' ' })).toThrow(/needs a name/);
  expect(revokeKey(store.db, first.key.id)?.id).toBe(first.key.id);
  expect(revokeKey(store.db, 'ada')).toBeUndefined();
  addKey(store.db, { name: 'ada' });
  expect(listKeys(store.db).map((key) => [key.name, key.revokedAt !== undefined])).toEqual([['ada', true], ['ada', false]]);
});
