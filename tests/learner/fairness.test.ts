/** Nobody teaches alone: what one key gives to a batch, and that a state counts once. */
import { afterEach, expect, test } from 'vitest';

import { textOf } from '../../src/core/message.js';
import type { Task } from '../../src/core/learning/task.js';
import { runCycle } from '../../src/learner/cycle.js';
import { generate } from '../../src/learner/generating.js';
import { giversOf } from '../../src/store/learning/givers.js';
import { addKey } from '../../src/store/keys/keys.js';
import { arithmetic, bench, type Bench, sum, tasks } from './bench.js';
import { statusOf } from './counted.js';

let made: Bench;
afterEach(() => made.close());

const key = (name: string, role: 'client' | 'admin' = 'client'): string => addKey(made.store.db, { name, role }).key.id;

let next = 0;
const questions = (count: number): Task[] =>
  Array.from({ length: count }, () => {
    next += 1;
    return sum(`t${next}`, 100 + next, 200 + next);
  });

/** The tasks as if a client with this key had asked them: two steps each. */
async function asked(keyId: string, list: readonly Task[]): Promise<void> {
  tasks(made, list);
  await generate(made.learner, list, 1, 0);
  const { sqlite } = made.store;
  sqlite
    .prepare(
      `UPDATE steps SET key_id = ? WHERE trajectory_id IN
    (SELECT id FROM trajectories WHERE origin = 'generate')`,
    )
    .run(keyId);
  sqlite.prepare(`UPDATE trajectories SET key_id = ?, origin = 'live' WHERE origin = 'generate'`).run(keyId);
}

/** How many states of each key the newest batch is made of. */
function given(): Record<string, number> {
  const { db, sqlite } = made.store;
  const ids = sqlite
    .prepare<[], { id: string }>(
      `SELECT DISTINCT step_id AS id FROM batch_items WHERE batch_id = (SELECT max(id) FROM batches)`,
    )
    .all()
    .map(({ id }) => id);
  const givers = giversOf(db, ids);
  const counts: Record<string, number> = {};
  for (const id of ids) counts[givers.get(id) ?? 'own'] = (counts[givers.get(id) ?? 'own'] ?? 0) + 1;
  return counts;
}

test('a key that floods the log gives a fifth of a batch, and the record says what was left out', async () => {
  made = await bench({ config: { learning: { samples: 3, max_states: 48, reuse: 1 } } });
  const honest = ['ann', 'bob', 'cid', 'dan', 'eve'].map((name) => key(name));
  for (const id of honest) await asked(id, questions(2));
  const mal = key('mal');
  await asked(mal, questions(20));
  const cycle = await runCycle(made.learner, { heldout: [] });
  expect(cycle.state, cycle.note).toBe('done');
  expect(given()).toEqual({ ...Object.fromEntries(honest.map((id) => [id, 4])), [mal]: 5 });
  expect(cycle.counts).toMatchObject({ states: 25, 'dropped.key_share': 35 });
  expect(statusOf(made.store.db, made.learner.config, { trainer: true, learn: true })).toMatchObject({
    new_states: 1,
    dropped: { key_share: 34 },
    waiting_for: expect.stringContaining(
      '34 more are of keys that have given their share, 20 % of a batch each',
    ) as string,
  });
});

test('waiting until the others are silent gives nobody a batch of his own', async () => {
  made = await bench({ config: { learning: { samples: 3, max_states: 32, reuse: 1 } } });
  const [ann, mal] = [key('ann'), key('mal')];
  await asked(ann, questions(2));
  await asked(mal, questions(10));
  await runCycle(made.learner, { heldout: [] });
  expect(given()).toEqual({ [ann]: 4, [mal]: 4 });
  const second = await runCycle(made.learner, { heldout: [] });
  expect(second.counts).toMatchObject({ states: 1, 'dropped.key_share': 15 });
});

test.each(['the only key', 'no key'])('a log of %s is learned from as a whole', async (which) => {
  made = await bench();
  const id = which === 'no key' ? '' : key('ann');
  await asked(id, questions(10));
  const cycle = await runCycle(made.learner, { heldout: [] });
  expect(given()).toEqual({ [id]: 20 });
  expect(cycle.counts['dropped.key_share']).toBeUndefined();
});

test("an admin's questions and the operator's tasks have no bound", async () => {
  made = await bench();
  const [root, ann, bob] = [key('root', 'admin'), key('ann'), key('bob')];
  await asked(root, questions(4));
  await asked(ann, questions(1));
  await asked(bob, questions(1));
  const cycle = await runCycle(made.learner, { heldout: [], tasks: tasks(made, questions(1)) });
  expect(cycle.state, cycle.note).toBe('done');
  expect(given()).toEqual({ own: 10, [ann]: 2, [bob]: 2 });
});

test('a share is one of the batch, also where the states of others gave no example', async () => {
  // What ann asks is answered the same each time: no sample is better than another.
  made = await bench({
    script: (request) =>
      JSON.stringify(request.body.messages).includes('What is 7') && request.body.n !== undefined
        ? { text: 'I do not know.' }
        : arithmetic(request),
  });
  const [ann, mal] = [key('ann'), key('mal')];
  await asked(ann, [sum('same1', 71, 2), sum('same2', 72, 2), ...questions(1)]);
  await asked(mal, questions(3));
  const cycle = await runCycle(made.learner, { heldout: [] });
  expect(cycle.counts).toMatchObject({ states: 12, zero_spread: 4, key_share: 4 });
  expect(given()).toEqual({ [ann]: 2, [mal]: 2 });
});

test.each(['logged', 'sft'])('in mode %s a key gives no more than its share either', async (mode) => {
  made = await bench({ config: { learning: { mode, filter: 'none' } } });
  const keys = [key('ann'), key('bob'), key('cid')];
  made.engine.script = (request) =>
    JSON.stringify(request.body.messages).includes('What is 7') ? { text: 'no idea' } : arithmetic(request);
  await asked(keys[0] ?? '', [...questions(2), sum('bad', 71, 1)]);
  await asked(keys[1] ?? '', [...questions(2), sum('bad2', 72, 1)]);
  await asked(keys[2] ?? '', questions(12));
  const cycle = await runCycle(made.learner, { heldout: [] });
  expect(cycle.state, cycle.note).toBe('done');
  const counts = given();
  const total = Object.values(counts).reduce((all, count) => all + count, 0);
  expect(counts[keys[2] ?? '']).toBeLessThanOrEqual(total / 3);
  expect(total).toBeGreaterThan(6);
});

test('a state that was said again counts once, and the repetitions are used up with it', async () => {
  made = await bench({ config: { learning: { samples: 3, max_states: 32, reuse: 1 } } });
  const [first] = questions(1);
  if (first === undefined) throw new Error('there is no question');
  await asked('', [first]);
  const said = textOf(first.messages[0]?.content ?? null);
  const like = (id: string, content: string): Task => ({ ...first, id, messages: [{ role: 'user', content }] });
  await asked('', [like('b', said), like('c', `${said.toLowerCase()}!`), like('d', said.replace('?', ' ???'))]);
  const cycle = await runCycle(made.learner, { heldout: [] });
  expect(cycle.counts).toMatchObject({ states: 2, 'dropped.same_state': 6 });
  const second = await runCycle(made.learner, { heldout: [] });
  expect(second.counts['states']).toBe(0);
  expect(second.counts['dropped.same_state']).toBeUndefined();
});

test('repetitions are free again with the state they repeat', async () => {
  made = await bench();
  const [task] = questions(1);
  if (task === undefined) throw new Error('there is no question');
  await asked('', [task, { ...task, id: `${task.id}b` }]);
  made.trainer.fate = 'failed';
  expect((await runCycle(made.learner, { heldout: [] })).state).toBe('failed');
  made.trainer.fate = 'done';
  const cycle = await runCycle(made.learner, { heldout: [] });
  expect(cycle.counts).toMatchObject({ states: 2, 'dropped.same_state': 2 });
  expect(cycle.state, cycle.note).toBe('done');
});

test('questions of one template with other numbers are all learned from', async () => {
  made = await bench();
  await asked(key('ann'), questions(16));
  const cycle = await runCycle(made.learner, { heldout: [] });
  expect(cycle.counts).toMatchObject({ states: 32 });
  expect(cycle.counts['dropped.same_state']).toBeUndefined();
});

test('of two keys each gives half, and the status says so', async () => {
  made = await bench({ config: { learning: { samples: 3, max_states: 48, min_steps: 20 } } });
  const [ann, mal] = [key('ann'), key('mal')];
  await asked(ann, questions(1));
  await asked(mal, questions(20));
  const { waiting_for: said } = statusOf(made.store.db, made.learner.config, { trainer: true, learn: true });
  expect(said).toContain('of keys that have given their share, 50 % of a batch each');
});
