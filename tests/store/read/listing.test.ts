/** Lists of a log as it gets long: pages that end early say so and lead on, and stay within a key's own. */
import { expect, test } from 'vitest';

import type { Page } from '../../../src/core/paging.js';
import { filterOf, type Given } from '../../../src/core/reading/filters.js';
import type { Db } from '../../../src/store/file/db.js';
import { addFeedback } from '../../../src/store/read/feedback.js';
import { listTrajectories, type PageBounds } from '../../../src/store/read/listing.js';
import { hasTrajectory } from '../../../src/store/read/trajectories.js';
import { action, answer, call, DONE, opened, opening, stepOf, user } from '../fixture.js';

const SUMMARY = { view: 'summary', tokens: false } as const;
const FEW: PageBounds = { rows: 1, ms: 60_000, chars: 1_000_000 };

interface Walked {
  readonly ids: string[];
  readonly pages: number;
  readonly cursors: string[];
}

/** All pages of a list, each begun where the one before says. */
function walk(db: Db, given: Given, keyId: string | undefined, bounds?: PageBounds, size = 3): Walked {
  const walked: Walked & { pages: number } = { ids: [], pages: 0, cursors: [] };
  for (let page: Page = { limit: size }; ;) {
    const found = listTrajectories(db, page, { keyId, filter: filterOf(given), shown: SUMMARY }, bounds);
    walked.pages += 1;
    for (const { id } of found.data) walked.ids.push(id);
    expect(found.data.length).toBeLessThanOrEqual(size);
    expect(found.partial === true).toBe(found.has_more && found.data.length < size);
    if (!found.has_more) return walked;
    const after = found.next_after ?? '';
    expect(hasTrajectory(db, after, keyId)).toBe(true);
    walked.cursors.push(after);
    page = { limit: size, after };
  }
}

/** Twelve conversations of two keys in turn; every third says a rare word. */
async function twelve(): Promise<{ readonly db: Db; readonly ids: string[] }> {
  const { store, log } = opened();
  const ids: string[] = [];
  for (let at = 0; at < 12; at += 1) {
    const asker = { keyId: at % 2 === 0 ? 'key-a' : 'key-b', consent: at % 4 !== 0 };
    const made = await answer(log, opening([user(`${at % 3 === 0 ? 'rare' : 'plain'} ${at}`)], { asker }), [
      { text: 'a', ids: [1], prompt: [1] },
    ]);
    ids.unshift(made.recording.trajectoryId);
    if (at === 5)
      addFeedback(store.db, { responseId: made.opening.responseId, keyId: '', within: undefined, value: -1 });
  }
  return { db: store.db, ids };
}

test.each([
  [{ q: 'rare' }, [2, 5, 8, 11]],
  [{ q: 'nowhere' }, []],
  [{ trainable: 'false' }, [3, 7, 11]],
  [{ feedback: 'bad' }, [6]],
  [{ feedback: 'none' }, [0, 1, 2, 3, 4, 5, 7, 8, 9, 10, 11]],
  [{ good: 'none', key: 'key-b' }, [0, 2, 4, 8, 10]],
  // Its user has called it so.
  [{ good: 'false' }, [6]],
])('%j has the same rows however early its pages end', async (given: Given, places) => {
  const { db, ids } = await twelve();
  const expected = places.map((at) => ids[at]);
  expect(walk(db, given, undefined).ids).toEqual(expected);
  const slow = walk(db, given, undefined, FEW);
  expect(slow.ids).toEqual(expected);
  // A page that finds nothing leads on as well: each looks at one more.
  if ('q' in given) expect(slow.pages).toBe(12);
  expect(walk(db, given, undefined, { ...FEW, ms: 0, rows: 1_000 }).ids).toEqual(expected);
});

test.each([[{ q: 'rare' }], [{ feedback: 'bad' }], [{ version: '0' }], [{ outcome: 'failed' }], [{ task: 'x' }]])(
  'a key is led on by its own conversations only, for %j too',
  async (given: Given) => {
    const { db, ids } = await twelve();
    const own = ids.filter((_, at) => at % 2 === 1);
    const { ids: found, cursors } = walk(db, given, 'key-a', FEW);
    expect([...found, ...cursors].filter((id) => !own.includes(id))).toEqual([]);
    expect(walk(db, {}, 'key-a', FEW).ids).toEqual(own);
  },
);

test('a page of whole trajectories has so many characters, and one at least', async () => {
  const { store, log } = opened();
  for (let at = 0; at < 4; at += 1) await answer(log, opening([user('x'.repeat(50_000))]), [{ text: 'a' }]);
  const sizes = (chars: number): number =>
    listTrajectories(store.db, { limit: 4 }, {}, { rows: 10_000, ms: 60_000, chars }).data.length;
  expect([sizes(10), sizes(120_000), sizes(1_000_000)]).toEqual([1, 3, 4]);
  expect(listTrajectories(store.db, { limit: 4 }, {}, { rows: 10_000, ms: 60_000, chars: 10 })).toMatchObject({
    has_more: true,
    partial: true,
  });
});

test('a conversation of thousands of turns is counted, searched and shown', async () => {
  const { store, log } = opened();
  const messages = Array.from({ length: 4_000 }, (_, at) =>
    at % 2 === 0 ? user(`turn ${at}`) : ({ role: 'assistant', content: `word ${at}` } as const),
  );
  const made = await answer(log, opening([...messages, user('the end?')]), [{ text: 'yes' }]);
  const list = (given: Given): unknown =>
    listTrajectories(store.db, { limit: 1 }, { filter: filterOf(given), shown: SUMMARY }).data;
  const row = { id: made.recording.trajectoryId, question: 'the end?', answer: 'yes', counts: { messages: 4_002 } };
  expect(list({})).toMatchObject([row]);
  expect(list({ q: 'turn 0' })).toMatchObject([row]);
  expect(list({ q: 'turn 1' })).toMatchObject([row]);
  expect(list({ q: 'turn 3999' })).toEqual([]);
  expect(listTrajectories(store.db, { limit: 1 }).data).toMatchObject([{ messages: { length: 4_002 } }]);
});

test('what tools were asked and gave is found, hidden or not, and an action that nothing followed', async () => {
  const { store, log } = opened();
  const hidden = await answer(log, opening([user('q')]), [
    { text: '', asks: [{ call: call('c1', '6*7'), gives: 'gave "forty two"' }] },
    { text: 'done' },
  ]);
  const cut = log.open(opening([user('long')]));
  const step = stepOf([user('long')], action('half an ans'), { appended: [], outcome: 'cancelled' });
  await cut.step(step, { role: 'assistant', content: 'half an ans' });
  await cut.finish({ ...DONE, outcome: 'cancelled', stopReason: 'client_abort' });
  const found = (q: string): string[] =>
    listTrajectories(store.db, { limit: 9 }, { filter: { q }, shown: SUMMARY }).data.map(({ id }) => id);
  for (const said of ['gave "forty', '6*7', '"expression"', 'CALCULATOR'])
    expect(found(said)).toEqual([hidden.recording.trajectoryId]);
  expect(found('half an')).toEqual([cut.trajectoryId]);
  expect(found('c1')).toEqual([]);
});

test('every filter that has an index uses it', async () => {
  const { db } = await twelve();
  const plan = (sql: string): string =>
    (db.$client.prepare(`EXPLAIN QUERY PLAN ${sql}`).all('x', 'y', 'z') as { detail: string }[])
      .map(({ detail }) => detail)
      .join('; ');
  const { prepare } = db.$client;
  const asked: string[] = [];
  db.$client.prepare = ((sql: string) => {
    asked.push(sql);
    return prepare.call(db.$client, sql);
  }) as typeof prepare;
  const planOf = (given: Given, keyId?: string): string => {
    asked.length = 0;
    listTrajectories(db, { limit: 1 }, { keyId, filter: filterOf(given), shown: SUMMARY });
    const [source = ''] = asked.filter((sql) => sql.startsWith('SELECT DISTINCT'));
    return plan(source);
  };
  for (const [given, index, keyId] of [
    [{ task: 'x' }, 'trajectories_task'],
    [{ outcome: 'failed' }, 'responses_outcome'],
    [{ origin: 'generate' }, 'trajectories_origin'],
    [{ version: '0' }, 'steps_version'],
    [{ key: 'key-a' }, 'trajectories_key'],
    [{}, 'trajectories_key', 'key-a'],
  ] as const) {
    expect(planOf(given, keyId)).toMatch(new RegExp(`SEARCH \\w+ USING (COVERING )?INDEX ${index} `));
    expect(planOf(given, keyId)).not.toContain('TEMP B-TREE');
  }
});
