/** What a key has given to cycles and batches is counted with their rows, and is theirs whatever happens to them. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { expect, test } from 'vitest';

import { assemble, hyperDefaults } from '../../../src/batch/assemble.js';
import { GYRE_POLICY } from '../../../src/core/learning/policy_name.js';
import { addKey } from '../../../src/store/keys/keys.js';
import { moveBatch, saveBatch } from '../../../src/store/learning/batches.js';
import { claim } from '../../../src/store/learning/claims.js';
import { cyclesOf, saveCycle, statesOfKey } from '../../../src/store/learning/cycles.js';
import { countVersions, saveVersion, versionsOf } from '../../../src/store/learning/versions.js';
import { verify } from '../../../src/store/proof/verify.js';
import { removeTrajectory } from '../../../src/store/read/remove.js';
import { DAY_MS, Pruner } from '../../../src/store/retention/prune.js';
import { answer, opened, opening, user } from '../fixture.js';

function world() {
  const gyre = opened();
  const { db, sqlite } = gyre.store;
  const [ann = '', bob = ''] = ['ann', 'bob'].map((name) => addKey(db, { name }).key.id);
  const said = async (keyId: string, words: string, at = Date.now()) => {
    const asked = opening([user(words)], { asker: { keyId, consent: true }, at });
    const { steps, recording } = await answer(gyre.log, asked, [{ text: 'Yes.', prompt: [1, 2], ids: [3] }]);
    return { stepId: steps[0]?.id ?? expect.fail('no step'), trajectoryId: recording.trajectoryId };
  };
  /** A cycle that takes these steps up, and its batch. */
  const batch = (version: number, stepIds: readonly string[]): string => {
    const [id, batchId] = [`cyc-${version}`, `bat-${version}`];
    const base = { mode: 'resample' as const, baseVersion: version - 1 };
    const row = { ...base, id, stage: 'filter' as const, filter: 'none' as const, counts: {}, note: '' };
    saveCycle(db, GYRE_POLICY, { ...row, state: 'done', startedAt: version, updatedAt: version });
    const claims = stepIds.map((stepId) => ({ stepId, same: [] }));
    claim(db, GYRE_POLICY, id, 'resample', claims);
    const examples = stepIds.map((stepId) => ({
      ...{ id: `${batchId}-${stepId}`, stepId, trajectoryId: stepId, promptTokenIds: [1, 2], tokenIds: [3] },
      ...{ logprobs: [-0.5], temperature: 1, advantage: 0.5 },
    }));
    const hyper = hyperDefaults('resample', undefined, 0);
    const made = assemble({ ...base, batchId, targetVersion: version, templateHash: 't', hyper }, examples);
    const items = examples.map(({ id: itemId, stepId, advantage }) => ({ itemId, stepId, advantage }));
    expect(saveBatch(db, GYRE_POLICY, id, made, items)).toBe(true);
    return batchId;
  };
  const trains = (version: number, batchId: string): void => {
    for (const state of ['sent', 'applied'] as const) moveBatch(db, GYRE_POLICY, batchId, state);
    saveVersion(db, GYRE_POLICY, {
      ...{ version, kind: 'trained', parent: version - 1, batchId, metrics: {}, createdAt: version },
    });
  };
  const seen = (keyId: string) => ({
    versions: countVersions(db, GYRE_POLICY, keyId),
    listed: versionsOf(db, GYRE_POLICY, 10, undefined, keyId).map(({ version }) => version),
    cycles: cyclesOf(db, GYRE_POLICY, 10, undefined, keyId).map(({ id }) => [
      id,
      statesOfKey(db, GYRE_POLICY, id, keyId),
    ]),
  });
  const counted = () =>
    ['given_states', 'given_items'].flatMap((table) => sqlite.prepare(`SELECT * FROM ${table} ORDER BY 1, 2, 3`).all());
  return { db, ann, bob, said, batch, trains, seen, counted };
}
const NOTHING = { versions: 0, listed: [], cycles: [] };

test('a key sees the versions and cycles that it gave to, and how much', async () => {
  const { db, ann, bob, said, batch, trains, seen } = world();
  const [one, two, three] = [await said(ann, 'one'), await said(ann, 'two'), await said(bob, 'three')];
  trains(1, batch(1, [one.stepId, three.stepId]));
  batch(2, [two.stepId]);
  expect(seen(ann)).toEqual({
    versions: 1,
    listed: [1],
    cycles: [
      ['cyc-2', 1],
      ['cyc-1', 1],
    ],
  });
  expect(seen(bob)).toEqual({ versions: 1, listed: [1], cycles: [['cyc-1', 1]] });
  expect(seen('key-of-nobody')).toEqual(NOTHING);
  expect(countVersions(db, GYRE_POLICY)).toBe(1);
});

test('a log of before they were counted has the same counts', async () => {
  const { db, ann, bob, said, batch, trains, counted } = world();
  const [one, two] = [await said(ann, 'one'), await said(bob, 'two')];
  trains(1, batch(1, [one.stepId, two.stepId]));
  batch(2, [(await said(ann, 'three')).stepId]);
  const before = counted();
  expect(before).toHaveLength(6);
  const folder = join(import.meta.dirname, '..', '..', '..', 'migrations');
  const file = readdirSync(folder).find((name) => name.endsWith('_given.sql')) ?? expect.fail('no migration');
  const statements = readFileSync(join(folder, file), 'utf8').split('--> statement-breakpoint');
  db.$client.exec('DELETE FROM given_states; DELETE FROM given_items');
  for (const each of statements) if (/^\s*INSERT /.test(each)) db.$client.exec(each);
  expect(counted()).toEqual(before);
});

test('a batch that fails was given nothing, and what is deleted or pruned gave nothing', async () => {
  const { db, ann, bob, said, batch, trains, seen, counted } = world();
  const [one, two] = [await said(ann, 'one'), await said(bob, 'two', Date.now() - 40 * DAY_MS)];
  trains(1, batch(1, [one.stepId, two.stepId]));
  const third = await said(ann, 'three');
  moveBatch(db, GYRE_POLICY, batch(2, [third.stepId]), 'failed');
  expect(seen(ann)).toMatchObject({
    versions: 1,
    cycles: [
      ['cyc-2', 1],
      ['cyc-1', 1],
    ],
  });
  removeTrajectory(db, GYRE_POLICY, one.trajectoryId);
  expect(seen(ann)).toEqual({ ...NOTHING, cycles: [['cyc-2', 1]] });
  expect(seen(bob)).toMatchObject({ versions: 1 });
  const pruner = new Pruner(db, { days: 30, keep: [] }, Date.now, true);
  while (pruner.slice() !== undefined);
  expect(seen(bob)).toEqual(NOTHING);
  removeTrajectory(db, GYRE_POLICY, third.trajectoryId);
  expect(counted()).toEqual([]);
  expect(verify(db)).toMatchObject({ ok: true });
});
