/** However much is logged that is nothing to learn from, what is stays in sight. */
import { expect, test } from 'vitest';

import { GYRE_POLICY } from '../../../src/core/learning/policy_name.js';
import { ruleOf } from '../../../src/filter/filter.js';
import { fold } from '../../../src/store/states/fold.js';
import { openStates } from '../../../src/store/states/open_states.js';
import { tallyOf } from '../../../src/store/states/tally.js';
import { answer, opened, opening, user } from '../fixture.js';

const rule = ruleOf('prefix', 'resample', 0);
const BOUNDS = { head: 1, reuse: 4 };
const TURN = [{ text: 'Well.', prompt: [1, 2], ids: [3] }];

test('80 states are all open behind three evaluations of 900 tasks and 5,100 equal pings of a monitor', async () => {
  const { store, log } = opened();
  const { db } = store;
  for (let at = 0; at < 80; at += 1) await answer(log, opening([user(`real ${at}`)]), TURN);
  while (fold(db, GYRE_POLICY, rule));
  const many = async (count: number, ask: (at: number) => Promise<unknown>): Promise<void> => {
    for (let from = 0; from < count; from += 300)
      await Promise.all(Array.from({ length: Math.min(300, count - from) }, (_, at) => ask(from + at)));
  };
  await many(2_700, (at) => answer(log, opening([user(`task ${at % 900}`)], { origin: 'evaluate' }), TURN));
  await many(5_100, () => answer(log, opening([user('ping')]), TURN));
  while (fold(db, GYRE_POLICY, rule));
  expect(tallyOf(db, GYRE_POLICY, { ...BOUNDS, rule })).toMatchObject({
    open: 81,
    dropped: { evaluation: 2_700, same_state: 5_099 },
    counting: undefined,
  });
  const open = openStates(db, GYRE_POLICY, { ...BOUNDS, mode: 'resample', limit: 100, perTrajectory: 2, seed: 'c1' });
  expect(open).toHaveLength(81);
  expect(open.filter(({ again }) => again > 0).map(({ again }) => again)).toEqual([5_099]);
}, 120_000);

test('states are drawn across all that is kept, elsewhere each time', async () => {
  const { store, log } = opened();
  const { db } = store;
  const ids: string[] = [];
  for (let at = 0; at < 300; at += 1)
    ids.push((await answer(log, opening([user(`question ${at}`)]), TURN)).steps[0]?.id ?? '');
  while (fold(db, GYRE_POLICY, rule));
  const drawn = (seed: string): number[] =>
    openStates(db, GYRE_POLICY, { ...BOUNDS, mode: 'resample', limit: 30, perTrajectory: 2, seed }).map(({ stepId }) =>
      ids.indexOf(stepId),
    );
  expect(drawn('a')).toEqual(drawn('a'));
  const seen = new Set(Array.from({ length: 40 }, (_, at) => drawn(`cycle ${at}`)).flat());
  expect(seen.size).toBeGreaterThan(250);
  for (const third of [0, 1, 2]) {
    const of = drawn('a').filter((at) => Math.floor(at / 100) === third).length;
    expect(of).toBeGreaterThan(2);
  }
});
