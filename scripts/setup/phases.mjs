// @ts-check
/**
 * The phases of set-up. Each says by its stamp whether it is current, and when it is not, makes its result from
 * nothing, so that a run killed anywhere is healed by the next.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';

import { failed, logOf } from './command.mjs';
import { counting, INSTALL, LOCKED, pinsOf, runner } from './pip.mjs';
import { onPath } from './preflight.mjs';
import { hashOf, isCurrent, stamp } from './stamp.mjs';

/**
 * @typedef {object} Site
 * @property {string} root The checkout.
 * @property {import('./processes.mjs').ChildProcesses} children
 */
/** @typedef {import('./progress.mjs').Phase} Phase */

/** @param {string} root */
export function nodePackages(root) {
  // The compiled module fits one Node ABI; another Node needs it compiled again.
  const hash = hashOf(root, ['package-lock.json'], [process.versions.modules, process.platform, process.arch]);
  const file = join(root, 'node_modules', '.gyre-stamp');
  if (!isCurrent(file, hash) && installedByHand(root)) stamp(file, hash);
  return {
    current: isCurrent(file, hash),
    /** @param {Site} site @param {Phase} phase */
    async make({ children }, phase) {
      const total = Object.keys(JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages).length - 1;
      const npm = process.env['npm_execpath'];
      const [command, before] =
        npm !== undefined && /npm-cli\.c?js$/.test(npm) ? [process.execPath, [npm]] : ['npm', []];
      const log = logOf(root, 'node');
      rmSync(file, { force: true });
      let fetched = 0;
      let doing = '';
      const ticking = setInterval(() => phase.at(doing === '' ? `${fetched}/${total} packages fetched` : doing), 1_000);
      const result = await children.run(
        command,
        [...before, 'ci', '--include=dev', '--no-audit', '--no-fund', '--foreground-scripts', '--loglevel=http'],
        {
          cwd: root,
          log,
          onLine(line) {
            if (/^npm http (fetch GET 200|cache) /.test(line)) fetched = Math.min(fetched + 1, total);
            else if (/prebuild-install|node-gyp|^\s+(CC|CXX|COPY)\(/.test(line))
              doing = 'compiling better-sqlite3, takes some minutes';
          },
        },
      );
      clearInterval(ticking);
      if (result.code !== 0) throw failed('npm ci', log, result);
      stamp(file, hash);
    },
  };
}

/**
 * Whether somebody ran `npm ci` already: npm's own record, which it writes last, agrees with the lock, and what is
 * compiled works under this Node. @param {string} root
 */
function installedByHand(root) {
  const record = join(root, 'node_modules', '.package-lock.json');
  if (!existsSync(record)) return false;
  /** @param {string} path @returns {Record<string, { version?: string, optional?: boolean }>} */
  const packagesIn = (path) => JSON.parse(readFileSync(path, 'utf8')).packages;
  const found = packagesIn(record);
  const wanted = Object.entries(packagesIn(join(root, 'package-lock.json'))).filter(
    ([path, { optional }]) => path !== '' && optional !== true,
  );
  return (
    wanted.every(([path, { version }]) => found[path]?.version === version) &&
    spawnSync(process.execPath, ['-e', 'require("better-sqlite3")(":memory:")'], { cwd: root }).status === 0
  );
}

const LOCK = join('trainer', 'requirements.lock');
const GPU_LOCK = join('trainer', 'requirements-gpu.lock');
const TORCH_LOCK = join('trainer', 'requirements-torch.lock');
const TORCH_CPU_LOCK = join('trainer', 'requirements-torch-cpu.lock');

/** @param {string} root */
export function pythonEnvironment(root) {
  const gpu = onPath('nvidia-smi', process.env);
  const venv = join(root, '.venv');
  const python = join(venv, 'bin', 'python');
  const stamps = { packages: join(venv, '.gyre-stamp'), trainer: join(venv, '.gyre-trainer-stamp') };
  // An environment knows its own path, so a moved checkout needs a new one.
  const hashes = {
    packages: hashOf(root, gpu ? [GPU_LOCK] : [LOCK, TORCH_LOCK, TORCH_CPU_LOCK], [gpu ? 'gpu' : 'cpu', root]),
    trainer: hashOf(root, [join('trainer', 'pyproject.toml')]),
  };
  const packagesCurrent = existsSync(python) && isCurrent(stamps.packages, hashes.packages);
  return {
    current: packagesCurrent && isCurrent(stamps.trainer, hashes.trainer),
    packagesCurrent,
    /**
     * @param {Site} site
     * @param {Phase} phase
     * @param {string | undefined} interpreter Needed unless the packages are current.
     */
    async make(site, phase, interpreter) {
      const log = logOf(root, 'python');
      const run = runner(site, log);
      if (!packagesCurrent) {
        // A killed pip may leave a package that looks installed and is not, so nothing is built on what lies there.
        rmSync(venv, { recursive: true, force: true });
        phase.at('making .venv');
        await run('python3 -m venv', interpreter ?? 'python3', ['-m', 'venv', venv]);
        /** @param {string} command @param {string[]} args */
        const works = async (command, args) => (await site.children.run(command, args, { cwd: root, log })).code === 0;
        await installPackages({ root, gpu, python, run, works, phase });
        stamp(stamps.packages, hashes.packages);
      }
      phase.at('the trainer itself');
      await run('installing the trainer', python, [
        ...INSTALL,
        '--no-deps',
        '--no-build-isolation',
        '-e',
        join(root, 'trainer'),
      ]);
      stamp(stamps.trainer, hashes.trainer);
    },
  };
}

/**
 * @param {object} how
 * @param {string} how.root @param {boolean} how.gpu @param {string} how.python @param {Phase} how.phase
 * @param {import('./pip.mjs').Run} how.run
 * @param {(command: string, args: string[]) => Promise<boolean>} how.works
 */
async function installPackages({ root, gpu, python, run, works, phase }) {
  const lock = join(root, gpu ? GPU_LOCK : LOCK);
  const { onLine, stop } = counting(join(root, '.venv'), pinsOf(lock).length, phase);
  try {
    // pip would rather take another build than one of a folder, whose hash it has to compute: so this one comes first.
    if (!gpu) await works(python, [...INSTALL, ...LOCKED, '-r', join(root, TORCH_CPU_LOCK)]);
    await run('installing the Python packages', python, [...INSTALL, ...LOCKED, '-r', lock], onLine);
    // Where no index has the CPU build of torch, the CUDA build comes, and it cannot even be imported without its
    // libraries.
    const libraries = join(root, TORCH_LOCK);
    if (!gpu && !(await works(python, ['-c', 'import torch'])))
      await run('installing the libraries of torch', python, [...INSTALL, ...LOCKED, '-r', libraries], onLine);
  } finally {
    stop();
  }
}

/**
 * The packaged model as a folder the engine and the trainer read; made once per version of the converter.
 * @param {string} root
 */
export function model(root) {
  const models = join(root, '.gyre', 'models');
  const out = join(models, 'smollm2-135m-instruct');
  const file = join(models, 'smollm2-135m-instruct.stamp');
  const hash = hashOf(
    root,
    ['convert.py', 'tokenizer_file.py']
      .map((name) => join('trainer', 'gyre_trainer', 'weights', name))
      .concat(join('trainer', 'templates')),
  );
  return {
    current: existsSync(join(out, 'STABLE')) && isCurrent(file, hash),
    /** @param {Site} site @param {Phase} phase */
    async make({ children }, phase) {
      const log = logOf(root, 'model');
      mkdirSync(models, { recursive: true });
      if (!isCurrent(file, hash)) rmSync(out, { recursive: true, force: true });
      phase.at('converting SmolLM2-135M-Instruct');
      const result = await children.run(
        join(root, '.venv', 'bin', 'python'),
        ['-m', 'gyre_trainer', 'convert', '--out', out],
        { cwd: root, log, onLine: (line) => phase.at(line) },
      );
      if (result.code !== 0) throw failed('the conversion of the model', log, result);
      stamp(file, hash);
    },
  };
}
