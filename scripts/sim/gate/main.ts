/**
 * `npm run sim:gate`: what the gate does with candidates of a known worth, in seconds and without an engine. Prints the
 * tables of docs/measured.md, and ends with 1 where a promise of docs/gate.md does not hold.
 */
import { fresh, guarded, repeated } from './tables.js';

let wrong = 0;
for (const make of [fresh, repeated, guarded]) {
  const table = make();
  console.log(`${table.title}:\n\n${table.lines.join('\n')}\n`);
  for (const line of table.wrong) console.error(`wrong: ${line}`);
  wrong += table.wrong.length;
}
process.exitCode = wrong === 0 ? 0 : 1;
