/** What runs in the gateway's own thread does no work of SQLite: nothing that it imports, types too, is SQLite's. */
import { dirname, relative, resolve } from 'node:path';
import ts from 'typescript';
import { expect, it } from 'vitest';

import { FILES, read, ROOT } from './tree.js';

/** Who answers, and who is asked in the same thread while answers are made. */
const OWN = [
  'src/app.ts',
  'src/learner/routes.ts',
  'src/learner/following/follow.ts',
  'src/run/lines/learning.ts',
  'tools/index.ts',
];
const SQLITE = /^(better-sqlite3|drizzle-orm)(\/|$)/;

/** The way to each file or package that is reached, types included. */
function reached(from: readonly string[]): Map<string, readonly string[]> {
  const ways = new Map(from.map((file) => [file, [file]]));
  for (const [file, way] of ways) {
    if (!FILES.includes(file)) continue;
    for (const { fileName } of ts.preProcessFile(read(file), true, true).importedFiles) {
      const target = fileName.startsWith('.')
        ? relative(ROOT, resolve(ROOT, dirname(file), fileName)).replace(/\.js$/, '.ts')
        : fileName;
      if (!ways.has(target)) ways.set(target, [...way, target]);
    }
  }
  return ways;
}

const ways = (from: readonly string[]): string[] =>
  [...reached(from)].filter(([target]) => SQLITE.test(target)).map(([, way]) => way.join(' > '));

it('nothing of SQLite is reached from what answers', () => {
  const http = FILES.filter((file) => /^src\/http\/.*\.ts$/.test(file));
  expect(http.length).toBeGreaterThan(50);
  expect(ways([...OWN, ...http])).toEqual([]);
});

it('the learning clock reaches no store, no driver and no query: its rows are behind ports', () => {
  const learner = FILES.filter((file) => /^src\/learner\/.*\.ts$/.test(file));
  expect(learner.length).toBeGreaterThan(15);
  expect(ways(learner)).toEqual([]);
  expect([...reached(learner)].filter(([file]) => file.startsWith('src/store/')).map(([, way]) => way)).toEqual([]);
});

it('it would be seen: the thread that reads does reach it', () => {
  expect(ways(['src/run/reading/worker.ts'])).not.toEqual([]);
});
