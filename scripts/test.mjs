// @ts-check
/**
 * `npm test`: what is missing is set up, then every check of both languages and the circle on real vLLM, the
 * quick ones first. Stops at the first that fails. `npm test -- NAME...` runs only the named ones.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';

import { orRefuse, Refusal } from './setup/refusal.mjs';
import { setUp } from './setup/setup.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const trainer = join(root, 'trainer');
const reports = mkdtempSync(join(tmpdir(), 'gyre-test-'));
const python = join(root, '.venv', 'bin', 'python');
const clients = join(root, 'tests', 'clients');
const node = (/** @type {string[]} */ ...path) => join(root, 'node_modules', ...path);
const vitestReport = join(reports, 'vitest.json');
const pytestReport = join(reports, 'pytest.xml');
const vitest = [
  node('vitest', 'vitest.mjs'),
  'run',
  '--reporter=default',
  '--reporter=json',
  `--outputFile=${vitestReport}`,
];

/** @typedef {{ passed: number, failed: number, faults?: string[] }} Counts `faults`: each failed test and why. */
/** @typedef {{ name: string, command: string, args: string[], cwd?: string, counts?: () => Counts }} Check */

/** @type {Check[]} */
const checks = [
  { name: 'format', command: process.execPath, args: [node('prettier', 'bin', 'prettier.cjs'), '--check', '.'] },
  { name: 'types', command: process.execPath, args: [node('typescript', 'bin', 'tsc'), '--noEmit'] },
  { name: 'lint', command: process.execPath, args: [node('eslint', 'bin', 'eslint.js'), '.'] },
  { name: 'unused', command: process.execPath, args: [node('knip', 'bin', 'knip.js')] },
  { name: 'tests', command: process.execPath, args: vitest, counts: vitestCounts },
  { name: 'python-types', command: python, args: ['-m', 'mypy'], cwd: trainer },
  {
    name: 'python-format',
    command: python,
    args: ['-m', 'ruff', 'format', '--check', '.', clients],
    cwd: trainer,
  },
  { name: 'python-lint', command: python, args: ['-m', 'ruff', 'check', '.', clients], cwd: trainer },
  {
    name: 'python-tests',
    command: python,
    args: ['-m', 'pytest', 'tests', `--junitxml=${pytestReport}`],
    cwd: trainer,
    counts: pytestCounts,
  },
  {
    name: 'clients',
    command: join(root, '.venv-clients', 'bin', 'python'),
    args: ['-m', 'pytest', `--junitxml=${pytestReport}`],
    cwd: clients,
    counts: pytestCounts,
  },
  {
    name: 'circle',
    command: process.execPath,
    args: [...vitest, '--config', 'vitest.e2e.config.ts'],
    counts: vitestCounts,
  },
];

await orRefuse(async () => {
  const names = process.argv.slice(2);
  const unknown = names.find((name) => !checks.some((check) => check.name === name));
  if (unknown !== undefined)
    throw new Refusal(`there is no check "${unknown}": choose of ${checks.map(({ name }) => name).join(', ')}.`);
  const chosen = checks.filter(({ name }) => names.length === 0 || names.includes(name));
  const clients = chosen.some(({ name }) => name === 'clients');
  await setUp(root, { engine: true, clients, compiled: clients ? ['dist', 'build'] : ['dist'] });
  process.exitCode = await runAll(chosen);
  rmSync(reports, { recursive: true, force: true });
});

/** @param {Check[]} chosen @returns {Promise<number>} The exit code. */
async function runAll(chosen) {
  const total = { passed: 0, failed: 0 };
  const summary = [];
  /** @type {string[]} */
  let faults = [];
  let code = 0;
  for (const check of chosen) {
    console.log(`\n== ${check.name}`);
    const began = performance.now();
    code = await run(check);
    const counts = check.counts?.() ?? { passed: 0, failed: 0 };
    // A check without tests of its own, or one that broke before it could count, still counts as failed.
    if (code !== 0 && counts.failed === 0) counts.failed = 1;
    total.passed += counts.passed;
    total.failed += counts.failed;
    faults = counts.faults ?? [];
    summary.push(
      `${code === 0 ? 'ok  ' : 'FAIL'} ${check.name.padEnd(14)} ` +
        `${((performance.now() - began) / 1000).toFixed(1).padStart(7)} ` +
        `s${check.counts === undefined ? '' : `   ${counts.passed} passed, ${counts.failed} failed`}`,
    );
    if (code !== 0) break;
  }
  // Last of all, where whoever reads only the end of a log finds it.
  console.log(`\n${[...summary, ...faults.slice(0, 10)].join('\n')}\n${total.passed} passed, ${total.failed} failed`);
  return code === 0 ? 0 : 1;
}

/** @param {Check} check @returns {Promise<number>} */
function run({ command, args, cwd = root }) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd, stdio: 'inherit' });
    const pass = (/** @type {NodeJS.Signals} */ signal) => void child.kill(signal);
    process.on('SIGTERM', pass);
    // A terminal's Ctrl-C reaches the child by itself; we only wait for it to end.
    process.on('SIGINT', () => undefined);
    child.on('error', (fault) => {
      console.error(fault.message);
      resolve(127);
    });
    child.on('exit', (code, signal) => {
      process.off('SIGTERM', pass);
      process.removeAllListeners('SIGINT');
      if (signal !== null) process.exit(1);
      resolve(code ?? 1);
    });
  });
}

/** @returns {Counts} */
function vitestCounts() {
  if (!existsSync(vitestReport)) return { passed: 0, failed: 0 };
  const { numPassedTests, numFailedTests, testResults } = JSON.parse(readFileSync(vitestReport, 'utf8'));
  rmSync(vitestReport);
  const faults = testResults.flatMap((/** @type {any} */ { assertionResults, message }) => {
    const failed = assertionResults.filter((/** @type {any} */ { status }) => status === 'failed');
    // A file that broke before its tests has a message of its own.
    if (failed.length === 0) return message === '' ? [] : [`  ${excerpt(message)}`];
    return failed.map((/** @type {any} */ test) => `  ${test.fullName}: ${excerpt(test.failureMessages.join('\n'))}`);
  });
  return { passed: numPassedTests, failed: numFailedTests, faults };
}

/** @returns {Counts} */
function pytestCounts() {
  if (!existsSync(pytestReport)) return { passed: 0, failed: 0 };
  const report = readFileSync(pytestReport, 'utf8');
  const suite = /<testsuite [^>]*>/.exec(report)?.[0] ?? '';
  rmSync(pytestReport);
  const number = (/** @type {string} */ name) => Number(new RegExp(`\\b${name}="(\\d+)"`).exec(suite)?.[1] ?? 0);
  const failed = number('failures') + number('errors');
  const broken = report.matchAll(/<testcase [^>]*\bname="([^"]*)"[^>]*>\s*<(?:failure|error) message="([^"]*)"/g);
  const faults = [...broken].map(([, name, message]) => `  ${name}: ${excerpt(message ?? '')}`);
  return { passed: number('tests') - failed - number('skipped'), failed, faults };
}

/** The beginning of a fault's text, on few lines. @param {string} text */
function excerpt(text) {
  return text.split('\n').slice(0, 6).join('\n    ').slice(0, 600);
}
