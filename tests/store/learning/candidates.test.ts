/** Candidates of a log that is mostly not theirs: they are found without reading it through. */
import type Database from 'better-sqlite3';
import { drizzle } from 'drizzle-orm/better-sqlite3';
import { expect, test } from 'vitest';

import { GYRE_POLICY } from '../../../src/core/learning/policy_name.js';
import { candidateRows, upstreamSteps } from '../../../src/store/learning/candidates.js';
import { UPSTREAM_STEP } from '../../../src/store/file/policy_version.js';
import * as schema from '../../../src/store/file/schema.js';
import { saveVerdicts } from '../../../src/store/learning/verdicts.js';
import { answer, opened, opening, user } from '../fixture.js';

test('the newest steps of the policy are found among many of upstreams by their index', async () => {
  const { store, log } = opened();
  for (const words of ['one', 'two', 'three'])
    await answer(log, opening([user(words)]), [{ text: 'a', prompt: [1, 2], ids: [3] }]);
  const whose = store.sqlite.prepare('UPDATE steps SET policy_version = ? WHERE seq = ?');
  for (const seq of [2, 3]) whose.run(UPSTREAM_STEP, seq);
  expect(candidateRows(store.db, GYRE_POLICY, 'resample', ['reference'], 10)).toMatchObject([
    { index: 0, policyVersion: 0 },
  ]);
  expect(upstreamSteps(store.db, 10)).toEqual(new Map([['', 2]]));

  // The plan of what was asked, in SQLite's own words: with a value bound to it the index could not be used.
  const asked: string[] = [];
  const client = Object.create(store.sqlite, {
    prepare: { value: (sql: string): unknown => (asked.push(sql), store.sqlite.prepare(sql)) },
  }) as Database.Database;
  candidateRows(drizzle({ client, schema }), GYRE_POLICY, 'resample', ['reference'], 10);
  const values = new Array<string>(asked[0]?.split('?').length ?? 0).fill('').slice(1);
  const plan = store.sqlite.prepare<string[]>(`EXPLAIN QUERY PLAN ${asked[0] ?? ''}`).all(...values);
  expect(JSON.stringify(plan)).toContain('SCAN steps USING INDEX steps_own');
});

test('a verdict counts until a newer version of its judge says another word, or that it cannot tell', async () => {
  const { store, log } = opened();
  const { steps, recording } = await answer(log, opening([user('one')]), [{ text: 'a', prompt: [1, 2], ids: [3] }]);
  let at = 0;
  const says = (judge: string, judgeVersion: string, good?: boolean): unknown => {
    at += 1;
    const word = {
      judge,
      judgeVersion,
      rationale: '',
      createdAt: at,
      ...(good === undefined ? {} : { good, score: 1 }),
    };
    saveVerdicts(store.db, [
      { id: `s${at}`, subjectKind: 'step', subjectId: steps[0]?.id ?? '', ...word },
      { id: `t${at}`, subjectKind: 'trajectory', subjectId: recording.trajectoryId, ...word },
    ]);
    const [row] = candidateRows(store.db, GYRE_POLICY, 'resample', ['reference', 'well_formed'], 10);
    return [row?.good, row?.allGood, row?.outcomeGood];
  };
  expect(says('reference', '3', true)).toEqual([1, 1, 1]);
  expect(says('reference', '4')).toEqual([null, null, null]);
  expect(says('well_formed', '1', false)).toEqual([0, 0, 0]);
  expect(says('reference', '5', true)).toEqual([1, 1, 1]);
});
