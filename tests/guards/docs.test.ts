import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

import { ConfigKeys } from '../../src/core/config.js';
import { FILES, read, ROOT, SOURCE } from './tree.js';

const README = read('README.md');
const ARCHITECTURE = read('ARCHITECTURE.md');
const DOCS = [README, ARCHITECTURE, read('CHANGELOG.md')].join('\n');
/** The composition: every verb and every route is written down in one of these. */
const SURFACE = FILES.filter((file) => /^src\/(main\.ts|app\.ts|run\/|cli\/|http\/|learner\/)/.test(file))
  .map(read)
  .join('\n');

/** File names of the README's tree. A folder's line ends with `/`; indentation by two columns nests. */
function treeOf(readme: string): string[] {
  const block = /```(?:text)?\n((?:src|tools|migrations|scripts)\/[\s\S]*?)```/.exec(readme)?.[1] ?? '';
  const folders: string[] = [];
  return block.split('\n').flatMap((line) => {
    const match = /^((?:[│├└─ ]{2})*)(\S+)/.exec(line);
    if (match === null) return [];
    const [, indent = '', name = ''] = match;
    folders.length = Math.floor(indent.replace(/[^ │├└─]/g, '').length / 2);
    if (!name.endsWith('/')) return [folders.join('') + name];
    folders.push(name);
    return [];
  });
}

describe("the README's file tree", () => {
  const tree = treeOf(README);

  it('names every source file', () => {
    expect(SOURCE.filter((file) => !tree.includes(file) && !file.endsWith('__init__.py'))).toEqual([]);
  });

  it('names no file that is not there', () => {
    expect(tree.filter((file) => !existsSync(join(ROOT, file)))).toEqual([]);
  });
});

describe('the documents', () => {
  it('the README has every configuration key', () => {
    expect(Object.keys(ConfigKeys).filter((key) => !README.includes(`\`${key}\``))).toEqual([]);
  });

  it('every verb they name exists, and every verb is named', () => {
    const declared = [...read('src/main.ts').matchAll(/\b(?:verb|learning)\(\s*'([a-z]+)/g)].map(
      (match) => match[1] ?? '',
    );
    const named = [...DOCS.matchAll(/(?:npx |`)gyre ([a-z]+)\b/g)].map((match) => match[1] ?? '');
    expect(named.filter((verb) => !declared.includes(verb))).toEqual([]);
    expect(declared.filter((verb) => !named.includes(verb))).toEqual([]);
    expect(declared.length).toBeGreaterThan(10);
  });

  it('every route they name exists', () => {
    const routes = new Set(
      [...DOCS.matchAll(/\b(?:GET|POST|DELETE|PUT) `?(\/[A-Za-z0-9/{}_.-]*)/g)].map((match) => match[1] ?? ''),
    );
    const known = [...SURFACE.matchAll(/['"`](\/[A-Za-z0-9/{}_.:*-]*)['"`]/g)].map((match) => segments(match[1] ?? ''));
    // Sub-applications are mounted under a prefix, so a route is known when its end is.
    expect([...routes].filter((route) => !known.some((path) => endsWith(segments(route), path)))).toEqual([]);
    expect(routes.size).toBeGreaterThan(5);
  });

  it('every path ARCHITECTURE names exists', () => {
    const paths = [
      ...ARCHITECTURE.matchAll(/`((?:src|tools|scripts|tests|trainer|migrations)\/[A-Za-z0-9_./-]*)`/g),
    ].map((match) => match[1] ?? '');
    expect(paths.filter((path) => !existsSync(join(ROOT, path)))).toEqual([]);
  });

  it('every npm script they name exists', () => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
    const named = [...DOCS.matchAll(/\bnpm run ([A-Za-z:-]+)/g)].map((match) => match[1] ?? '');
    // `bench:NAME` stands for several.
    expect(named.filter((name) => !/[A-Z]/.test(name) && scripts[name] === undefined)).toEqual([]);
  });
});

/** `/a/{id}` and `/a/:id` are one route. */
function segments(path: string): string[] {
  return path
    .split('/')
    .filter((part) => part !== '')
    .map((part) => (/^[{:]/.test(part) ? ':' : part));
}

function endsWith(whole: readonly string[], end: readonly string[]): boolean {
  if (end.length === 0) return whole.length === 0;
  return end.length <= whole.length && end.every((part, at) => part === whole[whole.length - end.length + at]);
}
