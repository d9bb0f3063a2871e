/** Python environments of scripts: each made once, and again when its pins change. */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** The path of a program in the environment that has what the file of pins says, and nothing else. */
export function inEnvironment(folder: string, pinsFile: string, program: string): string {
  const binary = join(folder, 'bin', program);
  const stamp = join(folder, 'pins');
  const pins = readFileSync(pinsFile, 'utf8');
  if (existsSync(binary) && existsSync(stamp) && readFileSync(stamp, 'utf8') === pins) return binary;
  rmSync(folder, { recursive: true, force: true });
  const run = (command: string, args: readonly string[]): void => {
    if (spawnSync(command, args, { stdio: ['ignore', 'inherit', 'inherit'] }).status !== 0)
      throw new Error(`${command} ${args.join(' ')} failed`);
  };
  run(process.env['PYTHON'] ?? 'python3', ['-m', 'venv', folder]);
  run(join(folder, 'bin', 'python'), [
    ...['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check'],
    ...['--no-deps', '--require-hashes', '--only-binary', ':all:', '-r', pinsFile],
  ]);
  writeFileSync(stamp, pins);
  return binary;
}
