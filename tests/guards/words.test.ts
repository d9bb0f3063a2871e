/** docs/words.md: each word names something that is there, and each table and each type of core has a word. */
import { describe, expect, it } from 'vitest';

import { FILES, read } from './tree.js';

type Place = { readonly name: string; readonly file: string } | { readonly table: string };

interface Word {
  readonly word: string;
  readonly meaning: string;
  /** Absent where the cell is not written as the page says. */
  readonly places: readonly Place[] | undefined;
}

/** `` `A`, `B` in `path` `` or ``table `name` ``. */
function placesOf(text: string): readonly Place[] | undefined {
  const table = /^table `(\w+)`$/.exec(text)?.[1];
  if (table !== undefined) return [{ table }];
  const [, names, file] = /^((?:`\w+`, )*`\w+`) in `([\w./]+)`$/.exec(text) ?? [];
  return file === undefined ? undefined : [...(names ?? '').matchAll(/\w+/g)].map(([name]) => ({ name, file }));
}

const WORDS: readonly Word[] = read('docs/words.md')
  .split('\n')
  .filter((line) => /^\| (?!word \|)/.test(line))
  .map((line) => {
    const [word = '', meaning = '', where = ''] = line
      .slice(1, -1)
      .split('|')
      .map((cell) => cell.trim());
    const places = where.split('; ').map(placesOf);
    return { word, meaning, places: places.includes(undefined) ? undefined : places.flatMap((place) => place ?? []) };
  });
const PLACES = WORDS.flatMap(({ places }) => places ?? []);
const TABLES = FILES.filter((file) => /^src\/store\/file\/(\w+_)?schema\.ts$/.test(file)).flatMap((file) =>
  [...read(file).matchAll(/sqliteTable\(\s*'(\w+)'/g)].map(([, name]) => name ?? ''),
);

/** Whether a file exports the name; in Python, whether its module has it. */
function has(file: string, name: string): boolean {
  if (!FILES.includes(file)) return false;
  const declared = file.endsWith('.py')
    ? `^(?:async def|def|class) ${name}\\b|^${name}\\b.* = `
    : `^export (?:declare |abstract |async )*(?:const|function\\*?|class|interface|type) ${name}\\b`;
  return new RegExp(declared, 'm').test(read(file));
}

describe('the words of the house', () => {
  it('each have a meaning and a place that can be read', () => {
    expect(WORDS.length).toBeGreaterThan(50);
    expect(WORDS.filter(({ word, meaning, places }) => word === '' || meaning === '' || places === undefined)).toEqual(
      [],
    );
  });

  it('each stand there once', () => {
    const words = WORDS.map(({ word }) => word);
    expect(words.filter((word, at) => words.indexOf(word) !== at)).toEqual([]);
  });

  it('each name something that is exported, or a table', () => {
    const missing = PLACES.filter((place) =>
      'table' in place ? !TABLES.includes(place.table) : !has(place.file, place.name),
    );
    expect(missing).toEqual([]);
  });

  it('have an entry for every table', () => {
    expect(TABLES.length).toBeGreaterThan(10);
    expect(TABLES.filter((name) => !PLACES.some((place) => 'table' in place && place.table === name))).toEqual([]);
  });

  it('have an entry for every type of core, but for each view of a row', () => {
    const types = FILES.filter((file) => /^src\/core\/.*\.ts$/.test(file)).flatMap((file) =>
      [...read(file).matchAll(/^export (?:interface|type|class) (?!\w+View\b)(\w+)/gm)].map(([, name = '']) => ({
        file,
        name,
      })),
    );
    expect(
      types.filter(
        ({ file, name }) => !PLACES.some((place) => 'file' in place && place.file === file && place.name === name),
      ),
    ).toEqual([]);
  });
});
