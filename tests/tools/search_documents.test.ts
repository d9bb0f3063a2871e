import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { passagesOf } from '../../tools/documents/passages.js';
import { indexDocuments, type IndexProgress } from '../../tools/documents/indexing.js';
import { createSearchDocuments, matching } from '../../tools/search_documents.js';
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

function write(file: string, text: string | Buffer): void {
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
    expect(seen).toEqual([
      { done: 1, total: 1, file: 'binary.txt', skipped: 'it is binary: it holds bytes that no text has' },
    ]);
  });

  const skippedIn = (): Record<string, string | undefined> => {
    const seen: IndexProgress[] = [];
    indexDocuments(data, docs, (progress) => seen.push(progress));
    return Object.fromEntries(seen.flatMap(({ file, skipped }) => (skipped === undefined ? [] : [[file, skipped]])));
  };

  it('what is left out is named with its reason, and does not stop the rest', async () => {
    write('a.md', 'alpha');
    write('binary.txt', Buffer.from([0, 1, 2, 0]));
    write('large.txt', Buffer.alloc(16 * 1024 * 1024 + 1, 'x'));
    write('shift_jis.txt', Buffer.from([0x93, 0x8c, 0x8b, 0x9e, 0x82, 0xcd, 0x93, 0xfa]));
    execFileSync('mkfifo', [join(docs, 'pipe.txt')]);
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(join(docs, 'socket.md'), resolve));
    symlinkSync('/dev/zero', join(docs, 'device.txt'));
    symlinkSync(join(docs, 'pipe.txt'), join(docs, 'to_pipe.txt'));
    try {
      expect(skippedIn()).toEqual({
        'binary.txt': expect.stringContaining('binary') as string,
        'large.txt': expect.stringContaining('too large') as string,
        'shift_jis.txt': expect.stringContaining('encoding is not known') as string,
        'pipe.txt': 'it is no file but a named pipe',
        'socket.md': 'it is no file but a socket',
        'device.txt': 'it is a link that leads out of the folder',
        'to_pipe.txt': 'it is a link to a named pipe',
      });
    } finally {
      await new Promise((resolve) => server.close(resolve));
    }
    expect(await search('alpha')).toContain('alpha');
  });

  it('no link leads out of the folder, and none in a circle', async () => {
    mkdirSync(join(folder, 'outside'));
    writeFileSync(join(folder, 'outside', 'secret.md'), 'a secret word');
    writeFileSync(join(folder, 'handbook-two.md'), 'a secret word');
    write('inside.md', 'an open word');
    symlinkSync(join(folder, 'outside', 'secret.md'), join(docs, 'secret.md'));
    symlinkSync(join(folder, 'handbook-two.md'), join(docs, 'two.md'));
    symlinkSync('inside.md', join(docs, 'again.md'));
    symlinkSync('loop.md', join(docs, 'loop.md'));
    symlinkSync('nothing.md', join(docs, 'nowhere.md'));
    symlinkSync(join(folder, 'outside'), join(docs, 'folder.md'));
    symlinkSync('..', join(docs, 'up'));
    expect(skippedIn()).toEqual({
      'secret.md': 'it is a link that leads out of the folder',
      'two.md': 'it is a link that leads out of the folder',
      'loop.md': expect.stringContaining('leads nowhere') as string,
      'nowhere.md': expect.stringContaining('leads nowhere') as string,
    });
    expect(await search('secret')).toMatch(/No passage fits/);
    expect(await search('open')).toContain('handbook/again.md');
  });

  it.runIf(process.getuid?.() === 0)('a folder or a file that cannot be read does not stop the run', () => {
    write('a.md', 'alpha');
    write('locked.md', 'beta');
    write('private/b.md', 'beta');
    write('private-not/c.md', 'gamma');
    mkdirSync(data);
    // Whoever may read everything cannot be refused: somebody else looks.
    chmodSync(folder, 0o755);
    chmodSync(join(docs, 'private'), 0o700);
    chmodSync(join(docs, 'locked.md'), 0o600);
    chownSync(data, 65_534, 65_534);
    process.seteuid?.(65_534);
    try {
      expect(skippedIn()).toEqual({
        'locked.md': expect.stringMatching(/^it cannot be read: EACCES/) as string,
        private: expect.stringMatching(/^the folder cannot be read: EACCES/) as string,
      });
      expect(indexDocuments(data, docs)).toMatchObject({ unchanged: 2 });
      expect(() => indexDocuments(data, join(docs, 'private'))).toThrow(/cannot be read/);
    } finally {
      process.seteuid?.(0);
    }
  });

  it('reads files of western code pages and of UTF-16', async () => {
    write('latin1.txt', Buffer.from('Die Größe der Kühlräume', 'latin1'));
    write('windows.txt', Buffer.from([0x93, ...Buffer.from('Naïve'.normalize('NFC'), 'latin1'), 0x94]));
    write('wide.txt', Buffer.from('\uFEFFÜberseehafen', 'utf16le'));
    write('wider.txt', Buffer.from('\uFEFFŁódź', 'utf16le').swap16());
    write('bare.txt', Buffer.from('Hafenmeister\n', 'utf16le'));
    expect(skippedIn()).toEqual({});
    expect(await search('größe')).toContain('Die Größe der Kühlräume');
    expect(await search('naïve')).toContain('“Naïve”');
    expect(await search('überseehafen')).toContain('wide.txt');
    expect(await search('Łódź')).toContain('wider.txt');
    expect(await search('hafenmeister')).toContain('bare.txt');
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

describe('scripts without spaces between words', () => {
  beforeEach(() => {
    write('zh.md', '# 首都\n\n北京是中华人民共和国的首都，位于华北平原。');
    write('ja.md', '東京都は日本の首都で、約1400万人が住んでいる。カタカナのテスト。');
    write('ko.md', '서울에서 회의가 열렸습니다. 부산은 항구 도시입니다.');
    write('th.md', 'กรุงเทพมหานครเป็นเมืองหลวงของประเทศไทย');
    write('en.md', 'Bergen is a town in Norway. The café is open; running costs are low.');
    indexDocuments(data, docs);
  });

  it.each([
    ['北京', 'zh.md'],
    ['华北平原', 'zh.md'],
    ['京', 'zh.md'],
    ['北京在哪里？', 'zh.md'],
    ['中华人民共和国的首都是哪个城市', 'zh.md'],
    ['東京', 'ja.md'],
    ['都', 'ja.md'],
    ['日本の首都はどこですか', 'ja.md'],
    ['ﾃｽﾄ', 'ja.md'],
    ['住', 'ja.md'],
    ['서울', 'ko.md'],
    ['서울은 어디입니까', 'ko.md'],
    ['항구', 'ko.md'],
    ['부산'.normalize('NFD'), 'ko.md'],
    ['กรุงเทพ', 'th.md'],
    ['เมืองหลวง', 'th.md'],
    ['ไทย', 'th.md'],
    ['ประเทศไทยมีเมืองหลวงชื่ออะไร', 'th.md'],
    ['1400万人', 'ja.md'],
    ['Bergen の 町', 'en.md'],
    ['CAFE', 'en.md'],
    ['run', 'en.md'],
  ])('%s is found', async (query, file) => {
    expect(await search(query)).toContain(`handbook/${file}`);
  });

  it('the file that has the whole row of characters comes first', async () => {
    write('other.md', '首に都がある。');
    indexDocuments(data, docs);
    expect(await search('日本の首都')).toMatch(/^\[1\] handbook\/ja\.md/);
  });

  it('what is not there is not found', async () => {
    expect(await search('上海')).toBe('No passage fits "上海".');
    expect(await search('대구')).toBe('No passage fits "대구".');
    expect(await search('ภูเก็ต')).not.toContain('ko.md');
  });

  it('a passage is shown as it was written', async () => {
    expect(await search('北京')).toBe('[1] handbook/zh.md: 首都\n北京是中华人民共和国的首都，位于华北平原。');
  });
});

describe('an index of an earlier version', () => {
  beforeEach(() => {
    write('a.md', 'alpha beta');
    write('zh.md', '北京是首都');
    mkdirSync(data);
    const db = new Database(join(data, 'documents.sqlite'));
    db.exec(`
      CREATE TABLE documents (id INTEGER PRIMARY KEY, root TEXT NOT NULL, path TEXT NOT NULL, mtime_ms REAL NOT NULL,
        size INTEGER NOT NULL, hash TEXT NOT NULL, UNIQUE (root, path));
      CREATE TABLE passages (id INTEGER PRIMARY KEY, document_id INTEGER NOT NULL REFERENCES documents (id)
        ON DELETE CASCADE, heading TEXT NOT NULL, text TEXT NOT NULL);
      CREATE INDEX passages_document ON passages (document_id);
      CREATE VIRTUAL TABLE passage_words USING fts5 (heading, text, content='passages', content_rowid='id',
        tokenize='porter unicode61 remove_diacritics 2');
      CREATE TRIGGER passages_added AFTER INSERT ON passages BEGIN
        INSERT INTO passage_words (rowid, heading, text) VALUES (new.id, new.heading, new.text);
      END;
      CREATE TRIGGER passages_removed AFTER DELETE ON passages BEGIN
        INSERT INTO passage_words (passage_words, rowid, heading, text)
          VALUES ('delete', old.id, old.heading, old.text);
      END;
      PRAGMA user_version = 1;
      INSERT INTO documents VALUES (1, '/gone', 'a.md', 1, 1, 'h'), (2, '/gone', 'zh.md', 1, 1, 'h');
      INSERT INTO passages VALUES (1, 1, '', 'alpha beta'), (2, 2, '', '北京是首都');
    `);
    db.close();
  });

  it('is searched as it is, and says what to do where it finds nothing', async () => {
    expect(await search('alpha')).toBe('[1] gone/a.md\nalpha beta');
    expect(await search('首都')).toMatch(
      /No passage fits "首都"\. The index was made by an earlier version.*gyre index DIR/,
    );
  });

  it('is taken over by the next run, other folders too', async () => {
    expect(await search('alpha')).toContain('gone/a.md');
    expect(indexDocuments(data, docs)).toMatchObject({ added: 2 });
    expect(await search('首都')).toMatch(/handbook\/zh\.md[\s\S]*gone\/zh\.md|gone\/zh\.md[\s\S]*handbook\/zh\.md/);
    rmSync(join(docs, 'zh.md'));
    expect(indexDocuments(data, docs)).toMatchObject({ removed: 1, unchanged: 1 });
    expect(await search('首都')).not.toContain('handbook');
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
