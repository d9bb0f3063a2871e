// @ts-check
/** Python packages by pip: each command twice before it has failed, and how far an environment is. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { failed } from './command.mjs';

/** What every installation begins with. */
export const INSTALL = ['-m', 'pip', 'install', '--progress-bar', 'off'];
/**
 * And what is installed from a lock: exactly what it names, byte for byte, and nothing is built, since whoever builds a
 * package runs its build backend, which no lock would pin.
 */
export const LOCKED = ['--no-deps', '--require-hashes', '--only-binary', ':all:'];

/** @typedef {(what: string, command: string, args: string[], onLine?: (line: string) => void) => Promise<void>} Run */

/** @param {import('./phases.mjs').Site} site @param {string} log @returns {Run} */
export function runner({ root, children }, log) {
  return async (what, command, args, onLine) => {
    const env = { PIP_DISABLE_PIP_VERSION_CHECK: '1', PIP_NO_INPUT: '1', PIP_USER: '0', PYTHONNOUSERSITE: '1' };
    const options = { cwd: root, log, env, ...(onLine === undefined ? {} : { onLine }) };
    let result = await children.run(command, args, options);
    // Once more: a dropped connection is the most common fault here, and what was fetched is kept by pip.
    if (result.code !== 0) result = await children.run(command, args, options);
    if (result.code !== 0) throw failed(what, log, result);
  };
}

/** The packages a lock names, `name==version` each. @param {string} lock @returns {string[]} */
export function pinsOf(lock) {
  return readFileSync(lock, 'utf8')
    .split('\n')
    .flatMap((line) => /^[A-Za-z0-9][^\s]*/.exec(line)?.[0] ?? []);
}

/**
 * Tells how many of `total` packages there are while an installation runs; pip's lines go to `onLine`.
 * @param {string} venv @param {number} total @param {import('./progress.mjs').Phase} phase
 */
export function counting(venv, total, phase) {
  let collected = 0;
  const ticking = setInterval(() => {
    const unpacked = installed(venv);
    phase.at(
      collected < total && unpacked < 10
        ? `${collected}/${total} packages fetched`
        : `${Math.min(unpacked, total)}/${total} packages installed`,
    );
  }, 1_000);
  return {
    /** @param {string} line */
    onLine(line) {
      if (line.startsWith('Collecting ')) collected += 1;
    },
    stop: () => clearInterval(ticking),
  };
}

/** Packages unpacked so far. @param {string} venv */
function installed(venv) {
  const lib = join(venv, 'lib');
  if (!existsSync(lib)) return 0;
  const site = readdirSync(lib)
    .map((name) => join(lib, name, 'site-packages'))
    .find((path) => existsSync(path));
  return site === undefined ? 0 : readdirSync(site).filter((name) => name.endsWith('.dist-info')).length;
}
