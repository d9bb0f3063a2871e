// @ts-check
/**
 * Whole programs the gateway is tested with, each as its users install it: those of npm in a folder, those of Python in
 * an environment each, since what they need does not go together. `npm test` needs those with a lock; the others, which
 * are pinned by version alone (`others/NAME.txt` by pip, `others/NAME/package.json` by npm, in a folder each), only
 * `npm run clients -- all`.
 */
import { copyFileSync, existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';

import { failed, logOf } from './command.mjs';
import { counting, INSTALL, pinsOf, runner } from './pip.mjs';
import { hashOf, isCurrent, stamp } from './stamp.mjs';

const FOLDER = join('tests', 'clients', 'programs');
const NPM_LOCK = join(FOLDER, 'package-lock.json');
const OTHERS = join(FOLDER, 'others');

/**
 * @param {string} root
 * @param {string[]} [others] Of those that `npm test` does without.
 */
export function programs(root, others = []) {
  const environments = [
    ...locked(root).map((name) => ({ name, pins: join(FOLDER, `${name}.lock`), isLocked: true })),
    ...others
      .filter((name) => !ofNpm(root).includes(name))
      .map((name) => ({ name, pins: join(OTHERS, `${name}.txt`), isLocked: false })),
  ].map((each) => environment(root, each));
  const folders = others.filter((name) => ofNpm(root).includes(name)).map((name) => folder(root, name));
  // A checkout may lack them all.
  const lanes = [[...(existsSync(join(root, NPM_LOCK)) ? [npm(root)] : []), ...folders], environments];
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

/** The names of what a folder has with an ending. @param {string} place @param {RegExp} ending */
const namesIn = (place, ending) =>
  existsSync(place) ? readdirSync(place).flatMap((name) => (ending.test(name) ? [name.replace(ending, '')] : [])) : [];

/** @param {string} root */
const locked = (root) => namesIn(join(root, FOLDER), /\.lock$/);

/** @param {string} root */
const ofNpm = (root) =>
  namesIn(join(root, OTHERS), /$/).filter((name) => existsSync(join(root, OTHERS, name, 'package.json')));

/** The programs that only `npm run clients -- all` asks. @param {string} root */
export const otherPrograms = (root) => [...namesIn(join(root, OTHERS), /\.txt$/), ...ofNpm(root)];

/** @param {string} root */
function npm(root) {
  const file = join(root, FOLDER, 'node_modules', '.gyre-stamp');
  const hash = hashOf(root, [NPM_LOCK], [process.platform, process.arch]);
  return {
    current: isCurrent(file, hash),
    /** @param {import('./phases.mjs').Site} site @param {import('./progress.mjs').Phase} phase */
    async make({ children }, phase) {
      const log = logOf(root, 'programs');
      phase.at('coding agents and libraries of npm, 400 MB');
      // Their installation scripts only link or fetch the binary that lies in a package beside them.
      const args = ['ci', '--ignore-scripts', '--no-audit', '--no-fund'];
      const result = await children.run('npm', args, { cwd: join(root, FOLDER), log });
      if (result.code !== 0) throw failed('npm ci of the programs', log, result);
      stamp(file, hash);
    },
  };
}

/** @param {string} root @param {string} name */
function folder(root, name) {
  const place = join(root, '.gyre', 'clients', name);
  const file = join(place, 'node_modules', '.gyre-stamp');
  const asked = join(OTHERS, name, 'package.json');
  const hash = hashOf(root, [asked], [process.platform, process.arch]);
  return {
    current: isCurrent(file, hash),
    /** @param {import('./phases.mjs').Site} site @param {import('./progress.mjs').Phase} phase */
    async make({ children }, phase) {
      const log = logOf(root, 'programs');
      rmSync(place, { recursive: true, force: true });
      mkdirSync(place, { recursive: true });
      copyFileSync(join(root, asked), join(place, 'package.json'));
      phase.at(name);
      const args = ['install', '--ignore-scripts', '--no-audit', '--no-fund'];
      const result = await children.run('npm', args, { cwd: place, log });
      if (result.code !== 0) throw failed(`installing ${name}`, log, result);
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
