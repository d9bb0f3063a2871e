/** Several policies in one data folder: each has rows of its own, and what is done to the folder is done for all. */
import { expect, test } from 'vitest';

import type { Batch } from '../../../src/core/learning/batch.js';
import type { Cycle } from '../../../src/core/learning/cycle.js';
import { GYRE_POLICY } from '../../../src/core/learning/policy_name.js';
import type { Sample } from '../../../src/core/learning/sample.js';
import type { Db } from '../../../src/store/file/db.js';
import {
  batchById,
  batchOf,
  moveBatch,
  openBatches,
  promisedVersion,
  saveBatch,
  stepsInBatch,
} from '../../../src/store/learning/batches.js';
import { claim, claimed, unclaim } from '../../../src/store/learning/claims.js';
import {
  countCycles,
  cycleById,
  cyclesOf,
  moveCycle,
  runningCycle,
  saveCycle,
  statesOfKey,
} from '../../../src/store/learning/cycles.js';
import {
  decide,
  decisionsAbout,
  decisionsOf,
  headVersion,
  servingVersion,
} from '../../../src/store/learning/decisions.js';
import { evaluationOf, saveEvaluation } from '../../../src/store/learning/evaluations.js';
import { ruleOf } from '../../../src/filter/filter.js';
import { samplesOf, saveSamples } from '../../../src/store/learning/samples.js';
import { lastUpdate, updateOf } from '../../../src/store/learning/updates.js';
import {
  allVersions,
  hasVersion,
  policiesIn,
  saveVersion,
  countVersions,
  versionsOf,
} from '../../../src/store/learning/versions.js';
import {
  keptWeights,
  saveRemovedWeights,
  versionsWithWeights,
  weightsRemoved,
} from '../../../src/store/learning/weights.js';
import { fold } from '../../../src/store/states/fold.js';
import { openStates } from '../../../src/store/states/open_states.js';
import { visited } from '../../../src/store/states/visits.js';
import { verify } from '../../../src/store/proof/verify.js';
import { deletionOf } from '../../../src/store/read/deletion.js';
import { readStep } from '../../../src/store/read/lineage.js';
import { removeTrajectory } from '../../../src/store/read/remove.js';
import { Choice } from '../../../src/store/retention/choose.js';
import { answer, opened, type Opened, opening, user } from '../fixture.js';

const OTHER = 'other';

async function asked({ log }: Opened, words = 'q'): Promise<{ step: string; trajectory: string }> {
  const { steps, recording } = await answer(log, opening([user(words)], { asker: { keyId: 'key-a', consent: true } }), [
    { text: 'Well.', prompt: [1, 2, 3], ids: [4] },
  ]);
  return { step: steps[0]?.id ?? '', trajectory: recording.trajectoryId };
}

const cycle = (id: string): Cycle => ({
  ...{ id, state: 'running', stage: 'batch', mode: 'resample', filter: 'prefix', baseVersion: 0 },
  ...{ counts: {}, note: '', startedAt: 1, updatedAt: 1 },
});

const sampleOf = (id: string, cycleId: string, stepId: string): Sample => ({
  ...{ id, cycleId, stepId, policyVersion: 0, text: 'Hm.', calls: [], promptTokenIds: [1, 2, 3], tokenIds: [5] },
  ...{ logprobs: [-1], temperature: 1, cut: false, createdAt: 1 },
});

const batchNamed = (id: string, target: number): Batch =>
  ({
    ...{ batch_id: id, base_version: target - 1, target_version: target, tree: { tokens: [9], parent: [-1] } },
    ...{ actions: [{}], counts: {} },
  }) as unknown as Batch;

/** A cycle of a policy from its claim to a batch that the trainer has, of one step that was logged. */
function learns(db: Db, policy: string, step: string, target = 1): { cycleId: string; batchId: string } {
  const [cycleId, batchId] = [`cyc-${policy}-${target}`, `bat-${policy}-${target}`];
  saveCycle(db, policy, cycle(cycleId));
  expect(claim(db, policy, cycleId, 'resample', [{ stepId: step, same: [] }])).toEqual([step]);
  saveSamples(db, policy, [sampleOf(`smp-${policy}-${target}`, cycleId, step)]);
  expect(
    saveBatch(db, policy, cycleId, batchNamed(batchId, target), [{ itemId: step, stepId: step, advantage: 1 }]),
  ).toBe(true);
  moveBatch(db, policy, batchId, 'sent');
  return { cycleId, batchId };
}

function makes(db: Db, policy: string, version: number, batchId: string): void {
  moveBatch(db, policy, batchId, 'applied');
  saveVersion(db, policy, {
    ...{ version, kind: 'trained', parent: version - 1, batchId, metrics: { loss: version }, createdAt: version },
  });
}

/** Steps at whose states it may draw. */
function openIn(db: Db, policy: string): string[] {
  const [mode, head] = ['resample', headVersion(db, policy) + 1] as const;
  while (fold(db, policy, ruleOf('none', mode, head)));
  const seed = policy;
  return openStates(db, policy, { mode, head, reuse: 1, limit: 10, perTrajectory: 2, seed }).map(
    ({ stepId }) => stepId,
  );
}

/** Everything that a policy can ask for. */
function seen(
  db: Db,
  policy: string,
  step: string,
  cycleId: string,
  batchId: string,
): Readonly<Record<string, unknown>> {
  return {
    versions: allVersions(db, policy),
    listed: versionsOf(db, policy, 10),
    byKey: [undefined, 'key-a'].map((key) => countVersions(db, policy, key)),
    has: hasVersion(db, policy, 1),
    update: [updateOf(db, policy, 1), lastUpdate(db, policy)],
    serving: servingVersion(db, policy),
    head: headVersion(db, policy),
    decisions: [decisionsOf(db, policy, 10), decisionsOf(db, policy, 10, 1), decisionsAbout(db, policy, [1])],
    weights: [keptWeights(db, policy), versionsWithWeights(db, policy), weightsRemoved(db, policy)],
    cycles: [cyclesOf(db, policy, 10), cyclesOf(db, policy, 10, undefined, 'key-a'), countCycles(db, policy)],
    cycle: [cycleById(db, policy, cycleId), runningCycle(db, policy), statesOfKey(db, policy, cycleId, 'key-a')],
    claimed: claimed(db, policy, cycleId),
    samples: samplesOf(db, policy, cycleId),
    batch: [batchOf(db, policy, cycleId), batchById(db, policy, batchId), stepsInBatch(db, policy, batchId)],
    open: openBatches(db, policy),
    promised: promisedVersion(db, policy),
    evaluation: evaluationOf(db, policy, 1, 'set'),
    candidates: openIn(db, policy),
    lineage: readStep(db, policy, step)?.lineage,
  };
}

test('what one policy has learned is nothing to another, whatever it asks for', async () => {
  const gyre = opened();
  const { db } = gyre.store;
  const { step } = await asked(gyre);
  const look = (): unknown => seen(db, OTHER, step, `cyc-${GYRE_POLICY}-1`, `bat-${GYRE_POLICY}-1`);
  const before = look();
  const { batchId } = learns(db, GYRE_POLICY, step);
  visited(db, GYRE_POLICY, [{ stepId: step, version: 0 }]);
  expect(look()).toEqual(before);
  makes(db, GYRE_POLICY, 1, batchId);
  decide(db, GYRE_POLICY, { kind: 'gate', version: 1, against: 0, passed: true, reason: 'better', numbers: {} });
  decide(db, GYRE_POLICY, { kind: 'promotion', version: 1, against: 0, passed: true, reason: 'better', numbers: {} });
  saveEvaluation(db, GYRE_POLICY, { id: 'evl-1', version: 1, taskSet: 'set', results: [], createdAt: 1 });
  saveRemovedWeights(db, GYRE_POLICY, { version: 1, reason: 'old', createdAt: 1 });
  expect(look()).toEqual(before);
  expect(before).toMatchObject({ versions: [], serving: 0, head: 0, candidates: [step], lineage: { samples: [] } });
  expect(seen(db, GYRE_POLICY, step, `cyc-${GYRE_POLICY}-1`, batchId)).toMatchObject({
    serving: 1,
    head: 1,
    candidates: [],
    lineage: { samples: [{ id: 'smp-gyre-1' }], batches: [{ id: batchId }], versions: [{ version: 1 }] },
  });
});

test('each has its own version 1, head, serving version, cycle and batch, and its claim of the same step', async () => {
  const gyre = opened();
  const { db } = gyre.store;
  const { step } = await asked(gyre);
  for (const policy of [GYRE_POLICY, OTHER]) {
    const { cycleId, batchId } = learns(db, policy, step);
    expect(runningCycle(db, policy)?.id).toBe(cycleId);
    expect(openBatches(db, policy).map(({ id }) => id)).toEqual([batchId]);
    makes(db, policy, 1, batchId);
    decide(db, policy, { kind: 'promotion', version: 1, against: 0, passed: true, reason: policy, numbers: {} });
    saveEvaluation(db, policy, { id: `evl-${policy}`, version: 1, taskSet: 'set', results: [], createdAt: 1 });
  }
  saveVersion(db, OTHER, { version: 2, kind: 'rollback', parent: 1, copyOf: 0, metrics: {}, createdAt: 9 });
  decide(db, OTHER, { kind: 'rollback', version: 2, against: 1, passed: true, reason: 'by hand', numbers: {} });
  expect([servingVersion(db, GYRE_POLICY), headVersion(db, GYRE_POLICY)]).toEqual([1, 1]);
  expect([servingVersion(db, OTHER), headVersion(db, OTHER)]).toEqual([2, 2]);
  expect(allVersions(db, GYRE_POLICY).map(({ version, batchId }) => [version, batchId])).toEqual([[1, 'bat-gyre-1']]);
  expect(allVersions(db, OTHER).map(({ version }) => version)).toEqual([1, 2]);
  expect(decisionsOf(db, GYRE_POLICY, 10).map(({ reason }) => reason)).toEqual([GYRE_POLICY]);
  expect(evaluationOf(db, OTHER, 1, 'set')?.id).toBe('evl-other');
  expect(policiesIn(db)).toEqual([GYRE_POLICY, OTHER]);
  expect(verify(db)).toMatchObject({ ok: true, counts: { decisions: 3 } });
});

test('a policy moves, releases and refuses only its own', async () => {
  const gyre = opened();
  const { db } = gyre.store;
  const { step } = await asked(gyre);
  const { cycleId, batchId } = learns(db, GYRE_POLICY, step);
  expect(() => moveCycle(db, OTHER, cycleId, { state: 'done' })).toThrow(/no cycle cyc-gyre-1 of the policy other/);
  expect(() => moveBatch(db, OTHER, batchId, 'failed')).toThrow(/no batch bat-gyre-1 of the policy other/);
  moveBatch(db, GYRE_POLICY, batchId, 'failed');
  unclaim(db, OTHER, cycleId);
  expect(claimed(db, GYRE_POLICY, cycleId).map(({ stepId }) => stepId)).toEqual([step]);
  expect(claim(db, GYRE_POLICY, 'cyc-2', 'resample', [{ stepId: step, same: [] }])).toEqual([]);
  unclaim(db, GYRE_POLICY, cycleId);
  expect(claimed(db, GYRE_POLICY, cycleId)).toEqual([]);
  saveVersion(db, OTHER, { version: 5, kind: 'trained', parent: 0, batchId: 'bat-x', metrics: {}, createdAt: 1 });
  saveVersion(db, GYRE_POLICY, { version: 1, kind: 'trained', parent: 0, batchId: 'bat-y', metrics: {}, createdAt: 1 });
  expect(() =>
    saveVersion(db, OTHER, { version: 5, kind: 'trained', parent: 0, batchId: 'bat-z', metrics: {}, createdAt: 1 }),
  ).toThrow(/version 5 is there already/);
});

test('one item stands in one batch of a policy, and in one of each', async () => {
  const gyre = opened();
  const { db } = gyre.store;
  const { step } = await asked(gyre);
  learns(db, GYRE_POLICY, step);
  learns(db, OTHER, step);
  expect(() =>
    saveBatch(db, OTHER, 'cyc-2', batchNamed('bat-2', 2), [{ itemId: step, stepId: step, advantage: 1 }]),
  ).toThrow(/UNIQUE/);
});

test('a deletion takes out what every policy made of it, and says to each what that was', async () => {
  const gyre = opened();
  const { db, sqlite } = gyre.store;
  const { step, trajectory } = await asked(gyre);
  const own = learns(db, GYRE_POLICY, step);
  makes(db, GYRE_POLICY, 1, own.batchId);
  saveVersion(db, OTHER, { version: 1, kind: 'trained', parent: 0, batchId: 'bat-old', metrics: {}, createdAt: 1 });
  const others = learns(db, OTHER, step, 2);
  makes(db, OTHER, 2, others.batchId);
  saveVersion(db, OTHER, { version: 3, kind: 'trained', parent: 2, batchId: 'bat-new', metrics: {}, createdAt: 4 });
  const sent = learns(db, 'third', step, 7);

  const told = { id: trajectory, deleted: true };
  expect(removeTrajectory(db, GYRE_POLICY, trajectory)).toEqual({
    ...told,
    ...{ batches: [own.batchId], versions: [1], pending: [] },
  });
  const later = { ...told, batches: [others.batchId], versions: [2, 3], pending: [] };
  expect(deletionOf(db, OTHER, trajectory)).toMatchObject(later);
  expect(deletionOf(db, 'third', trajectory)).toMatchObject({
    ...{ batches: [sent.batchId], versions: [], pending: [{ batch_id: sent.batchId, version: 7 }] },
  });
  expect(deletionOf(db, 'fourth', trajectory)).toMatchObject({ batches: [], versions: [], pending: [] });
  expect(sqlite.prepare('SELECT batches, versions FROM deletions').get()).toEqual({
    batches: JSON.stringify([own.batchId, others.batchId, sent.batchId].sort()),
    versions: '[1,["other",2],["other",3]]',
  });
  const left = ['samples', 'cycle_steps', 'steps'].map(
    (table) => sqlite.prepare<[], { n: number }>(`SELECT count(*) AS n FROM ${table}`).get()?.n,
  );
  expect(left).toEqual([0, 0, 0]);
  expect([GYRE_POLICY, OTHER].map((policy) => batchById(db, policy, `bat-${policy}-1`)?.batch.actions)).toEqual([
    [],
    undefined,
  ]);
  makes(db, 'third', 7, sent.batchId);
  expect(deletionOf(db, 'third', trajectory)).toMatchObject({ versions: [7], pending: [] });
  expect(sqlite.prepare('SELECT id, policy FROM deletion_versions').all()).toEqual([
    { id: `del-${trajectory}:third:7`, policy: 'third' },
  ]);
  expect(verify(db)).toMatchObject({ ok: true });
});

test('what any policy serves has served is kept where promoted is kept, and only by its own lineage', async () => {
  const gyre = opened();
  const { db } = gyre.store;
  const kept = await asked(gyre, 'of the other');
  const free = await asked(gyre, 'of gyre');
  const second = await asked(gyre, 'of gyre, and promoted');
  // Version 1 of the other serves; version 1 of gyre has the same number and does not.
  makes(db, OTHER, 1, learns(db, OTHER, kept.step).batchId);
  decide(db, OTHER, { kind: 'promotion', version: 1, against: 0, passed: true, reason: 'better', numbers: {} });
  makes(db, GYRE_POLICY, 1, learns(db, GYRE_POLICY, free.step).batchId);
  saveCycle(db, GYRE_POLICY, cycle('cyc-2'));
  saveBatch(db, GYRE_POLICY, 'cyc-2', batchNamed('bat-2', 2), [
    { itemId: second.step, stepId: second.step, advantage: 1 },
  ]);
  moveBatch(db, GYRE_POLICY, 'bat-2', 'sent');
  moveBatch(db, GYRE_POLICY, 'bat-2', 'applied');
  saveVersion(db, GYRE_POLICY, { version: 2, kind: 'trained', parent: 0, batchId: 'bat-2', metrics: {}, createdAt: 2 });
  decide(db, GYRE_POLICY, { kind: 'promotion', version: 2, against: 0, passed: true, reason: 'better', numbers: {} });
  for (const policy of [GYRE_POLICY, OTHER])
    for (const { id, state } of cyclesOf(db, policy, 10))
      if (state === 'running') moveCycle(db, policy, id, { state: 'done' });

  const inAnHour = Date.now() + 3_600_000;
  expect([...new Choice(db, ['promoted']).all(inAnHour)].map(({ id }) => id)).toEqual([free.trajectory]);
  expect([...new Choice(db, []).all(inAnHour)].map(({ id }) => id)).toEqual([
    kept.trajectory,
    free.trajectory,
    second.trajectory,
  ]);
});
