/** What would be met again in every later cycle, if nothing were learned of it: none of it ends learning for ever. */
import { afterEach, expect, test, vi } from 'vitest';

import { GyreError } from '../../../src/core/errors.js';
import type { Cycle } from '../../../src/core/learning/cycle.js';
import type { Judge } from '../../../src/core/learning/judging.js';
import { GYRE_POLICY } from '../../../src/core/learning/policy_name.js';
import { runCycle } from '../../../src/learner/cycle.js';
import type { Learner } from '../../../src/learner/deps.js';
import { generate } from '../../../src/learner/generating.js';
import { restart, rollback } from '../../../src/learner/promoting.js';
import { isDue, schedule } from '../../../src/learner/schedule.js';
import { groupsOf } from '../../../src/store/learning/groups.js';
import type { Trainer } from '../../../src/train/client.js';
import type { EngineRequest, Reply } from '../../fakes/engine.js';
import { arithmetic, bench, type Bench, sum, tasks } from '../bench.js';

let made: Bench;
afterEach(() => made.close());

/** Breaks at what asks for these numbers, where several actions are drawn. */
const breaking =
  (fault: Reply) =>
  (request: EngineRequest): Reply =>
    request.body.n !== undefined && JSON.stringify(request.body.messages).includes('901 plus')
      ? fault
      : arithmetic(request);

/** Until it ends; each time after the pause that there would be. */
async function untilOver(learner: Learner, options: Parameters<typeof runCycle>[1]): Promise<Cycle> {
  let cycle = await runCycle(learner, options);
  for (let looks = 0; cycle.state === 'running' && looks < 20; looks += 1)
    cycle = await runCycle(learner, { heldout: [] });
  return cycle;
}

const FAULTS: readonly (readonly [string, Reply])[] = [
  ['breaks the connection', { reset: 0 }],
  ['breaks off in the midst of its reply', { reset: 2 }],
  ['ends its reply too soon', { hangUp: 2 }],
  ['replies what makes no sense', { deltas: ['{"choices": 7}'] }],
  ['fails', { status: 500 }],
];

test.each(FAULTS)('a prompt at which the engine %s costs itself, and the others are trained on', async (_, fault) => {
  made = await bench({ script: breaking(fault) });
  const list = tasks(made, [sum('good', 11, 22), sum('bad', 901, 2), sum('fine', 12, 23)]);
  const cycle = await untilOver(made.learner, { tasks: list, heldout: [] });
  expect(cycle.state, cycle.note).toBe('done');
  expect(cycle.counts).toMatchObject({ refused: 2, sampled: 12, informative: 4 });
});

test.each(FAULTS)('so it does where there is no other state: the engine %s', async (_, fault) => {
  made = await bench({ script: breaking(fault) });
  const cycle = await untilOver(made.learner, { tasks: tasks(made, [sum('bad', 901, 2)]), heldout: [] });
  expect(cycle.state, cycle.note).toBe('skipped');
  expect(cycle.counts).toMatchObject({ refused: 2, sampled: 0 });
  const next = await runCycle(made.learner, { tasks: tasks(made, [sum('good', 11, 22)]), heldout: [] });
  expect(next.state, next.note).toBe('done');
});

test('while the engine breaks at everything no state is blamed for it', async () => {
  made = await bench();
  const list = tasks(made, [sum('a', 11, 22), sum('b', 33, 44)]);
  await generate(made.learner, list, 1, 0);
  made.engine.script = () => ({ reset: 0 });
  const first = await runCycle(made.learner, { heldout: [] });
  for (let looks = 0; looks < 4; looks += 1)
    expect(await runCycle(made.learner, { heldout: [] })).toMatchObject({ id: first.id, state: 'running' });
  expect(groupsOf(made.store.db, GYRE_POLICY, first.id)).toEqual([]);
  made.engine.script = arithmetic;
  const last = await runCycle(made.learner, { heldout: [] });
  expect(last).toMatchObject({ id: first.id, state: 'done', counts: { sampled: 12, refused: 0 } });
});

test('a sample with a number that the trainer does not take is left out when it is drawn', async () => {
  made = await bench();
  const { policy } = made.learner;
  const learner: Learner = {
    ...made.learner,
    policy: {
      async *sample(request, signal) {
        const events = policy.sample(request, signal);
        for (;;) {
          const next = await events.next();
          if (next.done !== true) yield next.value;
          else
            return request.n === undefined
              ? next.value
              : next.value.map((action, at) =>
                  at > 0 ? action : { ...action, logprobs: action.logprobs?.map(() => -9999) },
                );
        }
      },
    },
  };
  const cycle = await runCycle(learner, { tasks: tasks(made, [sum('a', 11, 22), sum('b', 33, 44)]), heldout: [] });
  expect(cycle.counts).toMatchObject({ states: 4, sampled: 8 });
});

test('a batch in which something is not what the trainer takes is not made again of the same', async () => {
  made = await bench();
  const trainer = made.learner.trainer ?? expect.fail('no trainer');
  let bad: ReadonlySet<string> | undefined;
  const strict: Trainer = {
    ...trainer,
    submit: (batch) => {
      bad ??= new Set(batch.actions.map(({ id }) => id));
      return batch.actions.some(({ id }) => bad?.has(id) === true)
        ? Promise.reject(
            new GyreError({ side: 'client', status: 422, code: 'batch_schema', message: 'actions[0] is wrong' }),
          )
        : trainer.submit(batch);
    },
  };
  const learner: Learner = { ...made.learner, trainer: strict };
  const first = await runCycle(learner, { tasks: tasks(made, [sum('a', 11, 22)]), heldout: [] });
  expect(first).toMatchObject({ state: 'failed', note: expect.stringContaining('actions[0] is wrong') as string });
  const next = await runCycle(learner, { tasks: tasks(made, [sum('b', 33, 44)]), heldout: [] });
  expect(next.state, next.note).toBe('done');
  expect(next.counts['carried']).toBeUndefined();
});

test.each(['sft', 'logged'])(
  'in the mode %s an update that ends the same each time is not made again',
  async (mode) => {
    made = await bench({ config: { learning: { samples: 3, mode, filter: 'none' } } });
    const script = (request: EngineRequest): Reply =>
      JSON.stringify(request.body.messages).includes('33 plus') ? { text: 'The answer is 1.' } : arithmetic(request);
    made.engine.script = script;
    await generate(made.learner, tasks(made, [sum('a', 11, 22), sum('b', 33, 44)]), 2, 0);
    made.trainer.fate = 'failed';
    const first = await runCycle(made.learner, { heldout: [] });
    expect(first, first.note).toMatchObject({ state: 'failed', stage: 'train' });
    const again = await runCycle(made.learner, { heldout: [] });
    expect(again, again.note).toMatchObject({ state: 'skipped' });
    made.trainer.fate = 'done';
    await generate(made.learner, tasks(made, [sum('c', 12, 23), sum('b', 33, 45)]), 2, 0);
    const next = await runCycle(made.learner, { heldout: [] });
    expect(next.state, next.note).toBe('done');
  },
);

test('a judge that answers nonsense has failed, and the others are heard', async () => {
  made = await bench();
  const odd: Judge = { name: 'odd', version: '1', kind: 'model', judge: () => Promise.resolve(undefined as never) };
  const learner: Learner = { ...made.learner, judges: [...made.learner.judges, odd] };
  await generate(learner, tasks(made, [sum('a', 11, 22)]), 1, 0);
  const rows = { ...learner.rows, samples: { ...learner.rows.samples, of: () => Promise.resolve([]) } };
  const cycle = await runCycle({ ...learner, rows }, { heldout: [] });
  expect(cycle.state, cycle.note).not.toBe('failed');
  expect(cycle.counts['judge_faults']).toBeGreaterThan(0);
});

test('a cycle that was left behind is gone on with though there are no new states', async () => {
  made = await bench({ config: { learning: { samples: 3, min_steps: 4 } } });
  await generate(made.learner, tasks(made, [sum('a', 11, 22), sum('b', 33, 44)]), 1, 0);
  const stopping = new AbortController();
  const stopped = runCycle(
    {
      ...made.learner,
      signal: stopping.signal,
      progress: ({ stage }) => {
        if (stage === 'judge_samples') stopping.abort(new Error('stopped'));
      },
    },
    { heldout: [] },
  );
  await expect(stopped).rejects.toThrow('stopped');
  const { cycles } = made.learner.rows;
  const left = await cycles.running();
  expect(left).toBeDefined();
  expect(await isDue(made.learner)).toBe(true);
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'Date'] });
  const warnings: string[] = [];
  const scheduled = schedule(made.learner, true, (message) => warnings.push(message));
  try {
    // Whoever is at it is let be, without a word.
    const release = await made.learner.rows.lock.take('cycle', 'the cycle of another');
    await vi.advanceTimersByTimeAsync(5_000);
    await vi.waitFor(() => expect(scheduled.busy).toBe(false));
    await release();
    await vi.advanceTimersByTimeAsync(10_000);
    const ended = async (): Promise<unknown> => (await cycles.newest(9)).find(({ id }) => id === left?.id)?.state;
    await vi.waitFor(async () => expect(await ended()).toBe('done'), 20_000);
    expect(warnings).toEqual([]);
  } finally {
    await scheduled.stop();
    vi.useRealTimers();
  }
});

test('a head that was never gated and cannot be evaluated is left for what serves', async () => {
  made = await bench();
  const { rows } = made.learner;
  const list = tasks(made, [sum('a', 11, 22), sum('b', 33, 44), sum('h', 5, 6, 'heldout')]);
  for (let version = 1; version <= 16; version += 1)
    await rows.versions.save({
      ...{ version, kind: 'trained', parent: version - 1, batchId: `bat-${version}`, metrics: {}, createdAt: version },
    });
  await rows.decisions.add({
    ...{ kind: 'parity', version: 16, against: 15, passed: false, reason: 'engine and trainer differ', numbers: {} },
  });
  made.trainer.head = 16;
  const waits = await runCycle(made.learner, { heldout: list.slice(2) });
  expect(waits).toMatchObject({ state: 'skipped' });
  expect(waits.note).toMatch(
    /it cannot be evaluated: engine and trainer differ; training goes on from version 0, which serves$/,
  );
  expect([await rows.versions.head(), made.trainer.head]).toEqual([0, 0]);
  const next = await runCycle(made.learner, { tasks: list.slice(0, 2), heldout: [] });
  expect(next, next.note).toMatchObject({ state: 'done', baseVersion: 0 });
});

test('a copy of which no row was kept is in nobody’s way, whatever is copied next', async () => {
  made = await bench();
  const { learner } = made;
  const trainer = learner.trainer ?? expect.fail('no trainer');
  expect(await runCycle(learner, { tasks: tasks(made, [sum('a', 11, 22)]), heldout: [] })).toMatchObject({
    state: 'done',
  });
  await learner.rows.decisions.add({
    ...{ kind: 'promotion', version: 1, against: 0, passed: true, reason: 'better', numbers: {} },
  });
  // Somebody went back, and was killed before the row.
  await trainer.copyVersion(2, 0, false);
  expect(await restart(learner, trainer, 1, 'asked for')).toMatchObject({ version: 3, copyOf: 1 });
  await trainer.copyVersion(4, 1, false);
  expect(await rollback(learner, trainer, 'asked for')).toMatchObject({ version: 5, copyOf: 0 });
  await trainer.copyVersion(6, 1, false);
  // A batch has the same number once, and the next one.
  const cycle = await runCycle(learner, { tasks: tasks(made, [sum('b', 33, 44)]), heldout: [] });
  expect(cycle, cycle.note).toMatchObject({ state: 'failed' });
  const next = await runCycle(learner, { tasks: tasks(made, [sum('c', 12, 23)]), heldout: [] });
  expect(next.state, next.note).toBe('done');
  expect(await learner.rows.versions.head()).toBe(7);
});
