/** A cycle's last stages: the gate on what was trained, and what follows from it. */
import { afterEach, expect, test } from 'vitest';

import { alarmsOf, type Update } from '../../src/core/learning/alarms.js';
import { GYRE_POLICY } from '../../src/core/learning/policy_name.js';
import { runCycle } from '../../src/learner/cycle.js';
import { promote, rollback } from '../../src/learner/promoting.js';
import { gatesOwn } from '../../src/promote/plan.js';
import { recompute } from '../../src/promote/recompute.js';
import { runningCycle } from '../../src/store/learning/cycles.js';
import { decisionsOf, headVersion, servingVersion } from '../../src/store/learning/decisions.js';
import { verify } from '../../src/store/proof/verify.js';
import { arithmetic, bench, type Bench, sum, tasks } from './bench.js';

let open: Bench | undefined;
afterEach(async () => {
  await open?.close();
  open = undefined;
});
const start = async (...options: Parameters<typeof bench>): Promise<Bench> => (open = await bench(...options));

const TRAIN = [sum('a', 11, 22), sum('b', 33, 44)];

/** Held-out tasks, of which two thirds are the gate's own. */
const MANY = Array.from({ length: 24 }, (_, at) => sum(`h${at}`, at + 10, at + 20, 'heldout'));

/** The base is wrong in what is asked greedily, and every other version right. */
const wrongBase: typeof arithmetic = (request) =>
  request.body.model === 'base' &&
  request.body.n === undefined &&
  request.body.messages.length === 1 &&
  request.body['temperature'] === 0
    ? { text: 'no idea' }
    : arithmetic(request);

test('only a passed gate promotes, and its row has all it takes to come to it again', async () => {
  const made = await start({ script: wrongBase });
  tasks(made, [...TRAIN, ...MANY]);
  const cycle = await runCycle(made.learner, { tasks: TRAIN, heldout: MANY });
  const own = gatesOwn(MANY).length;
  expect(cycle).toMatchObject({ state: 'done', stage: 'promote' });
  expect(cycle.note).toMatch(
    new RegExp(`^version 1: better: ${own} of the ${own} tasks that changed were won, .* on the gate's own tasks$`),
  );
  expect(servingVersion(made.store.db, GYRE_POLICY)).toBe(1);
  const decisions = decisionsOf(made.store.db, GYRE_POLICY, 10, 1);
  expect(decisions.map((decision) => decision.kind)).toEqual(['promotion', 'gate', 'parity']);
  const numbers = decisions[1]?.numbers ?? {};
  expect(numbers).toMatchObject({ candidate: { accuracy: 1, n: own }, serving: { accuracy: 0 }, tasks: own });
  expect(recompute(numbers)).toEqual({ decided: true, passed: true, reason: decisions[1]?.reason, numbers });
  expect(verify(made.store.db)).toMatchObject({ ok: true });

  const back = await rollback(made.learner, made.learner.trainer ?? expect.fail('no trainer'), 'test');
  expect(back).toMatchObject({ version: 2, kind: 'rollback', copyOf: 0 });
  expect(servingVersion(made.store.db, GYRE_POLICY)).toBe(2);
  expect(headVersion(made.store.db, GYRE_POLICY)).toBe(2);
  // It was better than version 0, and version 2 serves now.
  await expect(promote(made.learner, 1)).rejects.toMatchObject({
    status: 409,
    code: 'gate_not_passed',
    message: expect.stringMatching(/better than version 0, and version 2 serves now/) as string,
  });
});

test('equal versions are refused by the gate, and a refused version cannot be promoted by hand', async () => {
  const made = await start();
  tasks(made, [...TRAIN, ...MANY]);
  const cycle = await runCycle(made.learner, { tasks: TRAIN, heldout: MANY });
  expect(cycle).toMatchObject({ state: 'done', stage: 'gate' });
  expect(servingVersion(made.store.db, GYRE_POLICY)).toBe(0);
  const [decision] = decisionsOf(made.store.db, GYRE_POLICY, 1, 1);
  expect(recompute(decision?.numbers ?? {})).toMatchObject({ passed: false, reason: decision?.reason });
  await expect(promote(made.learner, 1)).rejects.toThrow(/has not passed the gate/);
  await expect(promote(made.learner, 9)).rejects.toMatchObject({
    status: 404,
    code: 'version_not_found',
    message: 'there is no version 9; versions are 1',
  });
});

test('a candidate that is not answered is wrong: with too many such tasks there is no decision', async () => {
  const made = await start({
    script: (request) =>
      request.body.model !== 'base' && request.body['temperature'] === 0 && request.body.n === undefined
        ? { status: 400 }
        : wrongBase(request),
  });
  tasks(made, [...TRAIN, ...MANY]);
  const cycle = await runCycle(made.learner, { tasks: TRAIN, heldout: MANY });
  expect(cycle).toMatchObject({ state: 'done', stage: 'evaluate' });
  expect(cycle.note).toMatch(/^version 1: no decision: the candidate answered 0 of \d+ tasks/);
  expect(decisionsOf(made.store.db, GYRE_POLICY, 10).map(({ kind }) => kind)).toEqual(['parity']);
});

test('a test that is stopped goes on with what is on record, and a decision is made once', async () => {
  const made = await start({ script: wrongBase });
  tasks(made, [...TRAIN, ...MANY]);
  const greedy = (): number =>
    made.engine.requests.filter(({ body }) => body['temperature'] === 0 && body.n === undefined).length;
  const { evaluations } = made.learner.rows;
  const stopped = {
    ...made.learner,
    rows: {
      ...made.learner.rows,
      evaluations: {
        ...evaluations,
        save: async (answers: Parameters<typeof evaluations.save>[0]) => {
          await evaluations.save(answers);
          made.stopping.abort();
        },
      },
    },
  };
  await expect(runCycle(stopped, { tasks: TRAIN, heldout: MANY })).rejects.toThrow();
  expect(runningCycle(made.store.db, GYRE_POLICY)?.stage).toBe('evaluate');
  const before = greedy();
  const again = { ...made.learner, signal: new AbortController().signal };
  // Killed again, between the promotion's row and the cycle's.
  const killing = new AbortController();
  const decided = (): Promise<void> => {
    killing.abort();
    return Promise.reject(new Error('killed'));
  };
  const killed = { ...again, decided, signal: killing.signal };
  await expect(runCycle(killed, { heldout: MANY })).rejects.toThrow();
  expect(servingVersion(made.store.db, GYRE_POLICY)).toBe(1);
  const cycle = await runCycle(again, { heldout: MANY });
  expect(cycle).toMatchObject({ state: 'done', stage: 'promote', note: expect.stringMatching(/^version 1: better/) });
  expect(greedy()).toBe(before);
  expect(decisionsOf(made.store.db, GYRE_POLICY, 10).map(({ kind }) => kind)).toEqual(['promotion', 'gate', 'parity']);
});

test('an alarm about the update holds a better candidate back', async () => {
  const made = await start({ script: wrongBase });
  tasks(made, [...TRAIN, ...MANY]);
  const { versions } = made.learner.rows;
  const alarmed = {
    ...made.learner,
    rows: {
      ...made.learner.rows,
      versions: { ...versions, updates: (version: number) => Promise.resolve([updateWith(version)]) },
    },
  };
  const cycle = await runCycle(alarmed, { tasks: TRAIN, heldout: MANY });
  expect(cycle).toMatchObject({ stage: 'gate', note: expect.stringMatching(/held back by an alarm: kl_base$/) });
  expect(servingVersion(made.store.db, GYRE_POLICY)).toBe(0);
});

function updateWith(version: number): Update {
  return { version, numbers: {}, alarms: alarmsOf({ kl_base: 2 }) };
}

test('a head that went on for long without a gate waits for one, and is gated before it is trained on', async () => {
  const made = await start({ script: wrongBase });
  const { rows } = made.learner;
  tasks(made, [...TRAIN, ...MANY]);
  for (let version = 1; version <= 16; version += 1) {
    expect(await rows.versions.ungated()).toBe(version - 1);
    await rows.versions.save({
      ...{ version, kind: 'trained', parent: version - 1, batchId: `bat-${version}`, metrics: {}, createdAt: version },
    });
  }
  made.trainer.head = 16;
  const waits = await runCycle(made.learner, { tasks: TRAIN, heldout: [] });
  expect(waits).toMatchObject({ state: 'skipped' });
  expect(waits.note).toBe(
    'nothing is trained: the head, version 16, is 16 updates from the last gate; add held-out tasks (learning.heldout)',
  );
  expect(await runCycle(made.learner, { heldout: MANY, gate: false })).toMatchObject({ state: 'skipped' });
  expect(made.trainer.applied).toEqual([]);

  const gated = await runCycle(made.learner, { tasks: TRAIN, heldout: MANY });
  expect(gated).toMatchObject({ state: 'done', stage: 'promote' });
  expect(gated.note).toMatch(/^version 16: better/);
  expect([await rows.versions.serving(), await rows.versions.ungated()]).toEqual([16, 0]);
  expect(made.trainer.applied).toEqual([]);
  expect(await runCycle(made.learner, { tasks: TRAIN, heldout: [] })).toMatchObject({ state: 'done', baseVersion: 16 });
  expect(await rows.versions.ungated()).toBe(1);
  await rollback(made.learner, made.learner.trainer ?? expect.fail('no trainer'), 'test');
  expect(await rows.versions.ungated()).toBe(0);
});

/** Sixteen updates without a gate. */
async function waiting(made: Bench): Promise<void> {
  tasks(made, [...TRAIN, ...MANY]);
  for (let version = 1; version <= 16; version += 1)
    await made.learner.rows.versions.save({
      ...{ version, kind: 'trained', parent: version - 1, batchId: `bat-${version}`, metrics: {}, createdAt: version },
    });
  made.trainer.head = 16;
}

test('a waiting head that cannot be evaluated is given up, and learning goes on', async () => {
  const made = await start({ script: wrongBase });
  const { rows } = made.learner;
  await waiting(made);
  const parity = {
    kind: 'parity',
    version: 16,
    against: 15,
    passed: false,
    reason: 'they differ',
    numbers: {},
  } as const;
  await rows.decisions.add(parity);
  const waits = await runCycle(made.learner, { tasks: TRAIN, heldout: MANY });
  expect(waits).toMatchObject({ state: 'skipped' });
  expect(waits.note).toMatch(/it cannot be evaluated: they differ; training goes on from version 0, which serves$/);
  expect([await rows.versions.head(), await rows.versions.ungated(), made.trainer.head]).toEqual([0, 0, 0]);
  const next = await runCycle(made.learner, { tasks: TRAIN, heldout: MANY });
  expect(next).toMatchObject({ state: 'done', baseVersion: 0 });
});

test('so is one that alone cannot answer, but not while nobody can', async () => {
  const made = await start();
  const { rows } = made.learner;
  await waiting(made);
  const unable = (of: (model: string) => boolean): void => {
    made.engine.script = (request) =>
      of(request.body.model) && request.body['temperature'] === 0 && request.body.n === undefined
        ? { status: 400 }
        : arithmetic(request);
  };
  unable(() => true);
  const away = await runCycle(made.learner, { heldout: MANY });
  expect(away.note).toMatch(/is 16 updates from the last gate: no decision: the candidate answered 0 of/);
  expect(await rows.versions.head()).toBe(16);
  unable((model) => model !== 'base');
  const alone = await runCycle(made.learner, { heldout: MANY });
  expect(alone.note).toMatch(
    /no decision: the candidate answered 0 of .*; training goes on from version 0, which serves$/,
  );
  expect([await rows.versions.head(), made.trainer.head]).toEqual([0, 0]);
  expect((await rows.decisions.newest(9)).map(({ kind }) => kind)).toEqual(['head_reset']);
});
