import { afterEach, expect, test } from 'vitest';

import { Batch } from '../../src/core/learning/batch.js';
import { GyreError } from '../../src/core/errors.js';
import { GYRE_POLICY } from '../../src/core/learning/policy_name.js';
import { runCycle } from '../../src/learner/cycle.js';
import { evaluate } from '../../src/learner/evaluating.js';
import { generate } from '../../src/learner/generating.js';
import { cyclesOf, runningCycle } from '../../src/store/learning/cycles.js';
import { allVersions } from '../../src/store/learning/versions.js';
import { batchOf } from '../../src/store/learning/batches.js';
import { decisionsOf, headVersion, servingVersion } from '../../src/store/learning/decisions.js';
import { samplesOf } from '../../src/store/learning/samples.js';
import { verdictsOf } from '../../src/store/learning/verdicts.js';
import { verify } from '../../src/store/proof/verify.js';
import type { Trainer } from '../../src/train/client.js';
import { arithmetic, bench, type Bench, sum, tasks } from './bench.js';
import { lookedAt, select, statusOf } from './counted.js';

let open: Bench | undefined;
afterEach(async () => {
  await open?.close();
  open = undefined;
});
const start = async (...options: Parameters<typeof bench>): Promise<Bench> => (open = await bench(...options));

const TRAIN = [sum('a', 11, 22), sum('b', 33, 44)];
const HELDOUT = [sum('h1', 5, 6, 'heldout'), sum('h2', 7, 8, 'heldout'), sum('h3', 9, 10, 'heldout')];

test('a cycle goes from tasks to a trained version, and every stage leaves its rows', async () => {
  const made = await start();
  const { learner, store, trainer } = made;
  tasks(made, [...TRAIN, ...HELDOUT]);
  const cycle = await runCycle(learner, { tasks: TRAIN, heldout: [] });
  expect(cycle.state, cycle.note).toBe('done');
  // Two tasks of two steps each: four states, three samples each.
  expect(cycle.counts).toMatchObject({ generated: 2, states: 4, sampled: 12, drift: 0, examples: 12 });
  expect(cycle.counts).toMatchObject({ rewards: 12, mean_reward: 0.4 });
  expect(trainer.applied).toHaveLength(1);
  const batch = Batch.parse(trainer.applied[0]);
  expect(batch.base_version).toBe(0);
  expect(batch.target_version).toBe(1);
  const advantages = new Map<string, number>();
  for (const sample of samplesOf(store.db, GYRE_POLICY, cycle.id)) {
    const advantage = batch.actions.find((action) => action.id === sample.id)?.advantage ?? 0;
    advantages.set(sample.stepId, (advantages.get(sample.stepId) ?? 0) + advantage);
  }
  for (const total of advantages.values()) expect(total).toBeCloseTo(0);
  expect(allVersions(store.db, GYRE_POLICY).map((version) => version.version)).toEqual([1]);
  expect(headVersion(store.db, GYRE_POLICY)).toBe(1);
  expect(servingVersion(store.db, GYRE_POLICY)).toBe(0);
  expect(verify(store.db)).toMatchObject({ ok: true, problems: [] });
});

test('a sample that spells what is to be redacted is not kept in any form, nor a reason that quotes it', async () => {
  const made = await start({ config: { redact: ['do not know', 'scripted fault'] } });
  tasks(made, TRAIN);
  const cycle = await runCycle(made.learner, { tasks: TRAIN, heldout: [] });
  expect(cycle.state, cycle.note).toBe('done');
  // Two of four states are questions; there, one sample in three says that it does not know.
  expect(cycle.counts).toMatchObject({ states: 4, sampled: 10, redacted: 2 });
  expect(samplesOf(made.store.db, GYRE_POLICY, cycle.id).filter(({ text }) => text.includes('know'))).toEqual([]);
  expect(trainerSaw(made)).not.toContain('know');
  made.engine.script = () => ({ status: 500 });
  const failed = await runCycle(made.learner, { tasks: [sum('c', 1, 2)], heldout: [] });
  expect(failed).toMatchObject({ state: 'running', note: expect.stringContaining('[redacted]') as string });
  expect(failed.note).not.toContain('scripted fault');
});

function trainerSaw({ trainer }: Bench): string {
  return JSON.stringify(trainer.applied);
}

test('samples are judged and never executed: no observation follows them', async () => {
  const made = await start();
  tasks(made, TRAIN);
  const cycle = await runCycle(made.learner, { tasks: TRAIN, heldout: [] });
  const samples = samplesOf(made.store.db, GYRE_POLICY, cycle.id);
  const verdicts = verdictsOf(
    made.store.db,
    'sample',
    samples.map((sample) => sample.id),
  );
  expect(verdicts.size).toBe(samples.length);
  expect(lookedAt(made.store.db)).toHaveLength(4);
  const grouped = made.engine.requests.filter((request) => request.body.n === 3);
  expect(grouped).toHaveLength(4);
});

test('a state is drawn from again by each newer version, and not more often than it may be', async () => {
  const made = await start({ config: { learning: { samples: 3, reuse: 2 } } });
  tasks(made, TRAIN);
  await runCycle(made.learner, { tasks: TRAIN, heldout: [] });
  const second = await runCycle(made.learner, { heldout: [] });
  expect([second.state, second.baseVersion, second.counts['states']]).toEqual(['done', 1, 4]);
  const third = await runCycle(made.learner, { heldout: [] });
  expect(third).toMatchObject({ state: 'skipped', counts: { states: 0, 'dropped.used': 4 } });
  expect(made.trainer.applied).toHaveLength(2);
  expect(made.trainer.applied.flatMap(({ actions }) => actions.map(({ id }) => id)).length).toBe(
    new Set(made.trainer.applied.flatMap(({ actions }) => actions.map(({ id }) => id))).size,
  );
});

test('held-out questions never reach a batch, not even when live traffic asks them', async () => {
  const made = await start();
  tasks(made, [...HELDOUT]);
  await generate(
    made.learner,
    HELDOUT.map((task) => ({ ...task, id: `live-${task.id}` })),
    1,
    0,
  );
  const { kept, dropped } = select(made.store.db, 'none', 'resample');
  expect(kept).toHaveLength(0);
  expect(dropped).toEqual({ heldout: 6 });
});

test('evaluation is no training material', async () => {
  const made = await start();
  tasks(made, TRAIN);
  await evaluate(made.learner, 0, TRAIN);
  expect(select(made.store.db, 'none', 'resample')).toEqual({ kept: [], dropped: { no_consent: 4 } });
});

test('a version whose parity fails is not evaluated', async () => {
  const made = await start();
  tasks(made, [...TRAIN, ...HELDOUT]);
  made.trainer.parityPassed = false;
  const cycle = await runCycle(made.learner, { tasks: TRAIN, heldout: HELDOUT });
  expect(cycle.note).toMatch(/not evaluated/);
  expect(decisionsOf(made.store.db, GYRE_POLICY, 10).map((decision) => decision.kind)).toEqual(['parity']);
});

test('a failed update fails the cycle with the reason, and its states are free again', async () => {
  const made = await start();
  tasks(made, TRAIN);
  made.trainer.fate = 'failed';
  const failed = await runCycle(made.learner, { tasks: TRAIN, heldout: [] });
  expect(failed.state).toBe('failed');
  expect(failed.note).toMatch(/the loss is not finite/);
  made.trainer.fate = 'done';
  const again = await runCycle(made.learner, { heldout: [] });
  expect(again.state, again.note).toBe('done');
  expect(again.counts['states']).toBe(4);
  expect(allVersions(made.store.db, GYRE_POLICY).map((version) => version.version)).toEqual([2]);
});

test('an interrupted cycle goes on from its rows, and the batch is applied once', async () => {
  const made = await start();
  tasks(made, TRAIN);
  // The trainer takes the batch and the process stops before it hears the result.
  const trainer = made.learner.trainer ?? expect.fail('no trainer');
  const stopped = {
    ...made.learner,
    trainer: {
      ...trainer,
      batch: () => {
        made.stopping.abort();
        return Promise.reject(new Error('stopped'));
      },
    },
  };
  await expect(runCycle(stopped, { tasks: TRAIN, heldout: [] })).rejects.toThrow();
  const left = runningCycle(made.store.db, GYRE_POLICY);
  expect(left?.stage).toBe('train');
  expect(batchOf(made.store.db, GYRE_POLICY, left?.id ?? '')?.state).toBe('sent');

  const resumed = await runCycle({ ...made.learner, signal: new AbortController().signal }, { heldout: [] });
  expect(resumed.id).toBe(left?.id);
  expect(resumed.state).toBe('done');
  expect(made.trainer.applied).toHaveLength(1);
  expect(cyclesOf(made.store.db, GYRE_POLICY, 10)).toHaveLength(1);
});

test('a cycle that is stopped again and again draws from what it claimed first and no more', async () => {
  const made = await start({ config: { learning: { samples: 3, max_states: 8 } } });
  await generate(
    made.learner,
    tasks(
      made,
      Array.from({ length: 16 }, (_, at) => sum(`t${at}`, at + 11, at + 31)),
    ),
    1,
    0,
  );
  const held = (): string =>
    JSON.stringify(made.store.sqlite.prepare('SELECT step_id FROM cycle_steps ORDER BY step_id').all());
  const stoppedAt = async (stage: string): Promise<string> => {
    const stopping = new AbortController();
    const stopped = runCycle(
      {
        ...made.learner,
        signal: stopping.signal,
        policy: {
          ...made.learner.policy,
          sample(...asked) {
            if (stage === 'claimed') stopping.abort(new Error('stopped'));
            return made.learner.policy.sample(...asked);
          },
        },
      },
      { heldout: [] },
    );
    await expect(stopped).rejects.toThrow();
    return held();
  };
  const first = await stoppedAt('claimed');
  expect(JSON.parse(first)).toHaveLength(8);
  expect([await stoppedAt('claimed'), await stoppedAt('claimed')]).toEqual([first, first]);
  const cycle = await runCycle(made.learner, { heldout: [] });
  expect(cycle).toMatchObject({ state: 'done', counts: { states: 8 } });
  expect(held()).toBe(first);
});

test('a trainer that is away in the middle of a batch is waited for', async () => {
  const made = await start();
  tasks(made, TRAIN);
  const trainer = made.learner.trainer ?? expect.fail('no trainer');
  let away = 2;
  const flaky: Trainer = {
    ...trainer,
    batch: (id) => {
      away -= 1;
      return away >= 0
        ? Promise.reject(new GyreError({ side: 'trainer', status: 503, code: 'trainer_unreachable', message: 'away' }))
        : trainer.batch(id);
    },
  };
  const cycle = await runCycle({ ...made.learner, trainer: flaky }, { tasks: TRAIN, heldout: [] });
  expect(cycle.state, cycle.note).toBe('done');
  expect(made.trainer.applied).toHaveLength(1);
});

test('the fate of a batch that a failed cycle never learned is asked for first, and its version counts', async () => {
  const made = await start();
  tasks(made, TRAIN);
  const trainer = made.learner.trainer ?? expect.fail('no trainer');
  const garbled: Trainer = {
    ...trainer,
    submit: async (batch) => {
      await trainer.submit(batch);
      throw new GyreError({ side: 'trainer', status: 502, code: 'trainer_garbage', message: 'what?' });
    },
  };
  expect(await runCycle({ ...made.learner, trainer: garbled }, { tasks: TRAIN, heldout: [] })).toMatchObject({
    state: 'failed',
    note: 'what?',
  });
  expect(allVersions(made.store.db, GYRE_POLICY)).toEqual([]);

  const next = await runCycle(made.learner, { tasks: TRAIN, heldout: [] });
  expect(next).toMatchObject({ state: 'done', baseVersion: 1 });
  expect(allVersions(made.store.db, GYRE_POLICY).map(({ version, parent }) => [version, parent])).toEqual([
    [1, 0],
    [2, 1],
  ]);
  expect(made.trainer.applied.map((batch) => batch.base_version)).toEqual([0, 1]);
  expect(decisionsOf(made.store.db, GYRE_POLICY, 10).map(({ kind, version }) => [kind, version])).toEqual([
    ['parity', 2],
    ['parity', 1],
  ]);
});

test('a trainer whose head is another is set back to ours before a cycle begins', async () => {
  const made = await start();
  tasks(made, TRAIN);
  made.trainer.head = 7;
  const cycle = await runCycle(made.learner, { tasks: TRAIN, heldout: [] });
  expect(cycle.state, cycle.note).toBe('done');
  expect(made.trainer.calls.filter((call) => call === 'POST /v1/head')).toHaveLength(1);
  await runCycle(made.learner, { tasks: TRAIN, heldout: [] });
  expect(made.trainer.calls.filter((call) => call === 'POST /v1/head')).toHaveLength(1);
  expect(made.trainer.applied.map((batch) => batch.base_version)).toEqual([0, 1]);
});

test('a batch the trainer does not take any more is made again of the same samples', async () => {
  const made = await start();
  tasks(made, TRAIN);
  const trainer = made.learner.trainer ?? expect.fail('no trainer');
  const down: Trainer = {
    ...trainer,
    submit: () =>
      Promise.reject(new GyreError({ side: 'trainer', status: 502, code: 'trainer_garbage', message: 'lost' })),
  };
  expect((await runCycle({ ...made.learner, trainer: down }, { tasks: TRAIN, heldout: [] })).state).toBe('failed');
  const refusing: Trainer = {
    ...trainer,
    submit: (batch) =>
      batch.base_version === 0 && made.trainer.applied.length === 0 && batch.target_version === 1
        ? Promise.reject(new GyreError({ side: 'client', status: 409, code: 'stale_base', message: 'the head moved' }))
        : trainer.submit(batch),
  };
  const next = await runCycle({ ...made.learner, trainer: refusing }, { heldout: [] });
  expect(next.state, next.note).toBe('done');
  expect(next.counts).toMatchObject({ states: 0, carried: 4, examples: 12 });
  expect(made.engine.requests.filter((request) => request.body.n === 3)).toHaveLength(4);
  expect(allVersions(made.store.db, GYRE_POLICY).map(({ version }) => version)).toEqual([2]);
});

test('only one cycle at a time, and the holder is named', async () => {
  const made = await start();
  const release = await made.learner.rows.lock.take('cycle', 'a learning cycle');
  await expect(runCycle(made.learner, { heldout: [] })).rejects.toThrow(`process ${process.pid}`);
  await release();
  expect((await runCycle(made.learner, { heldout: [] })).state).toBe('skipped');
});

test('a state the engine renders otherwise than the log is drift, and nothing is trained on it', async () => {
  const made = await start({
    script: (request) => ({
      ...arithmetic(request),
      ...(request.body.n === undefined ? {} : { promptTokenIds: [1, 2, 3] }),
    }),
  });
  tasks(made, TRAIN);
  const cycle = await runCycle(made.learner, { tasks: TRAIN, heldout: [] });
  expect(cycle.counts).toMatchObject({ drift: 4, sampled: 0 });
  expect(cycle.state).toBe('skipped');
});

test('status says what is waited for, with counts per reason', async () => {
  const made = await start();
  tasks(made, TRAIN);
  const { config } = made.learner;
  expect(statusOf(made.store.db, config, { trainer: true, learn: true }).waiting_for).toBe(
    '32 more states that pass the filter (0 of 32; see "dropped" for the others)',
  );
  expect(statusOf(made.store.db, config, { trainer: false, learn: true }).waiting_for).toMatch(/a trainer/);
  await generate(made.learner, TRAIN, 1, 0);
  const status = statusOf(made.store.db, config, { trainer: true, learn: false });
  // Unjudged: the second steps wait for a verdict on the first.
  expect(status).toMatchObject({ new_states: 2, dropped: { unjudged: 2 }, serving: 0, head: 0 });
});
