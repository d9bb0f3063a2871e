/** `gyre versions`: how far each update moved the policy, and what was wrong with it. */
import { afterEach, expect, test } from 'vitest';

import { GYRE_POLICY } from '../../../src/core/learning/policy_name.js';
import { versionsVerb } from '../../../src/cli/verbs/operate.js';
import { decide } from '../../../src/store/learning/decisions.js';
import { saveVersion } from '../../../src/store/learning/versions.js';
import { bench, type Bench } from '../../learner/bench.js';

let made: Bench;
afterEach(async () => made.close());

async function lines(): Promise<readonly string[]> {
  let said: readonly string[] = [];
  const result = (_: unknown, text: readonly string[] = []): void => void (said = text);
  await versionsVerb(
    { ...made.learner.config, data: made.folder },
    { result, progress: () => undefined, line: () => undefined },
  );
  return said.map((line) => line.replace(/ {2,}/g, '  ').trim());
}

test('each update says how far it went, at which part of the step, and which alarms it raised', async () => {
  made = await bench();
  const row = { createdAt: 1, kind: 'trained' } as const;
  const { db } = made.store;
  expect(await lines()).toContain('no version was made yet: version 0, the model itself, serves');
  saveVersion(db, GYRE_POLICY, { ...row, version: 1, parent: 0, batchId: 'bat-1', metrics: { loss: 1 } });
  const second = { kl_before: 0.0123, kl_base: 0.456, step_scale: 1 };
  saveVersion(db, GYRE_POLICY, { ...row, version: 2, parent: 1, batchId: 'bat-2', metrics: second });
  const third = { kl_before: 0.03, kl_base: 1.5, step_scale: 0.5, grad_norm: 300 };
  saveVersion(db, GYRE_POLICY, { ...row, version: 3, parent: 2, batchId: 'bat-3', metrics: third });
  saveVersion(db, GYRE_POLICY, { ...row, kind: 'rollback', version: 4, parent: 3, copyOf: 2, metrics: {} });
  expect(await lines()).toEqual([
    'version  kind  from  is  moved  from base  alarms  last decision  weights',
    expect.stringMatching(/^4 {2}rollback {2}2 {2}.* {2}- {2}- {2}- {2}- {2}there$/) as string,
    expect.stringMatching(
      /^3 .* 0\.030 \(at 0\.5 of the step\) {2}1\.5 {2}kl_base, grad_norm {2}- {2}there$/,
    ) as string,
    expect.stringMatching(/^2 .* 0\.012 {2}0\.46 {2}- {2}- {2}there$/) as string,
    expect.stringMatching(/^1 .* {2}- {2}- {2}- {2}- {2}there$/) as string,
    'alarm at the update to version 3: kl_base 1.5: nats a token from the base (at most 1)',
    'alarm at the update to version 3: grad_norm 300: norm of the gradient before clipping (at most 100)',
  ]);
});

test('what was decided of a version is told in the sentence of its row', async () => {
  made = await bench();
  const { db } = made.store;
  saveVersion(db, GYRE_POLICY, {
    ...{ version: 1, kind: 'trained', parent: 0, batchId: 'bat-1', metrics: {}, createdAt: 1 },
  });
  const about = { version: 1, against: 0, numbers: {} };
  decide(db, GYRE_POLICY, { ...about, kind: 'parity', passed: true, reason: 'they differ by 0.001' });
  decide(db, GYRE_POLICY, { ...about, kind: 'gate', passed: true, reason: 'better: 16 of 20' });
  decide(db, GYRE_POLICY, { ...about, kind: 'promotion', passed: true, reason: 'promoted by hand' });
  expect((await lines()).slice(2)).toEqual([
    'version 1: promotion passed: promoted by hand',
    'version 1: gate passed against version 0: better: 16 of 20',
  ]);
});
