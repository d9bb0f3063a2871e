// @ts-check
/**
 * Writes the file tree of the README: every source file with the first sentence of its opening comment. `--check` only
 * compares.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const START = '<!-- tree -->';
const END = '<!-- /tree -->';
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
  const sentence = /^(.*?)[.](?:\s|$)/.exec(flat)?.[1] ?? flat;
  return sentence.length <= 110 ? sentence : sentence.replace(/^(.{8,}?)[:;,] .*$/, '$1');
}

export function tree() {
  const files = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
    cwd: root,
    encoding: 'utf8',
  })
    .split('\n')
    .filter((path) => LISTED.test(path))
    .sort((a, b) => (dirname(a) === dirname(b) ? 0 : dirname(a) < dirname(b) ? -1 : 1) || (a < b ? -1 : 1));
  const lines = [];
  let folder = '';
  for (const path of files) {
    if (dirname(path) !== folder) lines.push(`${(folder = dirname(path))}/`);
    lines.push(`  ${basename(path).padEnd(22)} ${about(path)}`);
  }
  return ['```', ...lines, '```'].join('\n');
}

const readme = join(root, 'README.md');
const text = readFileSync(readme, 'utf8');
const [from, to] = [text.indexOf(START) + START.length, text.indexOf(END)];
const next = `${text.slice(0, from)}\n${tree()}\n${text.slice(to)}`;
if (process.argv.includes('--check')) {
  if (next !== text) {
    console.error('the file tree in README.md is not what the files say: run node scripts/tree.mjs');
    process.exitCode = 1;
  }
} else writeFileSync(readme, next);
