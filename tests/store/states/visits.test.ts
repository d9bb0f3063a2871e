/** A state that a cycle has drawn from is used, whatever came of it. */
import { expect, test } from 'vitest';

import type { Visited } from '../../../src/core/learning/candidate.js';
import { GYRE_POLICY } from '../../../src/core/learning/policy_name.js';
import { ruleOf } from '../../../src/filter/filter.js';
import { learningStore } from '../../../src/store/clock/open.js';
import { answer, opened, opening, user } from '../fixture.js';

const rule = ruleOf('prefix', 'resample', 0);

async function world(...questions: string[]) {
  const { store, log } = opened();
  const ids: string[] = [];
  for (const words of questions)
    ids.push((await answer(log, opening([user(words)]), [{ text: 'a', prompt: [1], ids: [3] }])).steps[0]?.id ?? '');
  const rows = learningStore(store.db, GYRE_POLICY);
  while (await rows.states.count(rule));
  const open = async (head: number, reuse = 4): Promise<number[]> => {
    const query = { mode: rule.mode, head, reuse, limit: 10, perTrajectory: 2, seed: 's' };
    return (await rows.states.open(query)).map(({ stepId }) => ids.indexOf(stepId)).sort();
  };
  /** A cycle that claims the first with the others, and says what came of it. */
  const draws = async (version: number, more: Partial<Visited> = {}): Promise<string> => {
    const { id } = await rows.cycles.begin({ mode: 'resample', filter: 'prefix' });
    const [stepId = '', ...same] = ids;
    await rows.cycles.claim(id, 'resample', [{ stepId, same }]);
    await rows.states.visited([{ stepId, version, ...more }]);
    await rows.cycles.release(id);
    await rows.cycles.move(id, { state: 'skipped' });
    return id;
  };
  return { store, rows, ids, open, draws };
}

test('it is open again for a newer version only, and so often', async () => {
  const { open, draws } = await world('one');
  expect(await open(0)).toEqual([0]);
  await draws(0);
  expect([await open(0), await open(1)]).toEqual([[], [0]]);
  await draws(1);
  expect([await open(1), await open(2, 2), await open(2, 3)]).toEqual([[], [], [0]]);
});

test('it is open again for a head that was set back to a lower version', async () => {
  const { rows, open, draws } = await world('one');
  await draws(0);
  await draws(4);
  expect([await open(0), await open(4)]).toEqual([[0], []]);
  expect(await rows.states.tally(rule, { head: 0, reuse: 4 })).toMatchObject({ open: 1, dropped: {} });
});

test('it counts once for a cycle, however often it is said and whatever is said later', async () => {
  const { rows, store, ids, draws } = await world('one');
  await draws(3);
  const [stepId = ''] = ids;
  await rows.states.visited([{ stepId, version: 3 }]);
  await rows.states.visited([{ stepId, version: 3, rate: 0.25 }]);
  await rows.states.visited([{ stepId, version: 3 }]);
  expect(store.sqlite.prepare('SELECT visits, last_version, last_rate, bucket FROM states').all()).toEqual([
    { visits: 1, last_version: 3, last_rate: 0.25, bucket: 1 },
  ]);
});

test('states that are nearly the same are used up with it', async () => {
  const { open, draws } = await world('one', 'two');
  await draws(0);
  expect([await open(0), await open(1)]).toEqual([[], [0, 1]]);
});

test('a state that the engine refuses twice is set aside, and said to be', async () => {
  const { rows, store, open, draws } = await world('one');
  await draws(0, { refused: 'it is longer than the context' });
  expect(await open(1)).toEqual([0]);
  await draws(1, { refused: 'it is still longer than the context' });
  expect(await open(2)).toEqual([]);
  expect(store.sqlite.prepare('SELECT refusals, set_aside FROM states').all()).toEqual([
    { refusals: 2, set_aside: 'it is still longer than the context' },
  ]);
  expect((await rows.states.tally(rule, { head: 2, reuse: 4 })).dropped).toEqual({ set_aside: 1 });
});

test('after a cycle that failed the same version may draw again, but not more often in all', async () => {
  const { rows, ids, open } = await world('one');
  for (const visit of [1, 2]) {
    const { id } = await rows.cycles.begin({ mode: 'resample', filter: 'prefix' });
    const [stepId = ''] = ids;
    expect(await rows.cycles.claim(id, 'resample', [{ stepId, same: [] }]), `visit ${visit}`).toEqual([stepId]);
    await rows.states.visited([{ stepId, version: 0 }]);
    await rows.cycles.release(id, true);
    await rows.cycles.move(id, { state: 'failed' });
  }
  expect([await open(0, 2), await open(1, 2), await open(0, 3)]).toEqual([[], [], [0]]);
});

test('what nobody claimed, or is gone, is not visited', async () => {
  const { rows, store, ids } = await world('one');
  await rows.states.visited([
    { stepId: ids[0] ?? '', version: 0 },
    { stepId: 'step-gone', version: 0 },
  ]);
  expect(store.sqlite.prepare('SELECT visits FROM states').all()).toEqual([{ visits: 0 }]);
});
