/** What an operator decides while learning goes on: going back, starting again; and that learning goes on after it. */
import { afterEach, expect, test } from 'vitest';

import { GYRE_POLICY } from '../../src/core/learning/policy_name.js';
import { runCycle } from '../../src/learner/cycle.js';
import type { Learner } from '../../src/learner/deps.js';
import { promote, restart, rollback } from '../../src/learner/promoting.js';
import { batchOf } from '../../src/store/learning/batches.js';
import { decide, decisionsOf, headVersion, servingVersion } from '../../src/store/learning/decisions.js';
import { allVersions, saveVersion } from '../../src/store/learning/versions.js';
import { weightsRemoved } from '../../src/store/learning/weights.js';
import { verify } from '../../src/store/proof/verify.js';
import type { Trainer } from '../../src/train/client.js';
import { until } from '../fakes/gateway.js';
import { reloadingPolicy } from '../../src/policy/serving/reloading.js';
import type { EngineRequest } from '../fakes/engine.js';
import { arithmetic, bench, type Bench, sum, tasks } from './bench.js';
import { statusOf } from './counted.js';

let open: Bench | undefined;
afterEach(async () => {
  await open?.close();
  open = undefined;
});

const TRAIN = [sum('a', 11, 22), sum('b', 33, 44)];
const NEXT = [sum('c', 12, 23), sum('d', 34, 45)];

interface Made extends Bench {
  readonly trained: Trainer;
  /** Versions of what there is: number, and what was it was made of. */
  versions(): (readonly [number, string])[];
  now(): { readonly head: number; readonly serving: number };
}

/** Version 1 was trained and serves. */
async function serving(): Promise<Made> {
  const made = (open = await bench());
  tasks(made, [...TRAIN, ...NEXT]);
  const { db } = made.store;
  expect(await runCycle(made.learner, { tasks: TRAIN, heldout: [] })).toMatchObject({ state: 'done' });
  decide(db, GYRE_POLICY, { kind: 'promotion', version: 1, against: 0, passed: true, reason: 'better', numbers: {} });
  return {
    ...made,
    trained: made.learner.trainer ?? expect.fail('no trainer'),
    versions: () => allVersions(db, GYRE_POLICY).map(({ version, kind }) => [version, kind]),
    now: () => ({ head: headVersion(db, GYRE_POLICY), serving: servingVersion(db, GYRE_POLICY) }),
  };
}

test('a rollback while the trainer is busy serves at once; what it trains meanwhile is never the head', async () => {
  const made = await serving();
  made.trainer.slow = true;
  const busy = runCycle(made.learner, { tasks: NEXT, heldout: [] });
  await until(() => made.trainer.applied.length === 2, 'the second batch');
  const calls = made.trainer.calls.length;
  const back = await rollback(made.learner, made.trained, 'asked for');
  expect(back).toMatchObject({ version: 3, kind: 'rollback', copyOf: 0, parent: 1 });
  // The copy is all that is asked of the trainer, and not that it be the head: that waits for the update.
  expect(made.trainer.calls.slice(calls).filter((call) => !call.startsWith('GET '))).toEqual(['POST /v1/versions']);
  expect(made.trainer.head).toBe(2);
  expect(made.now()).toEqual({ head: 3, serving: 3 });

  made.trainer.slow = false;
  const cycle = await busy;
  expect(cycle).toMatchObject({ state: 'done', note: 'version 2 is not evaluated: version 3 is the head by now' });
  expect(made.versions()).toEqual([
    [1, 'trained'],
    [2, 'trained'],
    [3, 'rollback'],
  ]);
  expect(allVersions(made.store.db, GYRE_POLICY)[1]?.metrics).toMatchObject({ superseded_by: 3 });
  expect(made.now()).toEqual({ head: 3, serving: 3 });

  const next = await runCycle(made.learner, { tasks: TRAIN, heldout: [] });
  expect(next, next.note).toMatchObject({ state: 'done', baseVersion: 3 });
  expect(made.trainer.applied.map((batch) => [batch.base_version, batch.target_version])).toEqual([
    [0, 1],
    [1, 2],
    [3, 4],
  ]);
  expect(made.now()).toEqual({ head: 4, serving: 3 });
  expect(verify(made.store.db)).toMatchObject({ ok: true });
});

test('a batch that was made for what is the head no more is not trained, and its states are given back', async () => {
  const made = await serving();
  const { batches } = made.learner.rows;
  const between: Learner = {
    ...made.learner,
    rows: {
      ...made.learner.rows,
      batches: {
        ...batches,
        // Somebody goes back between the batch's row and its being sent.
        byId: async (id) => {
          if (headVersion(made.store.db, GYRE_POLICY) === 1) await rollback(made.learner, made.trained, 'now');
          return batches.byId(id);
        },
      },
    },
  };
  const cycle = await runCycle(between, { tasks: NEXT, heldout: [] });
  expect(cycle).toMatchObject({ state: 'failed' });
  expect(cycle.note).toMatch(/it was made for version 1, and version \d is the head by now/);
  expect(made.trainer.applied).toHaveLength(1);
  const next = await runCycle(made.learner, { heldout: [] });
  expect(next, next.note).toMatchObject({ state: 'done' });
  expect(next.counts['states']).toBeGreaterThanOrEqual(4);
});

test.each(['before', 'after'] as const)(
  'killed %s what an update leaves, then gone back: learning goes on, and the batch counts once',
  async (when) => {
    const made = await serving();
    const { batches } = made.learner.rows;
    const killed: Learner = {
      ...made.learner,
      signal: made.stopping.signal,
      rows: {
        ...made.learner.rows,
        batches: {
          ...batches,
          applied: async (id, result) => {
            if (when === 'after') await batches.applied(id, result);
            made.stopping.abort();
            throw new Error('killed');
          },
        },
      },
    };
    await expect(runCycle(killed, { tasks: NEXT, heldout: [] })).rejects.toThrow('killed');
    const again = { ...made.learner, signal: new AbortController().signal };
    await rollback(again, made.trained, 'asked for');
    const resumed = await runCycle(again, { heldout: [] });
    expect(resumed).toMatchObject({
      state: 'done',
      note: expect.stringMatching(/version 3 is the head by now$/) as string,
    });
    expect(batchOf(made.store.db, GYRE_POLICY, resumed.id)?.state).toBe('applied');
    const next = await runCycle(again, { tasks: TRAIN, heldout: [] });
    expect(next, next.note).toMatchObject({ state: 'done', baseVersion: 3 });
    expect(made.versions()).toEqual([
      [1, 'trained'],
      [2, 'trained'],
      [3, 'rollback'],
      [4, 'trained'],
    ]);
    expect(made.trainer.applied).toHaveLength(3);
    const parities = decisionsOf(made.store.db, GYRE_POLICY, 20).filter(({ kind }) => kind === 'parity');
    expect(parities.map(({ version }) => version)).toEqual([4, 2, 1]);
  },
);

test('what an update leaves is all there or not at all', async () => {
  const made = await serving();
  made.store.sqlite.exec(
    `CREATE TRIGGER no_parity BEFORE INSERT ON decisions WHEN new.kind = 'parity'
      BEGIN SELECT raise(ABORT, 'the disk is full'); END`,
  );
  const cycle = await runCycle(made.learner, { tasks: NEXT, heldout: [] });
  expect(cycle).toMatchObject({ state: 'failed' });
  expect(cycle.note).toMatch(/disk is full/);
  expect(made.versions()).toEqual([[1, 'trained']]);
  expect(batchOf(made.store.db, GYRE_POLICY, cycle.id)?.state).toBe('sent');
  expect(made.now().head).toBe(1);
  made.store.sqlite.exec('DROP TRIGGER no_parity');
  // What the trainer has made is taken up before anything new.
  const next = await runCycle(made.learner, { tasks: TRAIN, heldout: [] });
  expect(next, next.note).toMatchObject({ state: 'done', baseVersion: 2 });
  expect(made.trainer.applied.map((batch) => batch.target_version)).toEqual([1, 2, 3]);
});

test('where another version began to serve meanwhile a rollback is refused, and decides nothing', async () => {
  const made = await serving();
  const slow: Trainer = {
    ...made.trained,
    copyVersion: async (...copy) => {
      await made.trained.copyVersion(...copy);
      saveVersion(made.store.db, GYRE_POLICY, {
        ...{ version: 2, kind: 'trained', parent: 1, batchId: 'bat-2', metrics: {}, createdAt: 1 },
      });
      decide(made.store.db, GYRE_POLICY, {
        ...{ kind: 'promotion', version: 2, against: 1, passed: true, reason: 'better', numbers: {} },
      });
    },
  };
  await expect(rollback(made.learner, slow, 'asked for')).rejects.toMatchObject({
    status: 409,
    code: 'serving_changed',
  });
  expect(made.now()).toEqual({ head: 2, serving: 2 });
  // The lock was given back.
  await expect(promote(made.learner, 2)).rejects.toMatchObject({ code: 'already_serving' });
  expect(await rollback(made.learner, made.trained, 'asked for')).toMatchObject({ version: 3, copyOf: 1 });
});

test('of two rollbacks at once one is made, and the other is told who is at it', async () => {
  const made = await serving();
  const both = await Promise.allSettled([
    rollback(made.learner, made.trained, 'one'),
    rollback(made.learner, made.trained, 'other'),
  ]);
  expect(both.map((outcome) => outcome.status)).toEqual(['fulfilled', 'rejected']);
  expect(both[1]).toMatchObject({ reason: { status: 409, code: 'steering_running' } });
  expect(made.versions()).toHaveLength(2);
});

test('where the trainer has lost the head cycles are skipped and say what to do, and a restart goes on', async () => {
  const made = await serving();
  expect(await restart(made.learner, made.trained, undefined, 'x').catch((thrown: unknown) => thrown)).toMatchObject({
    status: 409,
    code: 'nothing_lost',
  });
  made.trainer.forget();
  const skipped = await runCycle(made.learner, { tasks: NEXT, heldout: [] });
  expect(skipped).toMatchObject({ state: 'skipped', baseVersion: 1 });
  expect(skipped.note).toMatch(/^the trainer has lost version 1, which is the head: "gyre restart"/);

  const again = await restart(made.learner, made.trained, undefined, 'asked for');
  expect(again).toMatchObject({ version: 2, kind: 'restart', copyOf: 0, parent: 1 });
  // What served is lost, too, so the copy serves.
  expect(made.now()).toEqual({ head: 2, serving: 2 });
  expect([...weightsRemoved(made.store.db, GYRE_POLICY).keys()]).toEqual([1]);
  expect(
    decisionsOf(made.store.db, GYRE_POLICY, 2).map(({ kind, version, against }) => [kind, version, against]),
  ).toEqual([
    ['rollback', 2, 1],
    ['restart', 2, 1],
  ]);
  const next = await runCycle(made.learner, { tasks: NEXT, heldout: [] });
  expect(next, next.note).toMatchObject({ state: 'done', baseVersion: 2 });
  expect(made.now()).toEqual({ head: 3, serving: 2 });
  expect(verify(made.store.db)).toMatchObject({ ok: true });
});

test('a restart from a version that is named leaves what serves, and one that there is not is said', async () => {
  const made = await serving();
  await runCycle(made.learner, { tasks: NEXT, heldout: [] });
  expect(await restart(made.learner, made.trained, 1, 'asked for')).toMatchObject({ version: 3, copyOf: 1, parent: 2 });
  expect(made.now()).toEqual({ head: 3, serving: 1 });
  await expect(restart(made.learner, made.trained, 9, 'x')).rejects.toMatchObject({
    status: 404,
    message: 'there is no version 9 with weights; there are 3, 2, 1, 0',
  });
  made.trainer.forget();
  await expect(restart(made.learner, made.trained, 2, 'x')).rejects.toMatchObject({
    status: 409,
    code: 'weights_lost',
  });
});

test('the status says what cycles wait for that nobody but an operator can give', async () => {
  const made = await serving();
  const part = { trainer: true, learn: true };
  const waitsFor = (): string => statusOf(made.store.db, made.learner.config, part).waiting_for;
  expect(waitsFor()).not.toContain('lost');
  made.trainer.forget();
  await runCycle(made.learner, { tasks: NEXT, heldout: [] });
  expect(waitsFor()).toMatch(/^the trainer has lost version 1, which is the head: "gyre restart"/);
  await restart(made.learner, made.trained, undefined, 'asked for');
  expect(waitsFor()).not.toContain('lost');
  for (let version = 3; version <= 18; version += 1)
    saveVersion(made.store.db, GYRE_POLICY, {
      ...{ version, kind: 'trained', parent: version - 1, batchId: `bat-${version}`, metrics: {}, createdAt: 1 },
    });
  expect(waitsFor()).toMatch(/^a gate: the head, version 18, is 16 updates from the last one, .* no held-out tasks/);
  tasks(made, [sum('h', 5, 6, 'heldout')]);
  expect(waitsFor()).toMatch(/^a gate: .*; the next cycle holds it$/);
});

test('weights of the head that cannot be loaded any more are as lost as those that are gone', async () => {
  const made = await serving();
  made.engine.script = ({ body }) => (body.n === undefined ? arithmetic({ body } as EngineRequest) : { status: 404 });
  made.trainer.forget();
  // What the trainer would go on from is there; what the engine would load is not.
  made.trainer.head = 1;
  const learner = {
    ...made.learner,
    policy: reloadingPolicy(made.learner.policy, async () => {
      await made.trained.load(1);
      return true;
    }),
  };
  const cycle = await runCycle(learner, { tasks: NEXT, heldout: [] });
  expect(cycle).toMatchObject({ state: 'skipped', counts: { head_lost: 1 } });
  expect(cycle.note).toMatch(/^the trainer has lost version 1, which is the head/);
  expect(await restart(made.learner, made.trained, undefined, 'asked for')).toMatchObject({ version: 2, copyOf: 0 });
  made.engine.script = arithmetic;
  const next = await runCycle(made.learner, { tasks: NEXT, heldout: [] });
  expect(next, next.note).toMatchObject({ state: 'done', baseVersion: 2 });
});
