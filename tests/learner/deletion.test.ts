/** A trajectory is deleted while a cycle is under way, in whatever phase: nothing more is learned from it. */
import { afterEach, expect, test } from 'vitest';

import { GyreError } from '../../src/core/errors.js';
import type { Batch } from '../../src/core/learning/batch.js';
import type { Cycle } from '../../src/core/learning/cycle.js';
import { GYRE_POLICY } from '../../src/core/learning/policy_name.js';
import type { Removal } from '../../src/core/reading.js';
import { runCycle } from '../../src/learner/cycle.js';
import type { Learner } from '../../src/learner/deps.js';
import { generate } from '../../src/learner/generating.js';
import { restart, rollback } from '../../src/learner/promoting.js';
import { decide } from '../../src/store/learning/decisions.js';
import { verify } from '../../src/store/proof/verify.js';
import { deletionOf } from '../../src/store/read/deletion.js';
import { removeTrajectory } from '../../src/store/read/remove.js';
import type { Trainer } from '../../src/train/client.js';
import { arithmetic, bench, type Bench, sum, tasks } from './bench.js';

let made: Bench;
afterEach(() => made.close());

const count = (sql: string, ...values: string[]): number =>
  (made.store.sqlite.prepare(`SELECT count(*) AS n FROM ${sql}`).get(...values) as { n: number }).n;

interface Deleted {
  readonly id: string;
  readonly steps: readonly string[];
  readonly samples: readonly string[];
  readonly removal: Removal | undefined;
}

/** Deletes the oldest trajectory. */
function remove(): Deleted {
  const { sqlite, db } = made.store;
  const ids = (sql: string, ...values: string[]): string[] =>
    sqlite
      .prepare<string[], { id: string }>(sql)
      .all(...values)
      .map(({ id }) => id);
  const [id = ''] = ids('SELECT id FROM trajectories ORDER BY id LIMIT 1');
  const steps = ids('SELECT id FROM steps WHERE trajectory_id = ?', id);
  const samples = steps.flatMap((step) => ids('SELECT id FROM samples WHERE step_id = ?', step));
  return { id, steps, samples, removal: removeTrajectory(db, GYRE_POLICY, id) };
}

/** Two questions asked; a cycle over their four states, in which the first is deleted as soon as `when` holds. */
async function cycle(
  when: () => boolean,
  trainerOf: (trainer: Trainer) => Trainer = (trainer) => trainer,
): Promise<{ readonly deleted: Deleted; readonly cycle: Cycle }> {
  const { learner } = made;
  await generate(learner, tasks(made, [sum('a', 11, 22), sum('b', 33, 44)]), 1, 0);
  let deleted: Deleted | undefined;
  const look = (): void => {
    if (deleted === undefined && when()) deleted = remove();
  };
  const trainer = trainerOf(learner.trainer ?? expect.fail('no trainer'));
  const script = made.engine.script;
  made.engine.script = (...asked) => {
    look();
    return script(...asked);
  };
  const watched: Learner = {
    ...learner,
    progress: look,
    get trainer() {
      look();
      return {
        ...trainer,
        batch: (id: string) => {
          look();
          return trainer.batch(id);
        },
        submit: (batch: Batch) => {
          look();
          return trainer.submit(batch);
        },
      };
    },
  };
  const ended = await runCycle(watched, { heldout: [] });
  if (deleted === undefined) throw new Error('nothing was deleted');
  return { deleted, cycle: ended };
}

/** Nothing is left of it here, and the log is whole. */
function expectGone({ id, steps, samples }: Deleted): void {
  expect(steps.length).toBeGreaterThan(0);
  for (const step of steps) {
    for (const table of ['samples', 'cycle_steps']) expect(count(`${table} WHERE step_id = ?`, step), table).toBe(0);
    expect(count('steps WHERE id = ?', step)).toBe(0);
  }
  for (const subject of [id, ...steps, ...samples]) expect(count('verdicts WHERE subject_id = ?', subject)).toBe(0);
  for (const { body } of made.store.sqlite.prepare<[], { body: string }>('SELECT body FROM batches').all())
    for (const sample of samples) expect(body).not.toContain(sample);
  expect(verify(made.store.db).problems).toEqual([]);
}

const trained = (): string[] => made.trainer.applied.flatMap(({ actions }) => actions.map(({ id }) => id));

test('while the log is judged', async () => {
  made = await bench();
  const { deleted, cycle: ended } = await cycle(() => count('verdicts') > 0);
  expectGone(deleted);
  expect(ended).toMatchObject({ state: 'done', counts: { states: 2, examples: 6 } });
});

test('while its actions are drawn', async () => {
  made = await bench();
  const { deleted, cycle: ended } = await cycle(() => count('cycle_steps') > 0);
  expect(deleted.samples).toEqual([]);
  expectGone(deleted);
  expect(ended).toMatchObject({ state: 'done', counts: { examples: 6 } });
});

test('while its actions are judged', async () => {
  made = await bench();
  const { deleted, cycle: ended } = await cycle(
    () => count(`verdicts WHERE subject_kind = 'sample'`) > 0 && count('batches') === 0,
  );
  expect(deleted.samples).toHaveLength(6);
  expectGone(deleted);
  expect(ended).toMatchObject({ state: 'done', counts: { examples: 6 } });
  for (const sample of deleted.samples) expect(trained()).not.toContain(sample);
});

test('while its batch is laid out: it is laid out again without', async () => {
  made = await bench();
  const { sqlite } = made.store;
  // Between reading the samples and writing the batch: where the transaction of the batch begins.
  let deleted: Deleted | undefined;
  await generate(made.learner, tasks(made, [sum('a', 11, 22), sum('b', 33, 44)]), 1, 0);
  const learner = new Proxy(made.learner, {
    get(of, field) {
      if (field === 'templateHash' && deleted === undefined) deleted = remove();
      return Reflect.get(of, field) as unknown;
    },
  });
  const ended = await runCycle(learner, { heldout: [] });
  if (deleted === undefined) throw new Error('nothing was deleted');
  expect(deleted.samples).toHaveLength(6);
  expectGone(deleted);
  expect(ended).toMatchObject({ state: 'done', counts: { examples: 6 } });
  for (const sample of deleted.samples) expect(trained()).not.toContain(sample);
  expect(sqlite.prepare('SELECT count(*) AS n FROM batches').get()).toEqual({ n: 1 });
});

test('when its batch is made and not sent: the batch fails, and the others are free for the next', async () => {
  made = await bench();
  const { deleted, cycle: ended } = await cycle(() => count(`batches WHERE state = 'assembled'`) > 0);
  expect(deleted.removal).toMatchObject({ batches: [expect.stringMatching(/^bat-/)], versions: [], pending: [] });
  expectGone(deleted);
  expect(ended).toMatchObject({ state: 'failed', note: expect.stringContaining('was deleted') as string });
  expect(made.trainer.applied).toEqual([]);
  expect(deletionOf(made.store.db, GYRE_POLICY, deleted.id)).toMatchObject({ versions: [], pending: [] });
  expect(await runCycle(made.learner, { heldout: [] })).toMatchObject({ state: 'done', counts: { examples: 6 } });
  for (const sample of deleted.samples) expect(trained()).not.toContain(sample);
});

test('while its trainer is away: what is emptied is not sent when it is back', async () => {
  made = await bench();
  let away = 2;
  const { deleted, cycle: ended } = await cycle(
    () => away < 2,
    (trainer) => ({
      ...trainer,
      batch: (id) => {
        away -= 1;
        return away >= 0
          ? Promise.reject(
              new GyreError({ side: 'trainer', status: 503, code: 'trainer_unreachable', message: 'away' }),
            )
          : trainer.batch(id);
      },
    }),
  );
  expect(deleted.removal?.pending).toMatchObject([{ version: 1 }]);
  expectGone(deleted);
  expect(ended).toMatchObject({ state: 'failed', note: expect.stringContaining('was deleted') as string });
  expect(made.trainer.calls).not.toContain('POST /v1/batches');
  expect(deletionOf(made.store.db, GYRE_POLICY, deleted.id)).toMatchObject({ versions: [], pending: [] });
});

test('while its update runs: the answer names the version to come, and the record the one that came', async () => {
  made = await bench();
  made.trainer.slow = true;
  const { deleted, cycle: ended } = await cycle(() => {
    const running = made.trainer.applied.length > 0;
    if (running) made.trainer.slow = false;
    return running;
  });
  const batch = made.trainer.applied[0]?.batch_id;
  expect(deleted.removal).toMatchObject({
    batches: [batch],
    versions: [],
    pending: [{ batch_id: batch, version: 1 }],
  });
  expectGone(deleted);
  expect(ended.state, ended.note).toBe('done');
  expect(deletionOf(made.store.db, GYRE_POLICY, deleted.id)).toMatchObject({
    batches: [batch],
    versions: [1],
    pending: [],
  });
  expect(made.store.sqlite.prepare('SELECT deletion_id, batch_id, version FROM deletion_versions').all()).toEqual([
    { deletion_id: `del-${deleted.id}`, batch_id: batch, version: 1 },
  ]);
  expect(count('ledger WHERE entries LIKE ?', '%"deletion_versions"%')).toBe(1);
  // What is trained on it, or goes back to it, has it too.
  await runCycle(made.learner, { heldout: [], tasks: tasks(made, [sum('c', 55, 66)]) });
  decide(made.store.db, GYRE_POLICY, {
    kind: 'promotion',
    version: 1,
    against: 0,
    passed: true,
    reason: 'better',
    numbers: {},
  });
  decide(made.store.db, GYRE_POLICY, {
    kind: 'promotion',
    version: 2,
    against: 1,
    passed: true,
    reason: 'better',
    numbers: {},
  });
  await rollback(made.learner, made.learner.trainer ?? expect.fail('no trainer'), 'test');
  expect(deletionOf(made.store.db, GYRE_POLICY, deleted.id)?.versions).toEqual([1, 2, 3]);
  expect(verify(made.store.db).problems).toEqual([]);
});

test('while its update runs that fails: no version has it', async () => {
  made = await bench();
  made.trainer.fate = 'failed';
  made.trainer.slow = true;
  const { deleted } = await cycle(() => {
    const running = made.trainer.calls.includes('POST /v1/batches');
    if (running) made.trainer.slow = false;
    return running;
  });
  expect(deleted.removal?.pending).toMatchObject([{ version: 1 }]);
  expectGone(deleted);
  expect(deletionOf(made.store.db, GYRE_POLICY, deleted.id)).toMatchObject({ versions: [], pending: [] });
});

test('after its version was made: the answer names it', async () => {
  made = await bench();
  await generate(made.learner, tasks(made, [sum('a', 11, 22), sum('b', 33, 44)]), 1, 0);
  await runCycle(made.learner, { heldout: [] });
  const deleted = remove();
  expect(deleted.removal).toMatchObject({ versions: [1], pending: [] });
  expectGone(deleted);
  expect(count('deletion_versions')).toBe(0);
});

test('after its update failed: its batch spells nothing any more, though no row says whose it was', async () => {
  made = await bench();
  made.trainer.fate = 'failed';
  await generate(made.learner, tasks(made, [sum('a', 11, 22)]), 1, 0);
  await runCycle(made.learner, { heldout: [] });
  expectGone(remove());
  expect(count(`batches WHERE json_array_length(body, '$.tree.tokens') > 0`)).toBe(0);
});

test('a state that was said again stays when the step it was counted by is deleted', async () => {
  made = await bench({ script: arithmetic });
  const task = sum('a', 11, 22);
  await generate(made.learner, tasks(made, [task]), 2, 0);
  await runCycle(made.learner, { heldout: [] });
  expect([count('cycle_steps'), count('states')]).toEqual([2, 2]);
  expectGone(remove());
  expect([count('cycle_steps'), count('states')]).toEqual([0, 2]);
  expect(await runCycle(made.learner, { heldout: [] })).toMatchObject({ state: 'done', counts: { states: 2 } });
});

test('a response that is withdrawn by itself while its actions are drawn is not trained on', async () => {
  made = await bench();
  const { sqlite } = made.store;
  await generate(made.learner, tasks(made, [sum('a', 11, 22), sum('b', 33, 44)]), 1, 0);
  const withdraw = (): void => {
    if (count('samples') === 0) return;
    sqlite.exec(`INSERT OR IGNORE INTO withdrawals (id, trajectory_id, created_at)
      SELECT response_id, trajectory_id, 1 FROM steps WHERE seq = 1`);
  };
  const ended = await runCycle({ ...made.learner, progress: withdraw }, { heldout: [] });
  expect(count('samples')).toBe(12);
  expect(ended).toMatchObject({ state: 'done', counts: { examples: 6 } });
});

test('verify names a claim, a group and a batch of a step that is gone', async () => {
  made = await bench();
  await generate(made.learner, tasks(made, [sum('a', 11, 22)]), 1, 0);
  await runCycle(made.learner, { heldout: [] });
  made.store.sqlite.exec(`UPDATE batch_items SET step_id = 'step-gone'; UPDATE cycle_steps SET step_id = 'step-gone'
    WHERE step_id = (SELECT min(step_id) FROM cycle_steps); UPDATE groups SET step_id = 'step-gone'
    WHERE step_id = (SELECT min(step_id) FROM groups)`);
  expect(verify(made.store.db).problems.map(({ table, problem }) => `${table}: ${problem}`)).toEqual([
    'cycle_steps: the step it claims is missing',
    'groups: the step it was drawn at is missing',
    'batches: it still spells a step that is missing',
  ]);
});

test('after its version was copied to start again: the copy is named, and what is trained on it', async () => {
  made = await bench();
  await generate(made.learner, tasks(made, [sum('a', 11, 22), sum('b', 33, 44)]), 1, 0);
  await runCycle(made.learner, { heldout: [] });
  const trainer = made.learner.trainer ?? expect.fail('no trainer');
  expect(await restart(made.learner, trainer, 1, 'asked for')).toMatchObject({ version: 2, copyOf: 1 });
  const deleted = remove();
  expect(deleted.removal).toMatchObject({ versions: [1, 2], pending: [] });
  await runCycle(made.learner, { tasks: tasks(made, [sum('c', 12, 23)]), heldout: [] });
  expect(deletionOf(made.store.db, GYRE_POLICY, deleted.id)?.versions).toEqual([1, 2, 3]);
});
