import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join, posix } from 'node:path';
import { describe, expect, it } from 'vitest';

import { ConfigKeys } from '../../src/core/config.js';
import { FILES, read, ROOT, SOURCE } from './tree.js';

const README = read('README.md');
const ARCHITECTURE = read('ARCHITECTURE.md');
const FILE_TREE = read('docs/files.md');
/** Pages written by hand: what they name must be there. */
const PAGES = FILES.filter((file) => /^(?:[A-Z]+\.md|docs\/.*\.md|trainer\/[A-Z]+\.md)$/.test(file));
const DOCS = PAGES.filter((page) => !page.startsWith('trainer/'))
  .map(read)
  .join('\n');
/** The composition: every verb and every route is written down in one of these. */
const SURFACE = FILES.filter((file) => /^src\/(main\.ts|app\.ts|run\/|cli\/|http\/|learner\/)/.test(file))
  .map(read)
  .join('\n');

/** File names of the tree: a folder's line ends with `/`, a file's begins with two spaces, what goes on with more. */
function filesOf(tree: string): string[] {
  const block = /```\n([\s\S]*?)```/.exec(tree)?.[1] ?? '';
  let folder = '';
  return block.split('\n').flatMap((line) => {
    folder = /^(\S+\/)$/.exec(line)?.[1] ?? folder;
    const name = /^ {2}(\S+)/.exec(line)?.[1];
    return name === undefined ? [] : [folder + name];
  });
}

describe('the file tree in docs/files.md', () => {
  const tree = filesOf(FILE_TREE);

  it('names every source file', () => {
    expect(SOURCE.filter((file) => !tree.includes(file))).toEqual([]);
  });

  it('says of each file what its first sentence says; else run node scripts/tree.mjs', () => {
    const { status } = spawnSync(process.execPath, ['scripts/tree.mjs', '--check'], { cwd: ROOT });
    expect(status).toBe(0);
  });

  it('names no file that is not there', () => {
    expect(tree.filter((file) => !existsSync(join(ROOT, file)))).toEqual([]);
  });
});

describe('the README', () => {
  it('is read in one sitting', () => {
    expect(README.split('\n').length - 1).toBeLessThanOrEqual(150);
  });

  it('leads to every other page', () => {
    expect(PAGES.filter((page) => page !== 'README.md' && !README.includes(`](${page})`))).toEqual([]);
  });
});

describe('the CHANGELOG', () => {
  const text = read('CHANGELOG.md');
  const versions = [...text.matchAll(/^## \[(.+?)\] - (\S+)$/gm)].map(([, version = '', date = '']) => ({
    version,
    date,
  }));

  it('begins with the version that everything has', () => {
    const { version } = JSON.parse(read('package.json')) as { version: string };
    expect(versions[0]?.version).toBe(version);
    expect(/^__version__ = "(.*)"$/m.exec(read('trainer/gyre_trainer/__init__.py'))?.[1]).toBe(version);
  });

  it('is in the form of Keep a Changelog: dated versions, and six kinds of change', () => {
    expect([...text.matchAll(/^## (.*)$/gm)]).toHaveLength(versions.length);
    expect(versions.filter(({ date }) => !/^\d{4}-\d{2}-\d{2}$/.test(date))).toEqual([]);
    const kinds = [...text.matchAll(/^### (.*)$/gm)].map(([, kind = '']) => kind);
    expect(kinds.filter((kind) => !/^(Added|Changed|Deprecated|Removed|Fixed|Security)$/.test(kind))).toEqual([]);
  });
});

describe('the documents', () => {
  it('docs/running.md has every configuration key', () => {
    const page = read('docs/running.md');
    expect(Object.keys(ConfigKeys).filter((key) => !page.includes(`\`${key}\``))).toEqual([]);
  });

  it('every link between them leads to a file and a heading that are there', () => {
    const links = PAGES.flatMap((page) =>
      [...prose(read(page)).matchAll(/\]\(([^()\s]+)\)/g)].map(([, to = '']) => ({ page, to })),
    ).filter(({ to }) => !/^[a-z]+:/.test(to));
    const broken = links.filter(({ page, to }) => {
      const [path = '', anchor] = to.split('#');
      const file = path === '' ? page : posix.join(posix.dirname(page), path);
      return !existsSync(join(ROOT, file)) || (anchor !== undefined && !anchorsOf(read(file)).includes(anchor));
    });
    expect(broken).toEqual([]);
    expect(links.length).toBeGreaterThan(10);
  });

  it('no line of prose is wider than 120 columns', () => {
    const wide = PAGES.filter((page) => !page.startsWith('trainer/')).flatMap((page) =>
      read(page)
        .split('\n')
        .flatMap((line, at) => (line.length > 120 && !line.startsWith('|') ? [`${page}:${at + 1}`] : [])),
    );
    expect(wide).toEqual([]);
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

  it('every path they name exists', () => {
    const paths = [...DOCS.matchAll(/`((?:src|tools|scripts|tests|trainer|migrations|docs)\/[A-Za-z0-9_./-]*)`/g)].map(
      (match) => match[1] ?? '',
    );
    // `NAME` stands for several.
    expect(paths.filter((path) => !path.includes('NAME') && !existsSync(join(ROOT, path)))).toEqual([]);
    expect(paths.length).toBeGreaterThan(20);
  });

  it('each recipe of CONTRIBUTING has fewer than fifteen lines', () => {
    const [, recipes = ''] = read('CONTRIBUTING.md').split('\n## Recipes\n');
    const lengths = recipes
      .split('\n### ')
      .slice(1)
      .map((recipe) => recipe.trim().split('\n').length);
    expect(lengths.length).toBeGreaterThan(5);
    expect(lengths.filter((lines) => lines >= 15)).toEqual([]);
  });

  it('ARCHITECTURE has every folder of the source', () => {
    const folders = new Set(
      SOURCE.filter((file) => /^(src|tools)\//.test(file)).map((file) => `${posix.dirname(file)}/`),
    );
    expect([...folders].filter((folder) => folder !== 'src/' && !ARCHITECTURE.includes(`\`${folder}\``))).toEqual([]);
  });

  it('every npm script they name exists', () => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
    const named = [...DOCS.matchAll(/\bnpm run ([A-Za-z:-]+)/g)].map((match) => match[1] ?? '');
    // `bench:NAME` stands for several.
    expect(named.filter((name) => !/[A-Z]/.test(name) && scripts[name] === undefined)).toEqual([]);
  });
});

/** Markdown without what stands in it as code. */
function prose(markdown: string): string {
  return markdown.replace(/^```[\s\S]*?^```/gm, '').replace(/`[^`\n]*`/g, '');
}

/** Headings as links name them. */
function anchorsOf(markdown: string): string[] {
  return [...prose(markdown).matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading
      .trim()
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
}

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
