import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { expect, onTestFinished, test } from 'vitest';

import { grow } from '../../scripts/years/grow.js';
import { openStore } from '../../src/store/file/db.js';
import { verify } from '../../src/store/proof/verify.js';

test('a log of years is whole, and has of everything', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'gyre-years-'));
  const store = openStore(folder);
  onTestFinished(() => {
    store.close();
    rmSync(folder, { recursive: true });
  });
  await grow(store, { steps: 4_000, seed: 1, note: () => undefined });
  expect(verify(store.db).problems).toEqual([]);
  const count = (from: string): number =>
    store.sqlite.prepare<[], { n: number }>(`SELECT count(*) AS n FROM ${from}`).get()?.n ?? 0;
  expect(count('steps')).toBeGreaterThanOrEqual(4_000);
  for (const some of [
    'steps WHERE policy_version = -1',
    'steps WHERE idx > 20',
    `steps WHERE calls <> '[]'`,
    `steps WHERE key_id = ''`,
    'steps WHERE NOT consent',
    'feedback',
    'verdicts',
    'samples',
    'batches',
    'versions',
  ])
    expect(`${some}: ${count(some) > 0}`).toBe(`${some}: true`);
  expect(count('(SELECT DISTINCT key_id FROM steps)')).toBe(5);
});
