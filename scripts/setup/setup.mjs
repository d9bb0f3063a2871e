// @ts-check
/** Everything a bare machine needs, once: check, packages of both languages side by side, build, model. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';

import { build, buildScripts } from './build.mjs';
import { clientsEnvironment } from './clients.mjs';
import { takeLock } from './lock.mjs';
import { model, nodePackages, pythonEnvironment } from './phases.mjs';
import { preflight, thisMachine } from './preflight.mjs';
import { childProcesses } from './processes.mjs';
import { programs } from './programs.mjs';
import { progress } from './progress.mjs';

const PHASES = 7;
const NO_PROGRAMS = { current: true, make: () => Promise.resolve() };

/**
 * Returns when everything is current. Throws a Refusal with one sentence when it cannot be.
 * @param {string} root The checkout.
 * @param {object} options
 * @param {boolean} options.engine Whether an engine will run on this machine; without one neither Python nor the
 *   model is needed.
 * @param {boolean} [options.clients] Whether the clients are: the libraries of Python and the whole programs.
 * @param {string[]} [options.others] Programs beside those that `npm test` runs.
 * @param {('dist' | 'build')[]} [options.compiled] What is to be compiled.
 * @param {{ host: string, port: number } | undefined} [options.listen]
 */
export async function setUp(root, { engine, clients = false, others = [], compiled = ['dist'], listen }) {
  const look = () => ({
    packages: nodePackages(root),
    python: pythonEnvironment(root),
    libraries: clientsEnvironment(root),
    // Only who tests clients has their folder.
    whole: clients ? programs(root, others) : NO_PROGRAMS,
    dist: build(root),
    scripts: buildScripts(root),
    converted: model(root),
  });
  let state = look();
  const isCurrent = () =>
    state.packages.current &&
    (!compiled.includes('dist') || state.dist.current) &&
    (!compiled.includes('build') || state.scripts.current) &&
    (!engine || (state.python.current && state.converted.current)) &&
    (!clients || (state.libraries.current && state.whole.current));
  const needs = () => ({
    nodePackages: !state.packages.current,
    python: (engine && !state.python.packagesCurrent) || (clients && !(state.libraries.current && state.whole.current)),
    engine,
    listen,
  });
  let interpreter = await preflight(thisMachine(root), needs());
  if (isCurrent()) return;

  const lines = progress(
    clients ? PHASES : PHASES - 2,
    (line) => console.log(line),
    () => performance.now(),
  );
  // The folder will hold what is said: for this user alone from the start.
  mkdirSync(join(root, '.gyre'), { recursive: true, mode: 0o700 });
  const children = childProcesses(join(root, '.gyre', 'setup', 'children'));
  const release = await takeLock(join(root, '.gyre', 'setup', 'lock'), (pid) =>
    console.log(`another set-up of this checkout is running (process ${pid}); waiting for it`),
  );
  /** @param {NodeJS.Signals} signal */
  const interrupted = (signal) => {
    children.endAll('SIGKILL');
    release();
    process.exit(signal === 'SIGINT' ? 130 : 143);
  };
  /** @type {NodeJS.Signals[]} */
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
  for (const signal of signals) process.on(signal, interrupted);
  try {
    children.endStale();
    // Whoever was waited for may have done some of it, or all.
    state = look();
    interpreter = await preflight(thisMachine(root), needs());
    lines.phase(1, 'checks').done();
    const site = { root, children };
    /**
     * @param {number} number @param {string} name @param {{ current: boolean }} phase
     * @param {(line: import('./progress.mjs').Phase) => Promise<void>} make
     */
    const step = async (number, name, phase, make) => {
      if (phase.current) return;
      const line = lines.phase(number, name);
      await make(line);
      line.done();
    };
    const javascript = step(2, 'node packages', state.packages, (line) => state.packages.make(site, line));
    const python = engine
      ? step(3, 'python environment', state.python, (line) => state.python.make(site, line, interpreter))
      : Promise.resolve();
    await bothOrNeither(
      [
        javascript.then(async () => {
          if (compiled.includes('dist')) await step(4, 'build', state.dist, (line) => state.dist.make(site, line));
          if (compiled.includes('build'))
            await step(4, 'build of scripts', state.scripts, (line) => state.scripts.make(site, line));
        }),
        python.then(() =>
          engine ? step(5, 'model', state.converted, (line) => state.converted.make(site, line)) : undefined,
        ),
        clients
          ? step(6, 'python clients', state.libraries, (line) => state.libraries.make(site, line, interpreter)).then(
              () => step(7, 'programs', state.whole, (line) => state.whole.make(site, line, interpreter)),
            )
          : Promise.resolve(),
      ],
      () => children.endAll('SIGKILL'),
    );
  } finally {
    for (const signal of signals) process.off(signal, interrupted);
    release();
  }
}

/**
 * Waits for all; when one fails the others are ended before its fault goes on.
 * @param {Promise<unknown>[]} branches
 * @param {() => void} end
 */
async function bothOrNeither(branches, end) {
  try {
    await Promise.all(branches);
  } catch (fault) {
    end();
    await Promise.allSettled(branches);
    throw fault;
  }
}
