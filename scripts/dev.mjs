// @ts-check
/**
 * `npm run dev`: a gateway before a scripted engine, started again whenever src or tools change; no Python, no vLLM.
 * Flags pass through to `gyre serve`.
 */
import { spawn } from 'node:child_process';
import { watch } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { compiler, foldersOf } from './dev/compile.mjs';
import { orRefuse } from './setup/refusal.mjs';
import { setUp } from './setup/setup.mjs';

/** An editor that saves several files makes one change of it. */
const SETTLE_MS = 50;
/** How long a gateway may take to end what it is answering. */
const STOP_MS = 3_000;

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const home = join(root, '.gyre', 'dev');
const out = join(home, 'compiled');
const WATCHED = ['src', 'tools'];
const FAKES = ['completions.ts', 'engine.ts', 'replies.ts'].map((name) => join('tests', 'fakes', name));

await orRefuse(() => setUp(root, { engine: false, compiled: [] }));
const { default: ts } = await import('typescript');
const compiled = compiler(ts, root, out, [...WATCHED, join('scripts', 'dev', 'engine.ts'), ...FAKES]);
const { faults } = compiled.look();
if (faults.length > 0) {
  console.error(faults.join('\n'));
  process.exit(1);
}
/** @type {{ startScripted(): Promise<{ url: string, close(): Promise<void> }> }} */
const { startScripted } = await import(join(out, 'scripts', 'dev', 'engine.js'));
const engine = await startScripted();
console.log(`the engine is a script at ${engine.url}; what is changed in src or tools is served at once, unchecked`);

let ending = false;
let gateway = start();
let busy = Promise.resolve();

function start() {
  const child = spawn(
    process.execPath,
    [
      '--enable-source-maps',
      join(out, 'src', 'main.js'),
      'serve',
      '--engine',
      engine.url,
      '--data',
      join(home, 'data'),
      ...process.argv.slice(2),
    ],
    { stdio: 'inherit' },
  );
  /** @type {Promise<void>} */
  const ended = new Promise((resolve) => child.once('exit', () => resolve()));
  let stopping = false;
  void ended.then(() => {
    if (!stopping && !ending) console.log('the gateway has ended; the next change starts it again');
  });
  return {
    async stop() {
      stopping = true;
      child.kill('SIGTERM');
      const late = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
      await ended;
      clearTimeout(late);
    },
  };
}

async function follow() {
  if (ending) return;
  const { changed, faults } = compiled.look();
  // What cannot be read is told, and what runs goes on.
  if (faults.length > 0) return console.error(faults.join('\n'));
  if (!changed) return;
  await gateway.stop();
  if (!ending) gateway = start();
}

/**
 * By folder, since a file that an editor replaces takes its watcher with it.
 * @type {Map<string, import('node:fs').FSWatcher>}
 */
const watchers = new Map();
/** @type {NodeJS.Timeout | undefined} */
let settling;
function watchAll() {
  for (const folder of WATCHED.flatMap((name) => foldersOf(join(root, name)))) {
    if (watchers.has(folder)) continue;
    const watcher = watch(folder, () => {
      clearTimeout(settling);
      settling = setTimeout(() => {
        watchAll();
        busy = busy.then(follow).catch((fault) => console.error(fault));
      }, SETTLE_MS);
    });
    watcher.on('error', () => watcher.close()).on('close', () => watchers.delete(folder));
    watchers.set(folder, watcher);
  }
}
watchAll();

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'])
  process.on(signal, () => {
    if (ending) return;
    ending = true;
    void busy
      .then(() => gateway.stop())
      .then(() => engine.close())
      .then(() => process.exit(0));
  });
