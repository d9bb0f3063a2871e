/**
 * Processes of our own that use the store: what a kill or a second writer does can only be seen from
 * outside. They run what is compiled, which is made current before the tests begin.
 */
import { spawn, type ChildProcess } from 'node:child_process';

import { onTestFinished } from 'vitest';

const DIST = new URL('../../../dist/', import.meta.url).href;

/**
 * Answers requests until it is killed; prints a line for each response that was acknowledged. Arguments: data folder,
 * how many, a name, `beside` for a log in a thread of its own.
 */
const WRITER = `
import { openStore } from '${DIST}src/store/file/db.js';
import { openLog } from '${DIST}src/store/log/log.js';
import { openRemoteLog } from '${DIST}src/store/beside/log.js';
import { newId } from '${DIST}src/core/ids.js';
const [folder, count, name, where] = process.argv.slice(1);
const store = openStore(folder);
const module = new URL('${DIST}src/store/beside/worker.js').pathname;
const log = where === 'beside' ? openRemoteLog({ dataDir: folder, module }) : openLog(store);
const usage = { prompt_tokens: 0, completion_tokens: 0, cached_tokens: 0, reasoning_tokens: 0 };
async function ask(at) {
  const responseId = newId('chatcmpl');
  const messages = [{ role: 'system', content: 'shared' }, { role: 'user', content: name + ' ' + at }];
  const now = { asker: { keyId: '', consent: true }, at: Date.now() };
  const recording = log.open({ ...now, origin: 'live', responseId, requestId: 'r', model: 'gyre', messages });
  const turn = { role: 'assistant', content: 'answer ' + at };
  const sampled = { promptTokenIds: [1, 2, at], tokenIds: [3, at], logprobs: [-1, -2] };
  const timings = { startedAt: 0, totalMs: 1 };
  const action = { text: turn.content, calls: [], finishReason: 'stop', cut: false, ...sampled, usage, timings };
  const asked = { policyVersion: 0, messages, tools: [], toolChoice: 'auto', sampling: {} };
  const done = { action, calls: [], appended: [turn], outcome: 'done', startedAt: 0, ms: 1 };
  void recording.step({ id: newId('step'), ...asked, ...done }, turn);
  const toolUse = { requested: 0, executed: 0, by_tool: {} };
  const kept = await recording.finish({ outcome: 'completed', stopReason: 'stop', usage, toolUse });
  if (kept) process.stdout.write(responseId + '\\n');
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
  /** Lines it has printed so far. */
  readonly lines: string[];
  go(): void;
  /** Resolves when a line is there that starts with `start`. */
  printed(start: string): Promise<void>;
  /** Resolves when `count` lines are there. */
  printedLines(count: number): Promise<void>;
  readonly ended: Promise<void>;
}

export function writing(folder: string, count: number, name: string, where: 'here' | 'beside' = 'here'): Writing {
  const child = spawn(process.execPath, ['--input-type=module', '--eval', WRITER, folder, String(count), name, where], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const lines: string[] = [];
  let rest = '';
  let changed = (): void => undefined;
  child.stdout.on('data', (bytes: Buffer) => {
    const parts = (rest + bytes.toString()).split('\n');
    rest = parts.pop() ?? '';
    lines.push(...parts);
    changed();
  });
  const ended = new Promise<void>(
    (done) =>
      void child.once('close', () => {
        changed();
        done();
      }),
  );
  const until = (holds: () => boolean): Promise<void> =>
    new Promise((done, fail) => {
      changed = () => {
        if (holds()) done();
        else if (child.exitCode !== null) fail(new Error(`the writer ended first: ${lines.join(' ')}`));
      };
      changed();
    });
  return {
    process: child,
    lines,
    ended,
    go: () => void child.stdin.write('go\n'),
    printed: (start) => until(() => lines.some((line) => line.startsWith(start))),
    printedLines: (wanted) => until(() => lines.length >= wanted),
  };
}
