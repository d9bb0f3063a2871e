import { mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { passagesOf } from '../../tools/documents/passages.js';
import { createSearchDocuments, indexDocuments, matching, type IndexProgress } from '../../tools/search_documents.js';
import type { Tool } from '../../src/core/tool.js';

let folder: string;
let data: string;
let docs: string;
let tool: Tool;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gyre-documents-'));
  data = join(folder, 'data');
  docs = join(folder, 'handbook');
  mkdirSync(docs);
  tool = createSearchDocuments({ dataDir: data });
});

afterEach(async () => {
  await tool.close?.();
  rmSync(folder, { recursive: true, force: true });
});

function write(file: string, text: string): void {
  mkdirSync(dirname(join(docs, file)), { recursive: true });
  writeFileSync(join(docs, file), text);
}

const search = (query: string): Promise<string> => tool.run({ query }, AbortSignal.any([]));

describe('indexing a folder', () => {
  it('reads only what changed, and forgets what is gone', async () => {
    write('towns.md', '# Towns\n\nMira works at Orbit Foods.');
    write('deep/er/notes.txt', 'Orbit Foods is in Bergen.');
    write('picture.png', 'no document');
    expect(indexDocuments(data, docs)).toEqual({
      added: 2,
      changed: 0,
      unchanged: 0,
      removed: 0,
      passages: 2,
      skipped: 0,
    });
    expect(indexDocuments(data, docs)).toMatchObject({ added: 0, unchanged: 2 });

    write('towns.md', '# Towns\n\nMira works at Quay Books.');
    rmSync(join(docs, 'deep'), { recursive: true });
    expect(indexDocuments(data, docs)).toMatchObject({ added: 0, changed: 1, unchanged: 0, removed: 1, passages: 1 });
    expect(await search('Where does Mira work?')).toContain('Quay Books');
    expect(await search('Bergen')).toBe('No passage fits "Bergen".');
  });

  it('a touched file with the same content is not read into passages again', () => {
    write('a.md', 'alpha');
    indexDocuments(data, docs);
    utimesSync(join(docs, 'a.md'), 1, 1);
    expect(indexDocuments(data, docs)).toMatchObject({ changed: 0, unchanged: 1 });
    expect(indexDocuments(data, docs)).toMatchObject({ changed: 0, unchanged: 1 });
  });

  it('a second folder adds to the first', async () => {
    write('a.md', 'alpha');
    indexDocuments(data, docs);
    const other = join(folder, 'other');
    mkdirSync(other);
    writeFileSync(join(other, 'b.md'), 'alpha beta');
    expect(indexDocuments(data, other)).toMatchObject({ added: 1, removed: 0 });
    expect(await search('alpha')).toMatch(/handbook\/a\.md[\s\S]*other\/b\.md|other\/b\.md[\s\S]*handbook\/a\.md/);
  });

  it('hidden folders, links to folders and binary files are left out, the last with a reason', () => {
    write('.git/a.md', 'hidden');
    write('node_modules/x/readme.md', 'hidden');
    write('binary.txt', 'a\0b');
    symlinkSync(docs, join(docs, 'loop'));
    const seen: IndexProgress[] = [];
    expect(indexDocuments(data, docs, (progress) => seen.push(progress))).toMatchObject({ added: 0, skipped: 1 });
    expect(seen).toEqual([{ done: 1, total: 1, file: 'binary.txt', skipped: 'not a text file' }]);
  });

  it('reports every file as it goes', () => {
    write('a.md', 'a');
    write('b.md', 'b');
    const seen: string[] = [];
    indexDocuments(data, docs, ({ done, total, file }) => seen.push(`${done}/${total} ${file}`));
    expect(seen).toEqual(['1/2 a.md', '2/2 b.md']);
  });

  it('a folder that is none is refused with its name', () => {
    expect(() => indexDocuments(data, join(folder, 'nowhere'))).toThrow(/the folder ".*nowhere" cannot be read/);
    write('a.md', 'a');
    expect(() => indexDocuments(data, join(docs, 'a.md'))).toThrow(/is not a folder/);
  });
});

describe('searching', () => {
  it('says so while nothing is indexed, and finds what is indexed later', async () => {
    expect(await search('anything')).toMatch(/No documents are indexed yet.*gyre index DIR/);
    write('a.md', 'anything at all');
    indexDocuments(data, docs);
    expect(await search('anything')).toContain('anything at all');
  });

  it('shows file, headings and passage, the best first, five at most', async () => {
    for (let n = 0; n < 8; n += 1)
      write(
        `n${n}.md`,
        `# Notes\n\n## Part ${n}\n\nThe harbour is mentioned here among a number of other words, number ${n}.`,
      );
    write('harbour.md', '# Harbour\n\n## Opening hours\n\nThe harbour office opens at nine.');
    indexDocuments(data, docs);
    const answer = await search('harbour office opening hours');
    expect(answer.split('\n')[0]).toBe('[1] handbook/harbour.md: Harbour > Opening hours');
    expect(answer).toContain('The harbour office opens at nine.');
    expect(answer.match(/^\[\d\]/gm)).toHaveLength(5);
  });

  it('words in a row rank before the same words apart', async () => {
    write('apart.txt', 'The red car waited. A blue door and a house, and red again, car again.');
    write('row.txt', 'He lives in the red house at the end of the road, next to the car park and the door.');
    for (let n = 0; n < 6; n += 1) write(`other${n}.txt`, `Nothing of the kind in number ${n}.`);
    indexDocuments(data, docs);
    expect(await search('red house')).toMatch(/^\[1\] handbook\/row\.txt/);
  });

  it.each([
    '"',
    'a" OR "b',
    'NEAR(alpha, 2)',
    'alpha AND',
    '-alpha',
    'alpha*',
    'heading:alpha',
    '{heading text}: alpha',
    '^alpha',
    "'; DROP TABLE passages; --",
    'alpha\0beta',
    'ÄÖÜ ß 東京',
    'a'.repeat(10_000),
  ])('no query is syntax: %s', async (query) => {
    write('a.md', 'alpha beta');
    indexDocuments(data, docs);
    const answer = await search(query).catch((error: unknown) => String(error));
    expect(answer).toMatch(/alpha beta|No passage fits|holds no word/);
    expect(await search('alpha')).toContain('alpha beta');
  });

  it.each([[{}], [{ query: 1 }], ['words'], [{ query: '!?' }], [{ query: '' }]])(
    'arguments %j are refused in a sentence',
    async (args) => {
      await expect(tool.run(args, AbortSignal.any([]))).rejects.toThrow(/search_documents takes|holds no word/);
    },
  );

  it('a query becomes quoted words and the phrase', () => {
    expect(matching('Red  house, red!')).toBe('"red house red" OR "red" OR "house"');
    expect(matching('one')).toBe('"one"');
    expect(matching(' ?')).toBeUndefined();
  });
});

describe('cutting documents into passages', () => {
  it('keeps paragraphs together under their headings', () => {
    expect(passagesOf('intro\n\n# A\n\none\n\ntwo\n\n## B ##\nthree\n# C\n\n### D\nfour', true)).toEqual([
      { heading: '', text: 'intro' },
      { heading: 'A', text: 'one\n\ntwo' },
      { heading: 'A > B', text: 'three' },
      { heading: 'C > D', text: 'four' },
    ]);
  });

  it('a fenced block holds no headings, and plain text none at all', () => {
    expect(passagesOf('# A\n```\n# not a heading\n\nx\n```', true)).toEqual([
      { heading: 'A', text: '```\n# not a heading\n\nx\n```' },
    ]);
    expect(passagesOf('# not a heading\ntext', false)).toEqual([{ heading: '', text: '# not a heading\ntext' }]);
  });

  it('no passage is longer than a thousand characters and no word is lost', () => {
    const words = Array.from({ length: 2_000 }, (_, n) => `word${n}${n % 9 === 0 ? '.' : ''}`);
    const passages = passagesOf(words.join(' '), true);
    expect(Math.max(...passages.map(({ text }) => text.length))).toBeLessThanOrEqual(1_000);
    expect(
      passages
        .map(({ text }) => text)
        .join(' ')
        .split(/\s+/),
    ).toEqual(words);
    expect(passagesOf('x'.repeat(2_500), false).map(({ text }) => text.length)).toEqual([1_000, 1_000, 500]);
  });
});
