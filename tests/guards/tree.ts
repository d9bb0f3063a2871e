/** The repository as the guards see it: tracked files and files that are about to be. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** Paths relative to the root, ignored ones left out, sorted. */
export const FILES: readonly string[] = execFileSync(
  'git',
  ['ls-files', '-z', '--cached', '--others', '--exclude-standard'],
  { cwd: ROOT, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 },
)
  .split('\0')
  .filter((file) => file !== '' && existsSync(join(ROOT, file)))
  .sort();

export function read(file: string): string {
  return readFileSync(join(ROOT, file), 'utf8');
}

/** Our own source: what the size and the docs tests are about. */
export const SOURCE: readonly string[] = FILES.filter(
  (file) => /^(src|tools|scripts)\/.*\.(ts|js|mjs)$/.test(file) || /^trainer\/gyre_trainer\/.*\.py$/.test(file),
);
