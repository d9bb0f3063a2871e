/** Candidates of a log that is mostly not theirs: they are found without reading it through. */
import type Database from 'better-sqlite3';
import { drizzle } from 'drizzle-orm/better-sqlite3';
import { expect, test } from 'vitest';

import { candidateRows, upstreamSteps } from '../../../src/store/learning/candidates.js';
import { UPSTREAM_STEP } from '../../../src/store/file/policy_version.js';
import * as schema from '../../../src/store/file/schema.js';
import { answer, opened, opening, user } from '../fixture.js';

test('the newest steps of the policy are found among many of upstreams by their index', async () => {
  const { store, log } = opened();
  for (const words of ['one', 'two', 'three'])
    await answer(log, opening([user(words)]), [{ text: 'a', prompt: [1, 2], ids: [3] }]);
  const whose = store.sqlite.prepare('UPDATE steps SET policy_version = ? WHERE seq = ?');
  for (const seq of [2, 3]) whose.run(UPSTREAM_STEP, seq);
  expect(candidateRows(store.db, 'resample', ['reference'], 10)).toMatchObject([{ index: 0, policyVersion: 0 }]);
  expect(upstreamSteps(store.db, 10)).toEqual(new Map([['', 2]]));

  // The plan of what was asked, in SQLite's own words: with a value bound to it the index could not be used.
  const asked: string[] = [];
  const client = Object.create(store.sqlite, {
    prepare: { value: (sql: string): unknown => (asked.push(sql), store.sqlite.prepare(sql)) },
  }) as Database.Database;
  candidateRows(drizzle({ client, schema }), 'resample', ['reference'], 10);
  const values = new Array<string>(asked[0]?.split('?').length ?? 0).fill('').slice(1);
  const plan = store.sqlite.prepare<string[]>(`EXPLAIN QUERY PLAN ${asked[0] ?? ''}`).all(...values);
  expect(JSON.stringify(plan)).toContain('SCAN steps USING INDEX steps_own');
});
