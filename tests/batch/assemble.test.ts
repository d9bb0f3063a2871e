import { readFileSync } from 'node:fs';

import fc from 'fast-check';
import { expect, test } from 'vitest';

import { assemble, hyperDefaults, type Example } from '../../src/batch/assemble.js';
import { TreeBuilder } from '../../src/batch/tree.js';
import { Batch, Hyper } from '../../src/core/learning/batch.js';
import { ConfigKeys } from '../../src/core/config.js';

const head = {
  batchId: 'bat-golden',
  mode: 'resample',
  baseVersion: 3,
  targetVersion: 4,
  templateHash: 'g1:template',
  hyper: hyperDefaults('resample', 2e-4, 7),
} as const;
const example = (
  id: string,
  stepId: string,
  promptTokenIds: number[],
  tokenIds: number[],
  advantage: number,
): Example => ({
  id,
  stepId,
  trajectoryId: `traj-${stepId}`,
  promptTokenIds,
  tokenIds,
  logprobs: tokenIds.map((_, at) => -0.5 - at / 4),
  temperature: 0.7,
  advantage,
});
const GOLDEN = [
  example('smp-1', 'step-1', [1, 10, 11, 12], [20, 21, 2], 0.45),
  example('smp-2', 'step-1', [1, 10, 11, 12], [20, 22, 2], -0.45),
  example('smp-3', 'step-2', [1, 10, 11, 13], [20, 21, 2], 0.25),
  example('smp-4', 'step-2', [1, 10, 11, 13], [30, 2], -0.25),
];

/** The token ids on the way from the root to a node. */
function path(batch: Batch, end: number): number[] {
  const ids: number[] = [];
  for (let at = end; at !== -1; at = batch.tree.parent[at] ?? -1) ids.unshift(batch.tree.tokens[at] ?? -1);
  return ids;
}

test('the golden batch is byte for byte what both languages read', async () => {
  const made = assemble(head, GOLDEN);
  await expect(`${JSON.stringify(made, null, 1)}\n`).toMatchFileSnapshot('../golden/batch/small.json');
  expect(Batch.parse(made)).toEqual(made);
});

test('every default is the one both languages are held to', () => {
  const golden = JSON.parse(readFileSync(new URL('../golden/batch/hyper.json', import.meta.url), 'utf8')) as {
    readonly defaults: Omit<Hyper, 'learning_rate'>;
    readonly differs_by_mode: Readonly<Record<Batch['mode'], Partial<Hyper>>>;
  };
  const rate = ConfigKeys['learning.rate'].parse(undefined);
  expect(rate).toBeUndefined();
  for (const mode of ['resample', 'logged', 'sft'] as const)
    expect(hyperDefaults(mode, rate, golden.defaults.seed), mode).toEqual({
      ...golden.defaults,
      ...golden.differs_by_mode[mode],
    });
  expect([...Object.keys(golden.defaults), 'learning_rate'].sort()).toEqual(Object.keys(Hyper.shape).sort());
  expect(hyperDefaults('sft', 3e-4, 1).learning_rate).toBe(3e-4);
});

test('another schema version is refused', () => {
  expect(Batch.safeParse({ ...assemble(head, GOLDEN), schema: 'gyre.batch/2' }).success).toBe(false);
});

test('shared prefixes are one node each, and the order is depth first', () => {
  const { tree, counts } = assemble(head, GOLDEN);
  expect(counts).toEqual({ logical_tokens: 27, distinct_tokens: tree.tokens.length, actions: 4 });
  expect(tree.tokens).toEqual([1, 10, 11, 12, 20, 21, 2, 22, 2, 13, 20, 21, 2, 30, 2]);
  expect(tree.parent).toEqual([-1, 0, 1, 2, 3, 4, 5, 4, 7, 2, 9, 10, 11, 9, 13]);
});

test('each trajectory weighs the same however many states it gives, and weights average one', () => {
  const twoStates = [{ ...GOLDEN[0], trajectoryId: 't' }, { ...GOLDEN[2], trajectoryId: 't' }, GOLDEN[1]] as Example[];
  const weights = assemble(head, twoStates).actions.map((action) => action.weight);
  expect(weights[2]).toBeCloseTo(2 * (weights[0] ?? 0));
  expect(weights.reduce((sum, weight) => sum + weight, 0) / 3).toBeCloseTo(1);
});

test('any set of sequences can be read back from the tree, each distinct prefix computed once', () => {
  const ids = fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 1, maxLength: 8 });
  fc.assert(
    fc.property(fc.array(fc.record({ prompt: ids, action: ids }), { minLength: 1, maxLength: 12 }), (sequences) => {
      const batch = assemble(
        head,
        sequences.map(({ prompt, action }, at) => example(`s${at}`, `p${at}`, prompt, action, 1)),
      );
      batch.actions.forEach((action, at) => {
        expect(path(batch, action.end)).toEqual([...(sequences[at]?.prompt ?? []), ...(sequences[at]?.action ?? [])]);
      });
      const prefixes = new Set(
        sequences.flatMap(({ prompt, action }) =>
          [...prompt, ...action].map((_, at, all) => all.slice(0, at + 1).join()),
        ),
      );
      expect(batch.counts.distinct_tokens).toBe(prefixes.size);
      expect(batch.tree.parent.every((parent, at) => parent < at)).toBe(true);
    }),
    { seed: 1 },
  );
});

test('an empty sequence cannot enter a tree', () => {
  expect(() => new TreeBuilder().add([])).toThrow(/no tokens/);
});
