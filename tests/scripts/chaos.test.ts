/** A few kills of `npm run chaos`, with each of the faults once. */
import { fileURLToPath } from 'node:url';

import { expect, test } from 'vitest';

import { chaos } from '../../scripts/chaos/run.js';

test('what was acknowledged before a kill is there afterwards, once and whole, whatever went wrong', async () => {
  const main = fileURLToPath(new URL('../../dist/src/main.js', import.meta.url));
  const report = await chaos({ kills: 6, every: 2, seed: 4, main });
  expect(report).toMatchObject({ problems: [], faults: { 'disk full': 1, locked: 1, reader: 1 } });
  expect(report.acknowledged).toBeGreaterThan(0);
}, 120_000);
