/**
 * Processes of our own that use the store: what a kill or a second writer does can only be seen from
 * outside. Node cannot strip types, so the two folders they need are transpiled once into a temporary package.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import ts from 'typescript';
import { afterAll, onTestFinished } from 'vitest';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
let built: string | undefined;

/**
 * Answers requests until it is killed; says on a line what was acknowledged. Arguments: data folder, how many, a name,
 * `beside` for a log in a thread of its own.
 */
const WRITER = `
import { openStore } from './src/store/file/db.js';
import { openLog } from './src/store/log/log.js';
import { openLogBeside } from './src/store/beside/log.js';
import { newId } from './src/core/ids.js';
const [folder, count, name, where] = process.argv.slice(2);
const store = openStore(folder);
const log = where === 'beside' ? openLogBeside({ dataDir: folder, module: new URL('./src/store/beside/worker.js', import.meta.url).pathname }) : openLog(store);
const usage = { prompt_tokens: 0, completion_tokens: 0, cached_tokens: 0, reasoning_tokens: 0 };
async function ask(at) {
  const responseId = newId('chatcmpl');
  const messages = [{ role: 'system', content: 'shared' }, { role: 'user', content: name + ' ' + at }];
  const thread = log.open({ asker: { keyId: '', consent: true }, origin: 'live', responseId, requestId: 'r', model: 'gyre', messages, at: Date.now() });
  const turn = { role: 'assistant', content: 'answer ' + at };
  const action = { text: turn.content, calls: [], finishReason: 'stop', cut: false, promptTokenIds: [1, 2, at], tokenIds: [3, at], logprobs: [-1, -2], usage, timings: { startedAt: 0, totalMs: 1 } };
  void thread.step({ id: newId('step'), policyVersion: 0, messages, tools: [], toolChoice: 'auto', sampling: {}, action, calls: [], appended: [turn], outcome: 'done', startedAt: 0, ms: 1 }, turn);
  if (await thread.finish({ outcome: 'completed', stopReason: 'stop', usage, toolUse: { requested: 0, executed: 0, by_tool: {} } })) process.stdout.write(responseId + '\\n');
}
process.stdout.write('ready\\n');
await new Promise((go) => process.stdin.once('data', go));
for (let at = 0; at < Number(count); at += 8) await Promise.all([0, 1, 2, 3, 4, 5, 6, 7].map((lane) => ask(at + lane)));
process.stdout.write('failures ' + log.failures + '\\n');
store.close();
process.stdin.destroy();
`;

export interface Writing {
  readonly process: ChildProcess;
  /** Lines it has said so far. */
  readonly lines: string[];
  go(): void;
  /** Resolves when a line is there that starts with `start`. */
  said(start: string): Promise<void>;
  /** Resolves when `count` lines are there. */
  saidLines(count: number): Promise<void>;
  readonly ended: Promise<void>;
}

export function writing(folder: string, count: number, name: string, where: 'here' | 'beside' = 'here'): Writing {
  const child = spawn(process.execPath, [join(build(), 'writer.mjs'), folder, String(count), name, where], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const lines: string[] = [];
  let rest = '';
  let told = (): void => undefined;
  child.stdout.on('data', (bytes: Buffer) => {
    const parts = (rest + bytes.toString()).split('\n');
    rest = parts.pop() ?? '';
    lines.push(...parts);
    told();
  });
  const ended = new Promise<void>(
    (done) =>
      void child.once('close', () => {
        told();
        done();
      }),
  );
  const until = (holds: () => boolean): Promise<void> =>
    new Promise((done, fail) => {
      told = () => {
        if (holds()) done();
        else if (child.exitCode !== null) fail(new Error(`the writer ended first: ${lines.join(' ')}`));
      };
      told();
    });
  return {
    process: child,
    lines,
    ended,
    go: () => void child.stdin.write('go\n'),
    said: (start) => until(() => lines.some((line) => line.startsWith(start))),
    saidLines: (wanted) => until(() => lines.length >= wanted),
  };
}

function build(): string {
  if (built !== undefined) return built;
  const folder = mkdtempSync(join(tmpdir(), 'gyre-writer-'));
  for (const shared of ['node_modules', 'migrations', 'package.json'])
    symlinkSync(join(ROOT, shared), join(folder, shared));
  for (const part of ['src/core', 'src/store']) {
    mkdirSync(join(folder, part), { recursive: true });
    for (const file of readdirSync(join(ROOT, part)).filter((name) => name.endsWith('.ts'))) {
      const source = readFileSync(join(ROOT, part, file), 'utf8');
      const { outputText } = ts.transpileModule(source, {
        compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2023, verbatimModuleSyntax: true },
      });
      writeFileSync(join(folder, part, file.replace(/\.ts$/, '.js')), outputText);
    }
  }
  writeFileSync(join(folder, 'writer.mjs'), WRITER);
  return (built = folder);
}

afterAll(() => {
  if (built !== undefined) rmSync(built, { recursive: true, force: true });
});
