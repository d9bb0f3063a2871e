// @ts-check
/**
 * `npm run check`: every static check of the source, two at a time and each with its cache of the last run. `npm test`
 * runs the same checks without caches.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const cache = join(root, 'node_modules', '.cache');
const bin = (/** @type {string} */ name) => join(root, 'node_modules', '.bin', name);
const ruff = join(root, '.venv', 'bin', 'ruff');
const trainer = join(root, 'trainer');
const clients = join(root, 'tests', 'clients');

/** @typedef {{ name: string, command: string, args: string[], cwd?: string, mend?: string }} Step */

/** Types and lint take most of the time, so each has a lane. @type {Step[][]} */
const lanes = [
  [
    {
      name: 'types',
      command: bin('tsc'),
      args: ['--noEmit', '--incremental', '--tsBuildInfoFile', join(cache, 'check.tsbuildinfo')],
    },
    { name: 'unused exports', command: bin('knip'), args: [], mend: 'drop "export", or delete what nobody uses' },
    { name: 'guards', command: bin('vitest'), args: ['run', '--config', 'vitest.guards.config.ts', '--reporter=dot'] },
  ],
  [
    {
      name: 'format',
      command: bin('prettier'),
      args: ['--check', '--log-level=warn', '--cache', '.'],
      mend: 'npm run format',
    },
    {
      name: 'lint',
      command: bin('eslint'),
      args: ['--cache', '--cache-strategy', 'content', '--cache-location', join(cache, 'eslint'), '.'],
    },
    // The Python environment is not needed to work on the gateway; where it is missing, `npm test` installs it.
    ...(existsSync(ruff)
      ? [
          { name: 'python-format', command: ruff, args: ['format', '--check', '.', clients], mend: 'npm run format' },
          { name: 'python-lint', command: ruff, args: ['check', '.', clients] },
        ].map((step) => ({ ...step, cwd: trainer }))
      : []),
  ],
];

const failed = (await Promise.all(lanes.map(runLane))).flat();
if (failed.length > 0) {
  console.error(`\nfailed: ${failed.join(', ')}`);
  process.exitCode = 1;
}

/** Runs one after the other, also after a failure, so that one run shows all that is wrong. @param {Step[]} steps */
async function runLane(steps) {
  const names = [];
  for (const step of steps) if (!(await run(step))) names.push(step.name);
  return names;
}

/** @param {Step} step @returns {Promise<boolean>} */
function run({ name, command, args, cwd = root, mend }) {
  const began = performance.now();
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (bytes) => (output += String(bytes)));
    child.on('error', (fault) => (output += fault.message));
    child.on('close', (code) => {
      const seconds = ((performance.now() - began) / 1000).toFixed(1).padStart(6);
      if (code !== 0) console.error(`\n${output.trim()}${mend === undefined ? '' : `\n-> ${mend}`}\n`);
      console.log(`${code === 0 ? 'ok  ' : 'FAIL'} ${name.padEnd(15)} ${seconds} s`);
      resolve(code === 0);
    });
  });
}
