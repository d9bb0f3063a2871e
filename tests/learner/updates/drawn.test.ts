/** What an update did, in the version's row: what the trainer measured, and what its samples were like. */
import { afterEach, expect, test } from 'vitest';

import { GYRE_POLICY } from '../../../src/core/learning/policy_name.js';
import { updateNumbers } from '../../../src/core/learning/update.js';
import { runCycle } from '../../../src/learner/cycle.js';
import { samplesOf } from '../../../src/store/learning/samples.js';
import { lastUpdate, updateOf } from '../../../src/store/learning/updates.js';
import { allVersions, saveVersion } from '../../../src/store/learning/versions.js';
import { bench, type Bench, sum, tasks } from '../bench.js';

let open: Bench | undefined;
afterEach(async () => {
  await open?.close();
  open = undefined;
});

test('a version has the numbers of its update and of all samples it was made of', async () => {
  const made = (open = await bench());
  const list = tasks(made, [sum('a', 11, 22), sum('b', 33, 44)]);
  expect(lastUpdate(made.store.db, GYRE_POLICY)).toBeUndefined();
  const cycle = await runCycle(made.learner, { tasks: list, heldout: [] });
  expect(cycle.state, cycle.note).toBe('done');
  const samples = samplesOf(made.store.db, GYRE_POLICY, cycle.id);
  const [version] = allVersions(made.store.db, GYRE_POLICY);
  const numbers = updateNumbers(version?.metrics ?? {});
  expect(numbers).toMatchObject({ kl_before: 0.01, kl_base: 0.02, entropy: 0.4, step_scale: 1, grad_norm: 0.7 });
  expect(numbers.drawn).toMatchObject({
    samples: 12,
    callable: 12,
    tool_call_rate: samples.filter(({ calls }) => calls.length > 0).length / 12,
    parse_failures: 0,
    cut: 0,
  });
  expect(numbers.drawn?.tool_call_rate).toBeGreaterThan(0);
  expect(numbers.drawn?.mean_length).toBeCloseTo(
    samples.reduce((total, { tokenIds }) => total + tokenIds.length, 0) / 12,
  );
  expect(lastUpdate(made.store.db, GYRE_POLICY)).toEqual({ version: 1, numbers, alarms: [] });
});

test('the newest update is of the newest trained version, and is compared with the one it was trained on', async () => {
  const { store } = (open = await bench());
  const drawn = { samples: 100, mean_length: 30, cut: 0, parse_failures: 0, callable: 100, tool_call_rate: 0.5 };
  const row = { createdAt: 1, kind: 'trained' } as const;
  saveVersion(store.db, GYRE_POLICY, { ...row, version: 1, parent: 0, batchId: 'bat-1', metrics: { drawn } });
  const silent = { ...drawn, tool_call_rate: 0 };
  saveVersion(store.db, GYRE_POLICY, { ...row, version: 2, parent: 1, batchId: 'bat-2', metrics: { drawn: silent } });
  saveVersion(store.db, GYRE_POLICY, { ...row, kind: 'rollback', version: 3, parent: 2, copyOf: 1, metrics: {} });
  expect(lastUpdate(store.db, GYRE_POLICY)).toMatchObject({
    version: 2,
    alarms: [{ name: 'tool_call_rate', value: 0, bound: 0.02 }],
  });
  saveVersion(store.db, GYRE_POLICY, { ...row, kind: 'rollback', version: 4, parent: 3, copyOf: 3, metrics: {} });
  saveVersion(store.db, GYRE_POLICY, { ...row, version: 5, parent: 4, batchId: 'bat-5', metrics: { drawn: silent } });
  expect(lastUpdate(store.db, GYRE_POLICY)).toMatchObject({ version: 5, alarms: [{ name: 'tool_call_rate' }] });
  saveVersion(store.db, GYRE_POLICY, { ...row, version: 6, parent: 5, batchId: 'bat-6', metrics: { drawn: silent } });
  // What fell silent is not forgotten with the next update.
  expect(lastUpdate(store.db, GYRE_POLICY)).toMatchObject({ version: 6, alarms: [{ name: 'tool_call_rate' }] });
  expect(updateOf(store.db, GYRE_POLICY, 5)).toMatchObject({ version: 5, alarms: [{ name: 'tool_call_rate' }] });
  expect(updateOf(store.db, GYRE_POLICY, 4)).toBeUndefined();
  expect(updateOf(store.db, GYRE_POLICY, 9)).toBeUndefined();
});
