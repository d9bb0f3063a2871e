import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { expect, test } from 'vitest';

import { GyreError } from '../../src/core/errors.js';
import { openStore } from '../../src/store/db.js';
import { opened, temporaryFolder } from './fixture.js';

function refusal(folder: string): string {
  try {
    openStore(folder).close();
  } catch (thrown) {
    if (thrown instanceof GyreError && thrown.code === 'operator_error') return thrown.message;
    throw thrown;
  }
  return 'opened';
}

test('a new folder gets its file, its tables and its settings', () => {
  const { store } = opened(join(temporaryFolder(), 'deep', 'down'));
  const pragma = (name: string): unknown => store.sqlite.pragma(name, { simple: true });
  expect([pragma('journal_mode'), pragma('synchronous'), pragma('foreign_keys'), pragma('secure_delete'), pragma('busy_timeout')]).toEqual(['wal', 1, 1, 1, 5000]);
  expect(store.sqlite.prepare(`SELECT count(*) AS n FROM sqlite_master WHERE type = 'table' AND name IN ('steps', 'messages', 'ledger')`).get()).toEqual({ n: 3 });
});

test('opening twice applies nothing twice', () => {
  const folder = temporaryFolder();
  openStore(folder).close();
  const { store } = opened(folder);
  expect(store.sqlite.prepare('SELECT count(*) AS n FROM __drizzle_migrations').get()).toEqual({ n: 1 });
  store.close();
  store.close();
});

test('a file that is no database is named, and what to do', () => {
  const folder = temporaryFolder();
  writeFileSync(join(folder, 'gyre.db'), 'not a database at all, but long enough to be taken for one'.repeat(100));
  expect(refusal(folder)).toMatch(/gyre\.db" is not a Gyre database .*--data DIR/);
});

test('a database of another build, newer or different, is refused untouched', () => {
  const folder = temporaryFolder();
  const { store } = opened(folder);
  store.sqlite.exec(`INSERT INTO __drizzle_migrations (hash, created_at) VALUES ('later', 9999999999999)`);
  expect(refusal(folder)).toMatch(/was written by a newer Gyre \(2 migrations, this build knows 1\)/);
  store.sqlite.exec(`DELETE FROM __drizzle_migrations WHERE hash = 'later'; UPDATE __drizzle_migrations SET hash = 'other'`);
  expect(refusal(folder)).toMatch(/written by another build of Gyre \(migration 0 differs\)/);
});

test('a folder that cannot be made or written is named, and what to do', () => {
  const folder = temporaryFolder();
  writeFileSync(join(folder, 'taken'), '');
  expect(refusal(join(folder, 'taken'))).toMatch(/cannot write to the data folder ".*taken" .*--data DIR/);
  mkdirSync(join(folder, 'odd', 'gyre.db'), { recursive: true });
  expect(refusal(join(folder, 'odd'))).toMatch(/cannot write to the data folder/);
});

test.skipIf(process.getuid?.() === 0)('a folder without write permission is named', () => {
  const folder = temporaryFolder();
  execFileSync('chmod', ['500', folder]);
  expect(refusal(folder)).toMatch(/cannot write to the data folder/);
});
