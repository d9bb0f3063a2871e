// @ts-check
/** Writes `docs/files.md`: every source file with the first sentence of its opening comment. `--check` compares. */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const START = '<!-- tree -->';
const END = '<!-- /tree -->';
const WIDTH = 120;
const NAME = 22;
const LISTED = /^(src|tools|scripts|trainer\/gyre_trainer)\/.*\.(ts|js|mjs|py)$/;

/** @param {string} path @returns {string} */
function about(path) {
  const text = readFileSync(join(root, path), 'utf8')
    .replace(/^#!.*\n/, '')
    .replace(/^\/\/ @ts-check\n/, '');
  const comment = path.endsWith('.py')
    ? /^\s*(?:r?"""|''')([\s\S]*?)(?:"""|''')/.exec(text)?.[1]
    : /^\s*\/\*\*([\s\S]*?)\*\//.exec(text)?.[1];
  const flat = (comment ?? '')
    .replace(/^\s*\* ?/gm, ' ')
    .replace(/\s+/g, ' ')
    .trim();
  return /^(.*?)[.](?:\s|$)/.exec(flat)?.[1] ?? flat;
}

/** A file's line, and as many more as its sentence needs. @param {string} path @returns {string[]} */
function lines(path) {
  const rows = [`  ${basename(path).padEnd(NAME)}`];
  for (const word of about(path).split(' ')) {
    const row = `${rows.at(-1)} ${word}`;
    if (row.length <= WIDTH) rows[rows.length - 1] = row;
    else rows.push(`${' '.repeat(NAME + 2)} ${word}`);
  }
  return rows.map((row) => row.trimEnd());
}

function tree() {
  const files = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
    cwd: root,
    encoding: 'utf8',
  })
    .split('\n')
    .filter((path) => LISTED.test(path))
    .sort((a, b) => (dirname(a) === dirname(b) ? 0 : dirname(a) < dirname(b) ? -1 : 1) || (a < b ? -1 : 1));
  const all = [];
  let folder = '';
  for (const path of files) {
    if (dirname(path) !== folder) all.push(`${(folder = dirname(path))}/`);
    all.push(...lines(path));
  }
  return ['```', ...all, '```'].join('\n');
}

const page = join(root, 'docs', 'files.md');
const text = readFileSync(page, 'utf8');
const [from, to] = [text.indexOf(START) + START.length, text.indexOf(END)];
const next = `${text.slice(0, from)}\n${tree()}\n${text.slice(to)}`;
if (process.argv.includes('--check')) {
  if (next !== text) {
    console.error('docs/files.md is not what the files say: run node scripts/tree.mjs');
    process.exitCode = 1;
  }
} else writeFileSync(page, next);
