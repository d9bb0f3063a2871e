import { statSync } from 'node:fs';

import { expect, test } from 'vitest';

import { assemble, hyperDefaults } from '../../../src/batch/assemble.js';
import { GYRE_POLICY } from '../../../src/core/learning/policy_name.js';
import type { Sample } from '../../../src/core/learning/sample.js';
import { packTree, unpackTree } from '../../../src/store/learning/packed_tree.js';
import { batchOf, saveBatch } from '../../../src/store/learning/batches.js';
import { samplesOf, saveSamples } from '../../../src/store/learning/samples.js';
import { packU32 } from '../../../src/store/file/tokens.js';
import { verify } from '../../../src/store/proof/verify.js';
import { removeTrajectory } from '../../../src/store/read/remove.js';
import { answer, opened, type Opened, opening, user } from '../fixture.js';

const GROUP = 8;
const ids = (length: number, seed: number): number[] => Array.from({ length }, (_, at) => (at * 7919 + seed) % 49_152);

const sample = (stepId: string, n: number, prompt: readonly number[]): Sample => ({
  id: `smp-${stepId}-${n}`,
  cycleId: 'cyc-1',
  stepId,
  policyVersion: 0,
  text: `answer ${n}`,
  calls: [],
  promptTokenIds: prompt,
  tokenIds: ids(20, n),
  logprobs: ids(20, n).map((id) => Math.fround(-(id + 1) / 1e5)),
  temperature: 1,
  cut: false,
  createdAt: n,
});

async function asked({ log }: Opened, prompt: readonly number[], words: string): Promise<string> {
  const { steps } = await answer(log, opening([user(words)]), [{ text: 'Well.', prompt, ids: [1, 2] }]);
  return steps[0]?.id ?? '';
}

test('samples are read back as they were saved, and a prompt that is its step’s own is not stored again', async () => {
  const gyre = opened();
  const prompt = ids(500, 3);
  const stepId = await asked(gyre, prompt, 'one');
  const saved = Array.from({ length: GROUP }, (_, n) => sample(stepId, n, prompt));
  saveSamples(gyre.store.db, GYRE_POLICY, saved);
  expect(samplesOf(gyre.store.db, GYRE_POLICY, 'cyc-1')).toEqual(saved.map((one) => ({ ...one })));
  const bytes = gyre.store.sqlite.prepare('SELECT sum(length(prompt_token_ids)) AS bytes FROM samples').get();
  expect(bytes).toEqual({ bytes: 0 });
});

test('a prompt that is not its step’s is stored once for all samples that have it', async () => {
  const gyre = opened();
  const stepId = await asked(gyre, ids(50, 3), 'one');
  const other = ids(60, 9);
  const saved = [sample(stepId, 0, ids(50, 3)), sample(stepId, 1, other), sample(stepId, 2, other)];
  saveSamples(gyre.store.db, GYRE_POLICY, saved);
  expect(samplesOf(gyre.store.db, GYRE_POLICY, 'cyc-1').map(({ promptTokenIds }) => promptTokenIds)).toEqual(
    saved.map(({ promptTokenIds }) => promptTokenIds),
  );
  const bytes = gyre.store.sqlite.prepare('SELECT sum(length(prompt_token_ids)) AS bytes FROM samples').get();
  expect(bytes).toEqual({ bytes: 4 * other.length });
  expect(verify(gyre.store.db).ok).toBe(true);
  gyre.store.sqlite.exec(`DELETE FROM samples WHERE id = 'smp-${stepId}-1'`);
  expect(verify(gyre.store.db).problems).toMatchObject([{ table: 'samples', id: `smp-${stepId}-2` }]);
});

test('a row of an earlier version has its prompt in itself, and is read all the same', async () => {
  const gyre = opened();
  const prompt = ids(30, 5);
  const stepId = await asked(gyre, prompt, 'one');
  const old = sample(stepId, 0, prompt);
  saveSamples(gyre.store.db, GYRE_POLICY, [old]);
  gyre.store.sqlite.prepare('UPDATE samples SET prompt_of = NULL, prompt_token_ids = ?').run(packU32(prompt));
  expect(samplesOf(gyre.store.db, GYRE_POLICY, 'cyc-1')).toEqual([old]);
});

test('a token tree comes back from its bytes as it was, whatever its shape', () => {
  const trees = [
    { tokens: [], parent: [] },
    { tokens: [5], parent: [-1] },
    { tokens: [1, 2, 3, 4, 5, 6], parent: [-1, 0, 1, 1, 0, -1] },
    { tokens: [4_294_967_295, 0, 7], parent: [-1, -1, -1] },
  ];
  for (const tree of trees) expect(unpackTree(packTree(tree))).toEqual(tree);
});

test('a cycle of 8,192-token prompts takes less than a tenth of the bytes that it took', async () => {
  const gyre = opened();
  const { db, sqlite } = gyre.store;
  const states = await Promise.all(
    [1, 2, 3, 4].map(async (n) => ({ stepId: await asked(gyre, ids(8_192, n), `ask ${n}`), prompt: ids(8_192, n) })),
  );
  const saved = states.flatMap(({ stepId, prompt }) =>
    Array.from({ length: GROUP }, (_, n) => sample(stepId, n, prompt)),
  );
  const examples = saved.map((one) => ({ ...one, trajectoryId: one.stepId, advantage: 0.5 }));
  const batch = assemble(
    {
      batchId: 'bat-1',
      mode: 'resample',
      baseVersion: 0,
      targetVersion: 1,
      templateHash: 'g1:t',
      hyper: hyperDefaults('resample', 1e-5, 0),
    },
    examples,
  );
  sqlite.pragma('wal_checkpoint(TRUNCATE)');
  const before = statSync(gyre.store.file).size;
  saveSamples(db, GYRE_POLICY, saved);
  saveBatch(
    db,
    GYRE_POLICY,
    'cyc-1',
    batch,
    examples.map(({ id, stepId, advantage }) => ({ itemId: id, stepId, advantage })),
  );
  sqlite.pragma('wal_checkpoint(TRUNCATE)');
  const now = statSync(gyre.store.file).size - before;
  // As it was: the prompt with each sample, and the batch as JSON.
  const then = saved.length * 4 * 8_192 + JSON.stringify(batch).length;
  expect(now).toBeLessThan(then / 10);
  expect(batchOf(db, GYRE_POLICY, 'cyc-1')?.batch).toEqual(batch);
});

test('a deletion empties the tree of a batch, too', async () => {
  const gyre = opened();
  const { db, sqlite } = gyre.store;
  const stepId = await asked(gyre, ids(40, 1), 'one');
  const batch = assemble(
    {
      batchId: 'bat-1',
      mode: 'resample',
      baseVersion: 0,
      targetVersion: 1,
      templateHash: 'g1:t',
      hyper: hyperDefaults('resample', 1e-5, 0),
    },
    [{ ...sample(stepId, 0, ids(40, 1)), trajectoryId: 't', advantage: 1 }],
  );
  saveBatch(db, GYRE_POLICY, 'cyc-1', batch, [{ itemId: 'smp-x', stepId, advantage: 1 }]);
  const { trajectoryId = '' } =
    sqlite.prepare<[], { trajectoryId: string }>('SELECT trajectory_id AS trajectoryId FROM steps').get() ?? {};
  removeTrajectory(db, GYRE_POLICY, trajectoryId);
  expect(batchOf(db, GYRE_POLICY, 'cyc-1')?.batch.tree).toEqual({ tokens: [], parent: [] });
  expect(sqlite.prepare('SELECT tree FROM batches').get()).toEqual({ tree: null });
});
