/**
 * `npm run sim:gate`: what the gate does with candidates of a known worth, in seconds and without an engine. Prints the
 * tables of docs/measured.md, and ends with 1 where a promise of docs/gate.md does not hold.
 *
 *   npm run sim:gate -- [--runs 500]
 */
import { parseArgs } from 'node:util';

import { canary, liveGate } from './live.js';
import { fresh, guarded, repeated, RUNS } from './tables.js';

const { values } = parseArgs({ options: { runs: { type: 'string', default: String(RUNS) } } });
const runs = Number(values.runs);
if (!Number.isInteger(runs) || runs < 1) throw new Error(`--runs takes a number, not ${values.runs}`);

let wrong = 0;
for (const make of [fresh, repeated, guarded, liveGate, canary]) {
  const table = make(runs);
  console.log(`${table.title}:\n\n${table.lines.join('\n')}\n`);
  for (const line of table.wrong) console.error(`wrong: ${line}`);
  wrong += table.wrong.length;
}
process.exitCode = wrong === 0 ? 0 : 1;
