// @ts-check
/** The Python clients the gateway is tested with, in an environment of their own: only `npm test` needs it. */
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';

import { logOf } from './command.mjs';
import { counting, INSTALL, LOCKED, pinsOf, runner } from './pip.mjs';
import { hashOf, isCurrent, stamp } from './stamp.mjs';

const LOCK = join('tests', 'clients', 'requirements.lock');

/** @param {string} root */
export function clientsEnvironment(root) {
  const venv = join(root, '.venv-clients');
  const python = join(venv, 'bin', 'python');
  const file = join(venv, '.gyre-stamp');
  // An environment knows its own path, so a moved checkout needs a new one.
  const hash = hashOf(root, [LOCK], [root]);
  return {
    current: existsSync(python) && isCurrent(file, hash),
    /**
     * @param {import('./phases.mjs').Site} site
     * @param {import('./progress.mjs').Phase} phase
     * @param {string | undefined} interpreter
     */
    async make(site, phase, interpreter) {
      const run = runner(site, logOf(root, 'clients'));
      // A killed pip may leave a package that looks installed and is not, so nothing is built on what lies there.
      rmSync(venv, { recursive: true, force: true });
      phase.at('making .venv-clients');
      await run('python3 -m venv', interpreter ?? 'python3', ['-m', 'venv', venv]);
      const count = counting(venv, pinsOf(join(root, LOCK)).length, phase);
      try {
        // By hash, since releases of these have stolen credentials before; no bytecode, since most of it is never
        // imported.
        await run(
          'installing the Python clients',
          python,
          [...INSTALL, ...LOCKED, '--no-compile', '-r', join(root, LOCK)],
          count.onLine,
        );
      } finally {
        count.stop();
      }
      stamp(file, hash);
    },
  };
}
