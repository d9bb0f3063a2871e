/**
 * Whether anything is lost: kills a gateway under load at random moments, a third of the times while the disk is full,
 * the database locked, or a reader stays, and looks for every answer that a client was given.
 *
 *   npm run chaos -- [--kills 300] [--seed N]
 */
import { parseArgs } from 'node:util';

import { COMMAND } from '../serve/gateway.js';
import { chaos } from './run.js';

const { values } = parseArgs({ options: { kills: { type: 'string', default: '300' }, seed: { type: 'string' } } });
const kills = Number(values.kills);
const seed = values.seed === undefined ? Date.now() % 1_000_000 : Number(values.seed);
const report = await chaos({ kills, seed, main: COMMAND, note: (text) => process.stderr.write(`${text}\n`) });

const { acknowledged, refused, faults, problems } = report;
const met = Object.entries(faults).map(([name, count]) => `${count} ${name}`);
process.stdout.write(
  `seed ${seed}: ${kills} kills (${met.join(', ')}), ${acknowledged} answers acknowledged, ${refused} requests ` +
    `refused, ${problems.length} problems\n${problems.map((problem) => `  ${problem}\n`).join('')}`,
);
process.exitCode = problems.length === 0 ? 0 : 1;
