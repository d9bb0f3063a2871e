/**
 * A log as it is after years: makes one of many steps, through the log's own writer, so that `gyre verify` finds it
 * whole, and measures what an operator and a client would notice of its size. A folder that has steps is only measured.
 *
 *   npm run years -- [--steps 1000000] [--data DIR] [--seed N] [--grow-only] [--no-verify]
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { openStore } from '../../src/store/file/db.js';
import { grow } from './grow.js';
import { measure } from './measure.js';

const { values } = parseArgs({
  options: {
    steps: { type: 'string', default: '1000000' },
    data: { type: 'string' },
    seed: { type: 'string', default: '1' },
    'grow-only': { type: 'boolean', default: false },
    'no-verify': { type: 'boolean', default: false },
  },
});
const steps = Number(values.steps);
const seed = Number(values.seed);
if (!Number.isInteger(steps) || steps < 1 || !Number.isInteger(seed))
  throw new Error('--steps and --seed take numbers');
const data = values.data ?? mkdtempSync(join(tmpdir(), 'gyre-years-'));
const note = (text: string): void => void process.stderr.write(`${text}\n`);

process.umask(0o077);
const store = openStore(data);
const known = store.sqlite.prepare<[], { steps: number }>('SELECT count(*) AS steps FROM steps').get()?.steps ?? 0;
if (known === 0) await grow(store, { steps, seed, note });
else note(`${data} has ${known} steps: it is measured as it is`);
store.close();

if (!values['grow-only']) {
  for await (const { what, value } of measure(data, { verify: !values['no-verify'], note }))
    process.stdout.write(`${what.padEnd(52)} ${value}\n`);
}
if (values.data === undefined) rmSync(data, { recursive: true });
