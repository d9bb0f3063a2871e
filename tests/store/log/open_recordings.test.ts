/** What is recorded in the sight of other logs, while somebody holds the database they are told by. */
import { join } from 'node:path';

import Database from 'better-sqlite3';
import { expect, onTestFinished, test, vi } from 'vitest';

import { OpenRecordings } from '../../../src/store/log/open_recordings.js';
import { temporaryFolder } from '../fixture.js';

const free = (): boolean => true;

test('one reader that stays costs one wait, and what could not be told is told when it has gone', () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  onTestFinished(() => void vi.useRealTimers());
  const folder = temporaryFolder();
  const failures: unknown[] = [];
  const recorded = new OpenRecordings(join(folder, 'gyre.db'), true, (reason) => failures.push(reason));
  const other = new OpenRecordings(join(folder, 'gyre.db'), true, (reason) => failures.push(reason));
  recorded.begin();
  expect(recorded.take('traj-over', free)).toBe(true);
  recorded.opened('traj-over');
  const reader = new Database(join(folder, 'recordings.db'), { readonly: true });
  onTestFinished(() => void reader.close());
  reader.exec('BEGIN');
  reader.prepare('SELECT count(*) FROM recordings').get();

  const ids = Array.from({ length: 20 }, (_, at) => `traj-${at}`);
  for (const id of ids) {
    recorded.opened(id);
    recorded.wrote(id);
    recorded.end();
    recorded.settled(true);
  }
  recorded.ended('traj-over');
  recorded.ended('traj-0');
  recorded.settled(true);
  expect(failures).toHaveLength(1);

  reader.exec('ROLLBACK');
  vi.advanceTimersByTime(60_000);
  recorded.end();
  recorded.settled(true);
  expect(failures).toHaveLength(1);
  expect([...ids, 'traj-over'].filter((id) => other.take(id, free))).toEqual(['traj-0', 'traj-over']);
});

test('what is over and not committed yet stays taken, whoever leaves another', () => {
  const file = join(temporaryFolder(), 'gyre.db');
  const fail = (reason: unknown): never => {
    throw reason;
  };
  const [recorded, other] = [new OpenRecordings(file, true, fail), new OpenRecordings(file, true, fail)];
  expect(recorded.take('traj-a', free)).toBe(true);
  recorded.opened('traj-a');
  recorded.ended('traj-a');
  expect(recorded.take('traj-b', () => false)).toBe(false);
  expect(other.take('traj-b', free)).toBe(true);
  expect(other.take('traj-a', free)).toBe(false);
  recorded.settled(false);
  expect(other.take('traj-a', free)).toBe(false);
  recorded.settled(true);
  expect(other.take('traj-a', free)).toBe(true);
});
