// @ts-check
/**
 * `npm run clients`: the libraries and programs of `npm test` alone; `-- all` the others too, which it installs first;
 * `-- NAME...` only these: a program by its package, a library by its test file. What stands after a second `--` goes
 * to pytest.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { otherPrograms } from './setup/programs.mjs';
import { orRefuse } from './setup/refusal.mjs';
import { setUp } from './setup/setup.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const words = process.argv.slice(2);
const end = words.indexOf('--');
const [names, more] = end < 0 ? [words, []] : [words.slice(0, end), words.slice(end + 1)];
const all = names.includes('all');
const asked = names.filter((name) => name !== 'all');

await orRefuse(async () => {
  const others = otherPrograms(root).filter((other) => all || asked.includes(other));
  await setUp(root, { engine: false, clients: true, others, compiled: ['build'] });
  const { status } = spawnSync(
    join(root, '.venv-clients', 'bin', 'python'),
    ['-m', 'pytest', ...filesOf(asked), ...more],
    {
      cwd: join(root, 'tests', 'clients'),
      stdio: 'inherit',
      env: { ...process.env, GYRE_CLIENTS: all ? 'all' : asked.join(' ') },
    },
  );
  process.exitCode = status ?? 1;
});

/** @param {string[]} names */
function filesOf(names) {
  const files = names.map((name) => `test_${name.replaceAll('-', '_')}.py`);
  return [
    ...new Set(files.map((file) => (existsSync(join(root, 'tests', 'clients', file)) ? file : 'test_programs.py'))),
  ];
}
