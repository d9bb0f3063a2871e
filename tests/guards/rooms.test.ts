/** The rooms inside the folders: their floors, no circles anywhere, and none so full that nobody finds a thing. */
import { dirname, relative, resolve } from 'node:path';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';

import { FILES, read, ROOT } from './tree.js';

/** Room to floor, folder by folder. A room imports itself and strictly lower rooms; `''` is the folder's own files. */
const ROOMS: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  'src/http': {
    wire: 0,
    callers: 1,
    numbers: 1,
    protocol: 2,
    chat: 3,
    completions: 3,
    messages: 3,
    responses: 3,
    routes: 3,
    sockets: 4,
    '': 5,
    openapi: 6,
  },
  'src/store': {
    file: 0,
    intake: 2.5,
    keys: 1,
    log: 2,
    learning: 3,
    judges: 3.5,
    labels: 3.6,
    beside: 3,
    read: 4,
    states: 4,
    live: 4,
    clock: 5,
    backup: 4,
    retention: 5,
    proof: 5,
  },
  'src/policy': { engine: 0, serving: 1 },
  'src/tasks': { '': 0, families: 1, loaders: 1 },
  'src/judge': { '': 0, rules: 1, model: 1, learned: 1, panel: 1, calibration: 1 },
  'src/run': { judges: -1, lines: 0, reading: 0, storage: 1, '': 2 },
};
const MOST_FILES = 20;

const sources = FILES.filter((file) => /^(src|tools|scripts)\/.*\.(ts|js|mjs)$/.test(file));

/** What a file imports of ours, types included. */
function importsOf(file: string): string[] {
  return ts
    .preProcessFile(read(file), true, true)
    .importedFiles.map(({ fileName }) => fileName)
    .filter((name) => name.startsWith('.'))
    .map((name) => relative(ROOT, resolve(ROOT, dirname(file), name)))
    .map((target) => (sources.includes(target) ? target : target.replace(/\.js$/, '.ts')));
}
const imports = new Map(sources.map((file) => [file, importsOf(file)]));

/** The room of a file inside a folder: `''` for the folder itself. */
function roomOf(folder: string, file: string): string {
  const [room = '', ...inner] = file.slice(folder.length + 1).split('/');
  return inner.length === 0 ? '' : room;
}

describe.each(Object.entries(ROOMS))('%s', (folder, floors) => {
  const inside = sources.filter((file) => file.startsWith(`${folder}/`));

  it('has a floor for each of its rooms', () => {
    const rooms = new Set(inside.map((file) => roomOf(folder, file)));
    expect([...rooms].filter((room) => floors[room] === undefined)).toEqual([]);
    expect(Object.keys(floors).filter((room) => !rooms.has(room))).toEqual([]);
  });

  it('imports go to the own room or strictly down', () => {
    const wrong = inside.flatMap((file) =>
      (imports.get(file) ?? [])
        .filter((target) => target.startsWith(`${folder}/`))
        .filter((target) => {
          const [from, to] = [roomOf(folder, file), roomOf(folder, target)];
          return from !== to && (floors[to] ?? 99) >= (floors[from] ?? -1);
        })
        .map((target) => `${file} imports ${target}`),
    );
    expect(wrong).toEqual([]);
  });
});

it('no file imports itself by a detour, not even for a type', () => {
  const circles: string[] = [];
  const done = new Set<string>();
  const walk = (file: string, path: readonly string[]): void => {
    if (path.includes(file)) circles.push([...path.slice(path.indexOf(file)), file].join(' > '));
    if (done.has(file) || path.includes(file)) return;
    for (const target of imports.get(file) ?? []) walk(target, [...path, file]);
    done.add(file);
  };
  for (const file of sources) walk(file, []);
  expect(circles).toEqual([]);
});

it(`no folder has more than ${MOST_FILES} files`, () => {
  const counts = new Map<string, number>();
  for (const file of FILES.filter((name) => /^(src|tools|scripts|tests|trainer)\//.test(name)))
    counts.set(dirname(file), (counts.get(dirname(file)) ?? 0) + 1);
  expect([...counts].filter(([, count]) => count > MOST_FILES)).toEqual([]);
});
