/** What an update is made of, cycle after cycle: enough groups, each sample once, and what is refused costs itself. */
import { afterEach, expect, test } from 'vitest';

import { GYRE_POLICY } from '../../../src/core/learning/policy_name.js';
import type { Task } from '../../../src/core/learning/task.js';
import { runCycle } from '../../../src/learner/cycle.js';
import { generate } from '../../../src/learner/generating.js';
import { runningCycle } from '../../../src/store/learning/cycles.js';
import { groupsOf } from '../../../src/store/learning/groups.js';
import { verify } from '../../../src/store/proof/verify.js';
import { stateOf } from '../../../src/store/read/state.js';
import type { EngineRequest, Reply } from '../../fakes/engine.js';
import { arithmetic, bench, type Bench, sum, tasks } from '../bench.js';

let made: Bench;
afterEach(() => made.close());

let next = 0;
/** Each gives two states. */
const questions = (count: number): readonly Task[] =>
  tasks(
    made,
    Array.from({ length: count }, () => {
      next += 1;
      return sum(`u${next}`, 100 + next, 200 + next);
    }),
  );
const trained = (): string[] => made.trainer.applied.flatMap(({ actions }) => actions.map(({ id }) => id));
const drawnAt = (): number => made.engine.requests.filter(({ body }) => body.n === 3).length;

test('fewer groups than an update takes are carried over, and each sample is trained once', async () => {
  made = await bench({ bounds: { leastGroups: 8 } });
  const first = await runCycle(made.learner, { tasks: questions(2), heldout: [] });
  expect(first).toMatchObject({ state: 'skipped', note: '4 of 8 informative groups; carried' });
  expect(made.trainer.applied).toEqual([]);

  const second = await runCycle(made.learner, { tasks: questions(2), heldout: [] });
  expect(second.state, second.note).toBe('done');
  // Nothing is drawn anew at what is carried over.
  expect(second.counts).toMatchObject({ states: 4, informative: 4, carried: 4, examples: 24, mean_reward: 0.4 });
  expect(drawnAt()).toBe(8);

  const third = await runCycle(made.learner, { tasks: questions(4), heldout: [] });
  expect(third.state, third.note).toBe('done');
  expect(third.counts['carried']).toBeUndefined();
  expect(trained().length).toBeGreaterThanOrEqual(48);
  expect(new Set(trained()).size).toBe(trained().length);
  expect(verify(made.store.db)).toMatchObject({ ok: true });
});

test('what is carried over and withheld meanwhile is not trained on', async () => {
  made = await bench({ bounds: { leastGroups: 8 } });
  const first = await runCycle(made.learner, { tasks: questions(2), heldout: [] });
  const [group] = groupsOf(made.store.db, GYRE_POLICY, first.id);
  const { sqlite } = made.store;
  sqlite.prepare('UPDATE steps SET consent = 0 WHERE id = ?').run(group?.stepId);
  const second = await runCycle(made.learner, { tasks: questions(2), heldout: [] });
  // The other state of its trajectory is made of the one that was withheld.
  expect(second.note).toMatch(/^[67] of 8 informative groups; carried$/);
  expect(groupsOf(made.store.db, GYRE_POLICY, first.id).find(({ stepId }) => stepId === group?.stepId)?.outcome).toBe(
    'withheld',
  );
});

test('what waits for others while the head goes on is stale in the end', async () => {
  made = await bench({ bounds: { leastGroups: 3 } });
  const ask = (count: number): ReturnType<typeof runCycle> =>
    runCycle(made.learner, { tasks: questions(count), heldout: [] });
  const { id } = await ask(1);
  // The head goes on by three versions without it.
  const { sqlite } = made.store;
  sqlite.exec(`UPDATE groups SET policy_version = -3`);
  const second = await ask(2);
  expect(second.state, second.note).toBe('done');
  expect(second.counts['carried']).toBeUndefined();
  expect(groupsOf(made.store.db, GYRE_POLICY, id).map(({ outcome }) => outcome)).toEqual(['stale', 'stale']);
});

/** Refuses what asks for these numbers, where several actions are drawn. */
const refusing =
  (words: string, status: number) =>
  (request: EngineRequest): Reply =>
    request.body.n !== undefined && JSON.stringify(request.body.messages).includes(words)
      ? { status }
      : arithmetic(request);

test('a prompt that the engine refuses costs itself, and the others are trained on', async () => {
  made = await bench({ script: refusing('901 plus', 400) });
  const list = tasks(made, [sum('bad', 901, 2), sum('good', 11, 22)]);
  const cycle = await runCycle(made.learner, { tasks: list, heldout: [] });
  expect(cycle.state, cycle.note).toBe('done');
  expect(cycle.counts).toMatchObject({ states: 4, refused: 2, sampled: 6, informative: 2 });
  const groups = groupsOf(made.store.db, GYRE_POLICY, cycle.id);
  expect(groups.filter(({ outcome }) => outcome === 'refused').map(({ reason }) => reason)).toEqual([
    expect.stringContaining('scripted fault'),
    expect.stringContaining('scripted fault'),
  ]);
});

test('a prompt at which the engine fails while it answers others costs itself, too', async () => {
  made = await bench({ script: refusing('901 plus', 500) });
  const list = tasks(made, [sum('good', 11, 22), sum('bad', 901, 2)]);
  let cycle = await runCycle(made.learner, { tasks: list, heldout: [] });
  // Which of them is asked first, nobody knows: where it was this one, the cycle has waited.
  for (let looks = 0; cycle.state === 'running' && looks < 20; looks += 1)
    cycle = await runCycle(made.learner, { heldout: [] });
  expect(cycle.state, cycle.note).toBe('done');
  expect(cycle.counts).toMatchObject({ refused: 2, sampled: 6, informative: 2 });
});

test('a state that fills the context is not asked, and half of it leaves the other half for the action', async () => {
  made = await bench();
  const words = (content: string): Task['messages'] => [{ role: 'user', content }];
  const short = { ...sum('short', 1, 2), messages: words('What is 1 plus 2?'), tools: [] };
  const long = { ...short, id: 'long', messages: words(`Say it ${'slowly '.repeat(60)}: what is 1 plus 2?`) };
  made.engine.script = ({ body }) =>
    body.n === undefined ? { text: '3' } : { variants: [{ text: '3' }, { text: '4' }] };
  await generate(made.learner, tasks(made, [short, long]), 1, 0);
  const { db, sqlite } = made.store;
  const ids = sqlite.prepare<[], { id: string }>('SELECT id FROM steps').all();
  const lengths = ids.map(({ id }) => stateOf(db, id)?.promptTokenIds?.length ?? 0);
  const [least, most] = [Math.min(...lengths), Math.max(...lengths)];
  expect(least).toBeLessThan(most);
  const cycle = await runCycle({ ...made.learner, contextLength: most }, { heldout: [] });
  expect(cycle.counts).toMatchObject({ states: 2, refused: 1, sampled: 3 });
  const asked = made.engine.requests.filter(({ body }) => body.n === 3);
  expect(asked.map(({ body }) => body['max_tokens'])).toEqual([Math.min(256, most - least)]);
  expect(groupsOf(db, GYRE_POLICY, cycle.id).find(({ outcome }) => outcome === 'refused')?.reason).toBe(
    `its prompt of ${most} tokens leaves no room in a context of ${most}`,
  );
});

test('while the engine is away the cycle waits with what it has, and goes on from there', async () => {
  made = await bench();
  const list = questions(2);
  let away = false;
  made.engine.script = (request) => {
    if (request.body.n === undefined) return arithmetic(request);
    if (away) return { status: 503 };
    away = true;
    return arithmetic(request);
  };
  const first = await runCycle(made.learner, { tasks: list, heldout: [] });
  expect(first).toMatchObject({ state: 'running', note: expect.stringMatching(/^waits for the engine: /) as string });
  const had = groupsOf(made.store.db, GYRE_POLICY, first.id);
  expect(had.every(({ outcome }) => outcome === 'drawn')).toBe(true);
  const again = await runCycle(made.learner, { heldout: [] });
  expect(again).toMatchObject({ id: first.id, state: 'running' });

  made.engine.script = arithmetic;
  made.engine.requests.length = 0;
  const last = await runCycle(made.learner, { heldout: [] });
  expect(last).toMatchObject({ id: first.id, state: 'done', counts: { sampled: 12, refused: 0 } });
  expect(drawnAt()).toBe(4 - had.length);
  expect(runningCycle(made.store.db, GYRE_POLICY)).toBeUndefined();
  expect(new Set(trained()).size).toBe(trained().length);
});

test('samples of an update that the trainer refused are not trained on again', async () => {
  made = await bench();
  made.trainer.fate = 'failed';
  const failed = await runCycle(made.learner, { tasks: questions(2), heldout: [] });
  expect(failed.state).toBe('failed');
  made.trainer.fate = 'done';
  const next = await runCycle(made.learner, { tasks: questions(1), heldout: [] });
  expect(next.state, next.note).toBe('done');
  expect(next.counts['carried']).toBeUndefined();
  expect(groupsOf(made.store.db, GYRE_POLICY, failed.id).map(({ outcome }) => outcome)).toEqual(
    Array(4).fill('update_refused'),
  );
});
