/** The whole of `npm run sim:gate`: its seeds are fixed, so that docs/measured.md has what it prints. */
import { readFileSync } from 'node:fs';

import { expect, test } from 'vitest';

import { canary, liveGate } from '../../../scripts/sim/gate/live.js';
import { fresh, guarded, repeated, RUNS } from '../../../scripts/sim/gate/tables.js';

const MEASURED = readFileSync(new URL('../../../docs/measured.md', import.meta.url), 'utf8').split('\n');

test.each([
  ['candidates with fresh tasks', fresh],
  ['candidates with tasks that are asked again', repeated],
  ['guarded families', guarded],
  ['held-out conversations and a judge that errs', liveGate],
  ['a canary', canary],
])('%s: the gate keeps what it promises, and the numbers in the documents are these', (_, make) => {
  const { wrong, lines } = make(RUNS);
  expect(wrong).toEqual([]);
  expect(lines.filter((line) => !MEASURED.includes(line))).toEqual([]);
});
