// @ts-check
/**
 * Whole programs the gateway is tested with, each as its users install it: those of npm in a folder, those of Python in
 * an environment each, since what they need does not go together. `npm test` needs those with a lock; the others, which
 * are pinned by version alone, only `npm run clients -- all`.
 */
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';

import { failed, logOf } from './command.mjs';
import { counting, INSTALL, pinsOf, runner } from './pip.mjs';
import { hashOf, isCurrent, stamp } from './stamp.mjs';

const FOLDER = join('tests', 'clients', 'programs');
const NPM_LOCK = join(FOLDER, 'package-lock.json');

/**
 * @param {string} root
 * @param {string[]} [others] Of those that `npm test` does without.
 */
export function programs(root, others = []) {
  const environments = [
    ...locked(root).map((name) => ({ name, pins: join(FOLDER, `${name}.lock`), isLocked: true })),
    ...others.map((name) => ({ name, pins: join(FOLDER, 'others', `${name}.txt`), isLocked: false })),
  ].map((each) => environment(root, each));
  // A checkout may lack them all.
  const lanes = [existsSync(join(root, NPM_LOCK)) ? [npm(root)] : [], environments];
  return {
    current: lanes.flat().every(({ current }) => current),
    /**
     * @param {import('./phases.mjs').Site} site
     * @param {import('./progress.mjs').Phase} phase
     * @param {string | undefined} interpreter
     */
    async make(site, phase, interpreter) {
      // Side by side: both mostly wait for what they fetch.
      await Promise.all(
        lanes.map(async (lane) => {
          for (const part of lane) if (!part.current) await part.make(site, phase, interpreter);
        }),
      );
    },
  };
}

/** The names of what a folder has with an ending. @param {string} folder @param {RegExp} ending */
const namesIn = (folder, ending) =>
  existsSync(folder)
    ? readdirSync(folder).flatMap((name) => (ending.test(name) ? [name.replace(ending, '')] : []))
    : [];

/** @param {string} root */
const locked = (root) => namesIn(join(root, FOLDER), /\.lock$/);

/** The programs that only `npm run clients -- all` asks. @param {string} root */
export const otherPrograms = (root) => namesIn(join(root, FOLDER, 'others'), /\.txt$/);

/** @param {string} root */
function npm(root) {
  const file = join(root, FOLDER, 'node_modules', '.gyre-stamp');
  const hash = hashOf(root, [NPM_LOCK], [process.platform, process.arch]);
  return {
    current: isCurrent(file, hash),
    /** @param {import('./phases.mjs').Site} site @param {import('./progress.mjs').Phase} phase */
    async make({ children }, phase) {
      const log = logOf(root, 'programs');
      phase.at('coding agents, 400 MB');
      // Their installation scripts only link or fetch the binary that lies in a package beside them.
      const args = ['ci', '--ignore-scripts', '--no-audit', '--no-fund'];
      const result = await children.run('npm', args, { cwd: join(root, FOLDER), log });
      if (result.code !== 0) throw failed('npm ci of the programs', log, result);
      stamp(file, hash);
    },
  };
}

/** @param {string} root @param {{ name: string, pins: string, isLocked: boolean }} what */
function environment(root, { name, pins, isLocked }) {
  const venv = join(root, '.gyre', 'clients', name);
  const file = join(venv, '.gyre-stamp');
  const python = join(venv, 'bin', 'python');
  const hash = hashOf(root, [pins], [root]);
  return {
    current: existsSync(python) && isCurrent(file, hash),
    /**
     * @param {import('./phases.mjs').Site} site
     * @param {import('./progress.mjs').Phase} phase
     * @param {string | undefined} interpreter
     */
    async make(site, phase, interpreter) {
      const run = runner(site, logOf(root, 'programs'));
      rmSync(venv, { recursive: true, force: true });
      phase.at(`${name}: an environment`);
      await run('python3 -m venv', interpreter ?? 'python3', ['-m', 'venv', '--without-pip', venv]);
      const libraries = join(root, '.venv-clients', 'bin', 'python');
      const count = counting(venv, pinsOf(join(root, pins)).length, phase);
      const told = isLocked ? count.onLine : undefined;
      // Pinned are all that it needs, so nothing newer of theirs comes in by itself.
      const strict = ['--no-deps', ...(isLocked ? ['--require-hashes'] : [])];
      try {
        // By the libraries' pip: to unpack one for each takes longer than some of them.
        const args = [...INSTALL, '--no-compile', ...strict, '-r', join(root, pins)];
        await run(`installing ${name}`, libraries, ['-m', 'pip', '--python', python, ...args.slice(2)], told);
      } finally {
        count.stop();
      }
      stamp(file, hash);
    },
  };
}
