/** Lines of a file of any length: however they lie across what is read at once. */
import { closeSync, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { expect, onTestFinished, test } from 'vitest';

import { hashAfter, IntakeLines, linesIn } from '../../../src/store/intake/lines.js';
import { temporaryFolder } from '../fixture.js';

function written(...lines: readonly string[]): string {
  const path = join(temporaryFolder(), 'lines');
  let before = '';
  writeFileSync(path, lines.map((line) => `${(before = hashAfter(before, line))} ${line}\n`).join(''));
  return path;
}

test('lines longer than what is read at once, and letters of several bytes at its edges, come back whole', () => {
  // Of three bytes each: no power of two is an edge between them.
  const lines = ['a', '\u20ac'.repeat(900_000), 'b c', '', '\u4e2d'.repeat(400_000), 'z'.repeat(5_000_000), 'end'];
  const file = new IntakeLines(written(...lines));
  expect([...file].map((line) => line.length)).toEqual(lines.map((line) => line.length));
  expect([...file]).toEqual(lines);
  expect(file.fault).toBeUndefined();
});

test('a line that was cut off is no line, and one after a damaged one is proven by what is written', () => {
  const path = written('one', 'two', 'three');
  const fd = openSync(path, 'r+');
  onTestFinished(() => closeSync(fd));
  writeFileSync(
    path,
    `${[...linesIn(fd)]
      .map(({ hash, line }) => `${hash} ${line}\n`)
      .join('')
      .replace('two', 'TWO')}cut`,
  );
  expect([...linesIn(fd)].map(({ line, proven }) => [line, proven])).toEqual([
    ['one', true],
    ['TWO', false],
    ['three', true],
  ]);
  const [upTo, beyond] = [new IntakeLines(path), new IntakeLines(path, true)];
  expect([[...upTo], [...beyond]]).toEqual([['one'], ['one', 'three']]);
  expect([upTo.fault, beyond.fault]).toEqual(Array(2).fill('line 2 is not as it was written'));
  expect([...new IntakeLines(`${path}.none`)]).toEqual([]);
});
