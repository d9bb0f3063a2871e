/** Which updates made a version, and what was wrong with them. */
import { expect, test } from 'vitest';

import { GYRE_POLICY } from '../../../src/core/learning/policy_name.js';
import type { Version } from '../../../src/core/learning/version.js';
import { learningStore } from '../../../src/store/clock/open.js';
import { opened } from '../fixture.js';

async function lineage(...made: readonly (readonly [number, number, Partial<Version>?])[]) {
  const rows = learningStore(opened().store.db, GYRE_POLICY);
  for (const [version, parent, more] of made)
    await rows.versions.save({
      ...{ version, kind: 'trained', parent, batchId: `bat-${version}`, metrics: {}, createdAt: version },
      ...more,
    });
  const serves = (version: number): Promise<unknown> =>
    rows.decisions.add({ kind: 'promotion', version, passed: true, reason: '', numbers: {} });
  const updates = async (version: number): Promise<number[]> =>
    (await rows.versions.updates(version)).map((update) => update.version);
  return { rows, serves, updates };
}
const copyOf = (weights: number): Partial<Version> => ({ kind: 'rollback', copyOf: weights, batchId: undefined });

test('they are those since what serves, newest first', async () => {
  const { serves, updates } = await lineage([1, 0], [2, 1], [3, 2], [4, 2]);
  expect([await updates(4), await updates(0)]).toEqual([[4, 2, 1], []]);
  await serves(1);
  expect([await updates(4), await updates(3), await updates(1)]).toEqual([[4, 2], [3, 2], []]);
});

test('a copy has the updates of its weights, and what serves as a copy ends them', async () => {
  const { serves, updates } = await lineage([1, 0], [2, 1], [3, 2], [4, 3, copyOf(2)], [5, 4]);
  expect(await updates(5)).toEqual([5, 2, 1]);
  await serves(4);
  expect([await updates(5), await updates(3)]).toEqual([[5], [3]]);
});

test('an alarm of an update stays with what was made on it', async () => {
  const { rows, serves } = await lineage([1, 0], [2, 1, { metrics: { grad_norm: 500 } }], [3, 2]);
  const names = async (): Promise<string[]> =>
    (await rows.versions.updates(3)).flatMap(({ alarms }) => alarms.map(({ name }) => name));
  expect(await names()).toEqual(['grad_norm']);
  await serves(2);
  expect(await names()).toEqual([]);
});
