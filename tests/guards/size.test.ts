import { expect, it } from 'vitest';

import { FILES, read, SOURCE } from './tree.js';

const CEILING = 400;
const linesOf = (file: string): number => read(file).split('\n').length - 1;

const TESTS = FILES.filter((file) => /^tests\/.*\.(ts|mjs|py)$/.test(file));

it('no file of source or tests is longer than 400 lines', () => {
  const sizes = SOURCE.map((file) => ({ file, lines: linesOf(file) })).sort((a, b) => b.lines - a.lines);
  const total = sizes.reduce((sum, { lines }) => sum + lines, 0);
  const quantile = (part: number): number => sizes[Math.floor((1 - part) * (sizes.length - 1))]?.lines ?? 0;
  console.log(
    [
      `${sizes.length} files, ${total} lines, median ${quantile(0.5)}, p90 ${quantile(0.9)}; the ten largest:`,
      ...sizes.slice(0, 10).map(({ file, lines }) => `${String(lines).padStart(5)}  ${file}`),
    ].join('\n'),
  );
  expect([...SOURCE, ...TESTS].filter((file) => linesOf(file) > CEILING)).toEqual([]);
});

/** A pattern that is matched against every token of a stream: a regular expression cannot be broken. */
const WIDE = ['src/policy/engine/token_chunk.ts'];

it('no line is wider than 120 columns', () => {
  const wide = [...SOURCE, ...TESTS]
    .filter((file) => !WIDE.includes(file))
    .flatMap((file) =>
      read(file)
        .split('\n')
        .flatMap((line, at) => (line.length > 120 ? [`${file}:${at + 1} has ${line.length}`] : [])),
    );
  expect(wide).toEqual([]);
});
