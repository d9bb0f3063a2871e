import { readFileSync } from 'node:fs';

import { expect, test } from 'vitest';

import { openStore } from '../../../src/store/file/db.js';
import { OLDEST_MS } from '../../../src/http/callers/keyring.js';
import { addKey, changeKey, listKeys, revokeKey } from '../../../src/store/keys/keys.js';
import { keyringOver, knownKeyring } from '../../run/rows.js';
import { opened, temporaryFolder } from '../fixture.js';

test('a key is found by its secret, and the secret is in no file', async () => {
  const folder = temporaryFolder();
  const { store } = opened(folder);
  const ring = await knownKeyring(store.db);
  expect(ring.required()).toBe(false);
  const { key, secret } = addKey(store.db, { name: 'ada', role: 'admin', train: false });
  expect(secret).toMatch(/^gyre_sk_[\w-]{43}$/);
  await ring.renewed();
  expect(ring.required()).toBe(true);
  expect(ring.find(secret)).toEqual(key);
  expect(key).toMatchObject({ name: 'ada', role: 'admin', train: false });
  expect(ring.find(`${secret}x`)).toBeUndefined();
  expect(ring.find('')).toBeUndefined();
  store.sqlite.pragma('wal_checkpoint(TRUNCATE)');
  expect(readFileSync(store.file).includes(secret.slice(8))).toBe(false);
});

test('a revocation by another process acts within four seconds', async () => {
  const folder = temporaryFolder();
  const { store } = opened(folder);
  let clock = 0;
  const ring = keyringOver(store.db, { elapsed: () => clock });
  const { key, secret } = addKey(store.db, { name: 'ada' });
  await ring.fresh();
  expect(ring.find(secret)).toEqual(key);
  const other = openStore(folder);
  expect(revokeKey(other.db, 'ada')?.revokedAt).toBeDefined();
  other.close();
  clock = OLDEST_MS;
  await ring.fresh();
  expect(ring.find(secret)).toBeUndefined();
  expect(ring.required()).toBe(true);
});

test('a first key made by another process closes the gateway within four seconds', async () => {
  const folder = temporaryFolder();
  const { store } = opened(folder);
  let clock = 0;
  const ring = keyringOver(store.db, { elapsed: () => clock });
  await ring.fresh();
  expect(ring.required()).toBe(false);
  const other = openStore(folder);
  const { secret } = addKey(other.db, { name: 'ada' });
  other.close();
  clock = OLDEST_MS;
  await ring.fresh();
  expect(ring.required()).toBe(true);
  expect(ring.find(secret)).toBeDefined();
});

test('a name is used by one key at a time and free again after revocation', () => {
  const { store } = opened();
  const first = addKey(store.db, { name: 'ada' });
  expect(() => addKey(store.db, { name: 'ada' })).toThrow(/there is a key named "ada" already/);
  expect(() => addKey(store.db, { name: ' ' })).toThrow(/needs a name/);
  expect(revokeKey(store.db, first.key.id)?.id).toBe(first.key.id);
  expect(revokeKey(store.db, 'ada')).toBeUndefined();
  addKey(store.db, { name: 'ada' });
  expect(listKeys(store.db).map((key) => [key.name, key.revokedAt !== undefined])).toEqual([
    ['ada', true],
    ['ada', false],
  ]);
});

test('a key without bounds carries none, and one with them carries only those it has', async () => {
  const { store } = opened();
  expect(addKey(store.db, { name: 'free' }).key).not.toHaveProperty('limits');
  const { key, secret } = addKey(store.db, {
    name: 'ada',
    tools: ['calculator'],
    limits: { requestsPerMinute: 3, monthlyTokens: 500 },
  });
  expect(key).toMatchObject({ tools: ['calculator'], limits: { requestsPerMinute: 3, monthlyTokens: 500 } });
  expect(Object.keys(key.limits ?? {})).toEqual(['requestsPerMinute', 'monthlyTokens']);
  expect((await knownKeyring(store.db)).find(secret)).toEqual(key);
  expect(listKeys(store.db)[1]).toEqual(key);
});

test('what is changed of a living key acts within four seconds, and what is not named stays', async () => {
  const folder = temporaryFolder();
  const { store } = opened(folder);
  let clock = 0;
  const ring = keyringOver(store.db, { elapsed: () => clock });
  const { secret } = addKey(store.db, {
    name: 'ada',
    train: false,
    tools: [],
    limits: { requestsPerMinute: 3, concurrent: 1 },
  });
  await ring.fresh();
  expect(ring.find(secret)).toMatchObject({ tools: [], limits: { requestsPerMinute: 3, concurrent: 1 } });
  const other = openStore(folder);
  expect(
    changeKey(other.db, 'ada', { tools: null, limits: { requestsPerMinute: null, tokensPerMinute: 9 } }),
  ).toBeDefined();
  expect(changeKey(other.db, 'nobody', { train: true })).toBeUndefined();
  other.close();
  clock = OLDEST_MS;
  await ring.fresh();
  const changed = ring.find(secret);
  expect(changed).toMatchObject({ train: false, role: 'client', limits: { concurrent: 1, tokensPerMinute: 9 } });
  expect(changed?.limits).not.toHaveProperty('requestsPerMinute');
  expect(changed).not.toHaveProperty('tools');
  expect(changeKey(store.db, 'ada', { limits: { concurrent: null, tokensPerMinute: null } })).not.toHaveProperty(
    'limits',
  );
  revokeKey(store.db, 'ada');
  expect(changeKey(store.db, 'ada', { train: true })).toBeUndefined();
});
