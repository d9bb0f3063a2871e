// @ts-check
/**
 * Looks at the machine before anything is installed. Every fault is one sentence that says what to do; what a
 * finished set-up no longer needs is not asked for.
 */
import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, readFileSync, statfsSync } from 'node:fs';
import { createServer } from 'node:net';
import { totalmem } from 'node:os';
import { delimiter, join } from 'node:path';

import { Refusal } from './refusal.mjs';

const GB = 1024 ** 3;
/** What is installed; CUDA's libraries are most of the second. */
const DISK_GB = { cpu: 6, gpu: 16 };
const MEMORY_GB = 6;
/** `crypto.hash` is there from here on. */
const NODE = '20.12';

/**
 * @typedef {object} Needs
 * @property {boolean} nodePackages They are still to be installed.
 * @property {boolean} python The Python environment is still to be made.
 * @property {boolean} engine An engine will run on this machine.
 * @property {{ host: string, port: number } | undefined} listen Where the gateway will listen, if it is known.
 */

/** @typedef {{ node: string, memory: number, disk: number, env: NodeJS.ProcessEnv }} Machine */

/** @param {string} root @returns {Machine} */
export function thisMachine(root) {
  const free = statfsSync(root);
  // Inside a container the limit counts, not the host's memory; where there is none the number is 0 or enormous.
  const limit = process.constrainedMemory?.() ?? 0;
  return {
    node: process.versions.node,
    memory: limit > 0 ? Math.min(limit, totalmem()) : totalmem(),
    disk: free.bavail * free.bsize,
    env: process.env,
  };
}

/**
 * The Python to make the environment with, when one is needed. Throws a Refusal on the first fault.
 * @param {Machine} machine @param {Needs} needs
 */
export async function preflight(machine, needs) {
  if (isOlder(machine.node, NODE))
    throw new Refusal(
      `Gyre needs Node ${NODE} or newer and this is ${machine.node}: install Node ${NODE} from your ` +
        'package manager or with nvm, then run npm start again.',
    );
  if (needs.listen !== undefined) await portIsFree(needs.listen);
  if (needs.engine && machine.memory < MEMORY_GB * GB) {
    throw new Refusal(
      `the engine and the trainer need ${MEMORY_GB} GB of memory and this machine has ${inGB(machine.memory)}: ` +
        'use a larger machine, or name a running engine with npm start -- --engine URL.',
    );
  }
  const wanted = needs.python && onPath('nvidia-smi', machine.env) ? DISK_GB.gpu : DISK_GB.cpu;
  if ((needs.nodePackages || needs.python) && machine.disk < wanted * GB) {
    throw new Refusal(
      `the set-up needs ${wanted} GB of free disk space and there are ${inGB(machine.disk)}: free ` +
        'some, or move this checkout to a larger disk.',
    );
  }
  if (needs.nodePackages) compilerIsThere(machine.env);
  return needs.python ? findPython(machine.env) : undefined;
}

/** @param {string} version @param {string} wanted */
function isOlder(version, wanted) {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const [wantedMajor = 0, wantedMinor = 0] = wanted.split('.').map(Number);
  return major < wantedMajor || (major === wantedMajor && minor < wantedMinor);
}

/** @param {number} bytes */
function inGB(bytes) {
  return `${(bytes / GB).toFixed(1)} GB`;
}

/** @param {string} name @param {NodeJS.ProcessEnv} env */
export function onPath(name, env) {
  return (env['PATH'] ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, name), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** @param {NodeJS.ProcessEnv} env */
function compilerIsThere(env) {
  const missing = [
    ...(['c++', 'g++', 'clang++'].some((name) => onPath(name, env)) ? [] : ['C compiler']),
    ...(onPath('make', env) ? [] : ['make']),
  ];
  if (missing.length > 0)
    throw new Refusal(
      `there is no ${missing.join(' and no ')} on the PATH, and better-sqlite3 is compiled from source: ` +
        'install them, for example with apt-get install build-essential.',
    );
}

/** The first interpreter that serves: 3.11 to 3.13, with venv. @param {NodeJS.ProcessEnv} env */
function findPython(env) {
  const candidates = ['python3', 'python3.11', 'python3.12', 'python3.13'].filter((name) => onPath(name, env));
  if (candidates.length === 0)
    throw new Refusal(
      'there is no python3 on the PATH: install Python 3.11 with venv, for example with ' +
        'apt-get install python3 python3-venv.',
    );
  let fault = '';
  for (const name of candidates) {
    const version =
      spawnSync(name, ['-c', 'import sys; print("%d.%d" % sys.version_info[:2])'], {
        env,
        encoding: 'utf8',
      }).stdout?.trim() ?? '';
    const [major = 0, minor = 0] = version.split('.').map(Number);
    if (major !== 3 || minor < 11 || minor > 13) {
      fault ||=
        `Gyre needs Python 3.11, 3.12 or 3.13 and ${name} is ` +
        `${version === '' ? 'one that does not start' : version}: install one of them, for example with apt-get ` +
        'install python3.11 python3.11-venv.';
    } else if (spawnSync(name, ['-c', 'import venv, ensurepip'], { env }).status !== 0) {
      fault = `${name} has no venv module: install it, for example with apt-get install python${version}-venv.`;
    } else return name;
  }
  throw new Refusal(fault);
}

/** @param {{ host: string, port: number }} where */
async function portIsFree({ host, port }) {
  if (port === 0) return;
  const server = createServer();
  /** @type {NodeJS.ErrnoException | undefined} */
  const fault = await new Promise((resolve) => {
    server.once('error', resolve);
    server.listen(port, host, () => server.close(() => resolve(undefined)));
  });
  if (fault?.code === 'EADDRINUSE')
    throw new Refusal(
      `port ${port} on ${host} is taken: end what listens there, or choose another with ` +
        `npm start -- --port ${port + 1}.`,
    );
  if (fault?.code === 'EACCES')
    throw new Refusal(
      `port ${port} may not be used without privileges: choose one above 1023 with npm start -- --port 8080.`,
    );
}

/**
 * Where the gateway will listen, as far as the command line alone can tell; a configuration file may say otherwise,
 * and then the gateway itself speaks up.
 * @param {string[]} args @param {string} cwd
 */
export function listenAddress(args, cwd) {
  const port = flag(args, '--port');
  if (port === undefined && (flag(args, '--config') !== undefined || existsSync(join(cwd, 'gyre.yaml'))))
    return undefined;
  const number = Number(port ?? 8080);
  return Number.isInteger(number) && number >= 0 && number <= 65535
    ? { host: flag(args, '--host') ?? '127.0.0.1', port: number }
    : undefined;
}

/**
 * Whether the engine runs elsewhere, by the command line or by the configuration file, which is looked at as text:
 * nothing that reads YAML is installed yet. A file that cannot be read is the gateway's to complain of.
 * @param {string[]} args @param {string} cwd
 */
export function engineElsewhere(args, cwd) {
  if (flag(args, '--engine') !== undefined) return true;
  const file = flag(args, '--config') ?? join(cwd, 'gyre.yaml');
  if (!existsSync(file)) return false;
  const text = readFileSync(file, 'utf8').replace(/(^|\s)#.*$/gm, '');
  return (
    /^engine\.url[ \t]*:[ \t]*\S/m.test(text) ||
    /^engine[ \t]*:[ \t]*(?:\{[^}]*\burl[ \t]*:|\r?\n(?:[ \t]+.*\r?\n|[ \t]*\r?\n)*[ \t]+url[ \t]*:[ \t]*\S)/m.test(
      text,
    )
  );
}

/** The value of `--name value` or `--name=value`. @param {string[]} args @param {string} name */
export function flag(args, name) {
  for (let at = 0; at < args.length; at += 1) {
    if (args[at] === name) return args[at + 1];
    if (args[at]?.startsWith(`${name}=`)) return args[at]?.slice(name.length + 1);
  }
  return undefined;
}
