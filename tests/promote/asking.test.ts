import { expect, test } from 'vitest';

import { askUntilShown } from '../../src/promote/asking.js';
import type { Pair } from '../../src/promote/look.js';
import { outcomeOf } from '../../src/promote/outcome.js';
import { ladder, sequential } from '../../src/promote/plan.js';

const pool = Array.from({ length: 400 }, (_, at) => `task-${at}`);

/** Whoever answers, and what it was asked. */
function answering(right: (taskId: string, time: number) => Omit<Pair, 'taskId'>): {
  asked: string[][];
  ask: (ids: readonly string[]) => Promise<Pair[]>;
} {
  const asked: string[][] = [];
  return {
    asked,
    async ask(ids) {
      asked.push([...ids]);
      return [...ids].reverse().map((taskId) => ({ taskId, ...right(taskId, asked.length) }));
    },
  };
}

test('a much better candidate is asked one step, and the pairs stand in the order of the pool', async () => {
  const { asked, ask } = answering(() => ({ candidate: true, serving: false }));
  const pairs = await askUntilShown(sequential(1, 400), pool, ask);
  expect(asked).toEqual([pool.slice(0, 32)]);
  expect(pairs.map(({ taskId }) => taskId)).toEqual(pool.slice(0, 32));
});

test('a candidate that is alike is asked until it is futile, an uncertain one as long as there are tasks', async () => {
  const alike = answering(() => ({ candidate: true, serving: true }));
  expect(await askUntilShown(sequential(1, 400), pool, alike.ask)).toHaveLength(128);
  const uncertain = answering((taskId) => {
    const at = Number(taskId.slice(5));
    return { candidate: at % 10 < 5, serving: at % 10 >= 5 ? at % 20 < 18 : false };
  });
  expect(await askUntilShown(sequential(3, 80), pool, uncertain.ask)).toHaveLength(80);
  expect(uncertain.asked.map(({ length }) => length)).toEqual([32, 32, 16]);
});

test('a small set is asked at once', async () => {
  const { asked, ask } = answering(() => ({ candidate: true, serving: true }));
  await askUntilShown(ladder(1, 67), pool.slice(0, 67), ask);
  expect(asked).toEqual([pool.slice(0, 67)]);
});

test('what was interrupted goes on with the rest of its step', async () => {
  const { asked, ask } = answering(() => ({ candidate: true, serving: true }));
  const known = pool.slice(0, 40).map((taskId) => ({ taskId, candidate: true, serving: true }));
  expect(await askUntilShown(sequential(1, 400), pool, ask, known)).toHaveLength(128);
  expect(asked[0]).toEqual(pool.slice(40, 64));
});

test('what nobody answered is asked again before a decision, and that alone', async () => {
  const silent = ['task-3', 'task-7'];
  const { asked, ask } = answering((taskId, time) =>
    silent.includes(taskId) && time === 1 ? { serving: false } : { candidate: true, serving: false },
  );
  const pairs = await askUntilShown(sequential(1, 400), pool, ask);
  expect(asked).toEqual([pool.slice(0, 32), silent]);
  expect(pairs.filter(({ candidate }) => candidate !== true)).toEqual([]);
});

test('a version that goes on answering nothing is asked twice more, and nothing is decided', async () => {
  const { asked, ask } = answering(() => ({ candidate: true }));
  const plan = sequential(1, 400);
  const pairs = await askUntilShown(plan, pool, ask);
  expect(asked.map(({ length }) => length)).toEqual([32, 32, 32, 32, 128, 128]);
  expect(outcomeOf({ plan, pairs, families: [], alarms: [], asked: {} })).toMatchObject({ decided: false });
});

test('a task that nobody can answer is one of many in the end: more are asked, and there is a decision', async () => {
  const { asked, ask } = answering((taskId) => (taskId === 'task-3' ? {} : { candidate: true, serving: false }));
  const plan = sequential(1, 400);
  const pairs = await askUntilShown(plan, pool, ask);
  expect(asked).toEqual([pool.slice(0, 32), ['task-3'], ['task-3'], pool.slice(32, 64)]);
  const outcome = outcomeOf({ plan, pairs, families: [], alarms: [], asked: {} });
  expect(outcome).toMatchObject({ decided: true, passed: true });
});

test('where more than the plan forgives cannot be answered, nothing more is asked', async () => {
  const { asked, ask } = answering((taskId) =>
    Number(taskId.slice(5)) < 9 ? { serving: false } : { candidate: true, serving: false },
  );
  const plan = sequential(1, 400);
  const pairs = await askUntilShown(plan, pool, ask);
  expect(asked.map(({ length }) => length)).toEqual([32, 9, 9]);
  expect(outcomeOf({ plan, pairs, families: [], alarms: [], asked: {} })).toMatchObject({ decided: false });
});

test('answers that came late may mean that the test goes on', async () => {
  // Serving is silent on all but what it got wrong at first, and turns out to have been right on the rest.
  const { asked, ask } = answering((taskId, time) => {
    const at = Number(taskId.slice(5));
    if (at < 8) return { candidate: true, serving: false };
    return time === 1 ? { candidate: false } : { candidate: false, serving: at < 14 };
  });
  await askUntilShown(sequential(1, 400), pool, ask);
  expect(asked[1]).toEqual(pool.slice(8, 32));
  expect(asked[2]).toEqual(pool.slice(32, 64));
});
