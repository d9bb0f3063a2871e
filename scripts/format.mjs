// @ts-check
/** `npm run format`: writes every file as the formatters want it, of both languages where Python's is there. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const ruff = join(root, '.venv', 'bin', 'ruff');
const trainer = join(root, 'trainer');

/** @param {string} command @param {string[]} args @param {string} [cwd] */
function run(command, args, cwd = root) {
  const { status } = spawnSync(command, args, { cwd, stdio: 'inherit' });
  if (status !== 0) process.exitCode = 1;
}

run(join(root, 'node_modules', '.bin', 'prettier'), ['--write', '--log-level=warn', '.']);
if (existsSync(ruff)) run(ruff, ['format', '.', join(root, 'tests', 'clients')], trainer);
else console.log('Python is not formatted: there is no .venv yet, "npm start" or "npm test" makes it');
