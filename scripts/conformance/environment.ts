/** A Python environment for the suites that are written in it: made once, and again when its pins change. */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = dirname(dirname(dirname(dirname(fileURLToPath(import.meta.url)))));
/** Where the parts of suites that are written in Python lie. */
export const SHIMS = join(ROOT, 'tests', 'clients', 'conformance');
const PINS = join(SHIMS, 'requirements.lock');
const ENVIRONMENT = join(ROOT, '.gyre', 'conformance');

export function python(): string {
  const binary = join(ENVIRONMENT, 'bin', 'python');
  const stamp = join(ENVIRONMENT, 'pins');
  const pins = readFileSync(PINS, 'utf8');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === pins) return binary;
  rmSync(ENVIRONMENT, { recursive: true, force: true });
  const run = (command: string, args: readonly string[]): void => {
    if (spawnSync(command, args, { stdio: 'inherit' }).status !== 0)
      throw new Error(`${command} ${args.join(' ')} failed`);
  };
  run(process.env['PYTHON'] ?? 'python3', ['-m', 'venv', ENVIRONMENT]);
  run(binary, [
    '-m',
    'pip',
    'install',
    '--quiet',
    '--disable-pip-version-check',
    '--no-deps',
    '--require-hashes',
    '--only-binary',
    ':all:',
    '-r',
    PINS,
  ]);
  writeFileSync(stamp, pins);
  return binary;
}
