import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import Database from 'better-sqlite3';
import { expect, test, vi } from 'vitest';

import type { Batch } from '../../../src/core/learning/batch.js';
import { GYRE_POLICY } from '../../../src/core/learning/policy_name.js';
import { saveCycle } from '../../../src/store/learning/cycles.js';
import { packU32 } from '../../../src/store/file/tokens.js';
import { saveVersion } from '../../../src/store/learning/versions.js';
import { batchOf, saveBatch } from '../../../src/store/learning/batches.js';
import { saveSamples } from '../../../src/store/learning/samples.js';
import { saveVerdicts } from '../../../src/store/learning/verdicts.js';
import { verify } from '../../../src/store/proof/verify.js';
import { addFeedback } from '../../../src/store/read/feedback.js';
import { removeTrajectory } from '../../../src/store/read/remove.js';
import { readTrajectory } from '../../../src/store/read/trajectories.js';
import { action, answer, call, DONE, opened, opening, stepOf, system, temporaryFolder, user } from '../fixture.js';

const SECRET = 'xyzzy-hunter2-plugh';
const SECRET_IDS = Array.from({ length: 24 }, (_, at) => 1_234_567 + at * 977);

/** Files of the folder that hold any of the needles. */
function holding(folder: string, needles: readonly (string | Buffer)[]): string[] {
  return readdirSync(folder).filter((file) =>
    needles.some((needle) => readFileSync(join(folder, file)).includes(needle)),
  );
}

test('a deleted trajectory is gone from every file, with all drawn from it, and verify still passes', async () => {
  const folder = temporaryFolder();
  const { store, log } = opened(folder);
  const { db } = store;
  const needles = [SECRET, packU32(SECRET_IDS), JSON.stringify(SECRET_IDS).slice(1, -1)];
  const other = await answer(log, opening([system('shared prompt'), user('harmless')]), [{ text: 'fine' }]);
  const asked = [system('shared prompt'), user(`remember ${SECRET}`)];
  const tools = [{ name: 'own', description: `for ${SECRET}` }];
  const recording = log.open(opening(asked, { metadata: { note: SECRET } }));
  const step = stepOf(
    asked,
    action(`I know ${SECRET}`, [], {
      reasoning: SECRET,
      promptTokenIds: SECRET_IDS,
      tokenIds: SECRET_IDS,
      logprobs: SECRET_IDS.map(() => -1),
    }),
    { tools },
  );
  void recording.step(step, { role: 'assistant', content: `I know ${SECRET}` });
  await recording.finish(DONE);
  const responseId =
    db.$client.prepare<[string], { id: string }>('SELECT response_id AS id FROM steps WHERE id = ?').get(step.id)?.id ??
    '';
  const follow = await answer(
    log,
    opening([...asked, { role: 'assistant', content: `I know ${SECRET}` }, user('Good')]),
    [{ text: '', asks: [{ call: call('c1', SECRET), gives: SECRET }] }, { text: 'yes' }],
  );
  expect(follow.recording.trajectoryId).toBe(recording.trajectoryId);
  addFeedback(db, { responseId, keyId: '', within: undefined, value: -1, comment: SECRET, demonstration: SECRET });
  saveSamples(db, GYRE_POLICY, [
    {
      id: 'smp-1',
      cycleId: 'cyc-1',
      stepId: step.id,
      policyVersion: 0,
      text: SECRET,
      calls: [],
      promptTokenIds: SECRET_IDS,
      tokenIds: SECRET_IDS,
      logprobs: SECRET_IDS.map(() => -1),
      temperature: 1,
      cut: false,
      createdAt: 1,
    },
  ]);
  saveVerdicts(db, [
    {
      id: 'vrd-1',
      subjectKind: 'step',
      subjectId: step.id,
      judge: 'rule',
      judgeVersion: '1',
      good: true,
      rationale: SECRET,
      createdAt: 1,
    },
    {
      id: 'vrd-2',
      subjectKind: 'sample',
      subjectId: 'smp-1',
      judge: 'rule',
      judgeVersion: '1',
      good: true,
      rationale: SECRET,
      createdAt: 1,
    },
    {
      id: 'vrd-3',
      subjectKind: 'trajectory',
      subjectId: recording.trajectoryId,
      judge: 'rule',
      judgeVersion: '1',
      good: true,
      rationale: SECRET,
      createdAt: 1,
    },
  ]);
  saveCycle(db, GYRE_POLICY, {
    id: 'cyc-1',
    state: 'running',
    stage: 'batch',
    mode: 'resample',
    filter: 'prefix',
    baseVersion: 0,
    counts: {},
    note: '',
    startedAt: 1,
    updatedAt: 1,
  });
  saveBatch(db, GYRE_POLICY, 'cyc-1', batchWith(SECRET_IDS), [{ itemId: 'smp-1', stepId: step.id, advantage: 0.5 }]);
  db.$client.exec(`UPDATE batches SET state = 'applied'`);
  saveVersion(db, GYRE_POLICY, { version: 1, kind: 'trained', parent: 0, batchId: 'bat-1', metrics: {}, createdAt: 1 });
  saveVersion(db, GYRE_POLICY, { version: 2, kind: 'trained', parent: 1, batchId: 'bat-2', metrics: {}, createdAt: 2 });
  saveVersion(db, GYRE_POLICY, { version: 3, kind: 'rollback', parent: 2, copyOf: 1, metrics: {}, createdAt: 3 });
  saveVersion(db, GYRE_POLICY, { version: 4, kind: 'rollback', parent: 3, copyOf: 0, metrics: {}, createdAt: 4 });
  expect(holding(folder, needles).length).toBeGreaterThan(0);

  expect(removeTrajectory(db, GYRE_POLICY, recording.trajectoryId)).toEqual({
    id: recording.trajectoryId,
    deleted: true,
    batches: ['bat-1'],
    versions: [1, 2, 3],
    pending: [],
  });
  expect(holding(folder, needles)).toEqual([]);
  expect(readTrajectory(db, recording.trajectoryId)).toBeUndefined();
  expect(removeTrajectory(db, GYRE_POLICY, recording.trajectoryId)).toBeUndefined();
  expect(verify(db).problems).toEqual([]);
  expect(batchOf(db, GYRE_POLICY, 'cyc-1')).toMatchObject({
    state: 'applied',
    batch: { batch_id: 'bat-1', actions: [] },
  });
  expect(readTrajectory(db, other.recording.trajectoryId)?.steps[0]?.action).toBe('fine');
});

test('a batch that was not sent yet is given up', async () => {
  const { store, log } = opened();
  const asked = await answer(log, opening([user('q')]), [{ text: 'a' }]);
  saveBatch(store.db, GYRE_POLICY, 'cyc-1', batchWith([1]), [
    { itemId: 'smp-1', stepId: asked.steps[0]?.id ?? '', advantage: 1 },
  ]);
  expect(removeTrajectory(store.db, GYRE_POLICY, asked.recording.trajectoryId)?.batches).toEqual(['bat-1']);
  expect(batchOf(store.db, GYRE_POLICY, 'cyc-1')).toMatchObject({ state: 'failed', batch: { actions: [] } });
});

test('messages another trajectory refers to stay, whichever of the two is deleted first', async () => {
  for (const first of [0, 1]) {
    const { store, log } = opened();
    const asked = [system('s'), user('q')];
    const base = await answer(log, opening(asked), [
      { text: 'see ', asks: [{ call: call('c', '1'), gives: '1' }] },
      { text: 'one' },
    ]);
    await answer(log, opening([...asked, base.turn, user('x')]), [{ text: 'X' }]);
    const branch = await answer(log, opening([...asked, base.turn, user('y')]), [{ text: 'Y' }]);
    const order = [base.recording.trajectoryId, branch.recording.trajectoryId];
    removeTrajectory(store.db, GYRE_POLICY, order[first] ?? '');
    expect(verify(store.db).problems).toEqual([]);
    expect(readTrajectory(store.db, order[1 - first] ?? '')?.steps.at(-1)?.action).toBe(first === 0 ? 'Y' : 'X');
    removeTrajectory(store.db, GYRE_POLICY, order[1 - first] ?? '');
    expect(verify(store.db).problems).toEqual([]);
    for (const table of ['messages', 'tool_sets', 'steps', 'responses', 'trajectories'])
      expect(store.sqlite.prepare(`SELECT count(*) AS n FROM ${table}`).get()).toEqual({ n: 0 });
  }
});

test('the log writes again what a deletion took from under it', async () => {
  const { store, log } = opened();
  const asked = [system('s'), user('q')];
  const one = await answer(log, opening(asked), [{ text: 'a' }]);
  removeTrajectory(store.db, GYRE_POLICY, one.recording.trajectoryId);
  const two = await answer(log, opening(asked), [{ text: 'a' }]);
  expect(two.kept).toBe(true);
  expect(verify(store.db).problems).toEqual([]);
  const three = await answer(log, opening([...asked, two.turn, user('more')]), [{ text: 'b' }]);
  expect(three.recording.trajectoryId).toBe(two.recording.trajectoryId);
});

test('a step in a trajectory after its deletion is not logged, and is no failure', async () => {
  const { store, log } = opened();
  const first = await answer(log, opening([user('q')]), [{ text: 'a' }]);
  const recording = log.open(opening([user('q'), first.turn, user('again')]));
  expect(recording.trajectoryId).toBe(first.recording.trajectoryId);
  removeTrajectory(store.db, GYRE_POLICY, first.recording.trajectoryId);
  expect(await recording.step(stepOf(recording.messages, action('b')), { role: 'assistant', content: 'b' })).toBe(
    false,
  );
  expect(await recording.finish(DONE)).toBe(false);
  expect(log.failures).toBe(0);
  expect(store.sqlite.prepare('SELECT count(*) AS n FROM messages').get()).toEqual({ n: 0 });
  expect(verify(store.db).problems).toEqual([]);
});

test('a branch that was open when its origin was deleted is logged whole', async () => {
  const { store, log } = opened();
  const first = await answer(log, opening([user('q')]), [
    { text: 'see ', asks: [{ call: call('c', '1'), gives: '1' }] },
    { text: 'one' },
  ]);
  await answer(log, opening([user('q'), first.turn, user('x')]), [{ text: 'X' }]);
  const branch = log.open(opening([user('q'), first.turn, user('y')]));
  removeTrajectory(store.db, GYRE_POLICY, first.recording.trajectoryId);
  expect(await branch.step(stepOf(branch.messages, action('Y')), { role: 'assistant', content: 'Y' })).toBe(true);
  expect(await branch.finish(DONE)).toBe(true);
  expect(verify(store.db).problems).toEqual([]);
});

test('a reader in the way delays the cleaning of the files but does not prevent it', async () => {
  const folder = temporaryFolder();
  const { store, log } = opened(folder);
  const asked = await answer(log, opening([user(SECRET)]), [{ text: 'a' }]);
  const reader = new Database(store.file, { readonly: true });
  reader.exec('BEGIN');
  reader.prepare('SELECT count(*) FROM messages').get();
  expect(removeTrajectory(store.db, GYRE_POLICY, asked.recording.trajectoryId)).toBeDefined();
  expect(holding(folder, [SECRET])).not.toEqual([]);
  reader.close();
  await vi.waitFor(() => expect(holding(folder, [SECRET])).toEqual([]), { timeout: 5_000, interval: 20 });
});

test('a key deletes only what is its own', async () => {
  const { store, log } = opened();
  const asked = await answer(log, opening([user('q')], { asker: { keyId: 'key-a', consent: true } }), [{ text: 'a' }]);
  expect(removeTrajectory(store.db, GYRE_POLICY, asked.recording.trajectoryId, 'key-b')).toBeUndefined();
  expect(removeTrajectory(store.db, GYRE_POLICY, asked.recording.trajectoryId, 'key-a')).toMatchObject({
    batches: [],
    versions: [],
  });
});

function batchWith(tokens: readonly number[]): Batch {
  return {
    schema: 'gyre.batch/1',
    batch_id: 'bat-1',
    mode: 'resample',
    base_version: 0,
    target_version: 1,
    model: { template_hash: '', max_token_id: 9 },
    hyper: {
      learning_rate: 1,
      epochs: 1,
      loss: 'cispo',
      ratio_cap: 1,
      ratio_floor: 0,
      kl_weight: 0,
      kl_bound: 1,
      sequence_veto: 0,
      grad_clip: 1,
      adam_betas: [0.9, 0.999],
      adam_eps: 1e-8,
      weight_decay: 0,
      normalise: 'token',
      rank: 8,
      alpha: 16,
      seed: 0,
    },
    tree: { tokens: [...tokens], parent: tokens.map((_, at) => at - 1) },
    actions: [{ id: 'smp-1', end: tokens.length - 1, length: 1, temperature: 1, advantage: 1, weight: 1 }],
    counts: { logical_tokens: tokens.length, distinct_tokens: tokens.length, actions: 1 },
  };
}
