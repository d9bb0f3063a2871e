/** One thread that reads rows: who waits for it, who left, and what its death takes with it. The thread is a script. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { expect, onTestFinished, test } from 'vitest';

import { parseConfig } from '../../../src/core/config.js';
import type { GyreError } from '../../../src/core/errors.js';
import { Reader } from '../../../src/run/reading/reader.js';
import { temporaryFolder } from '../../store/fixture.js';

/**
 * Answers a call with its arguments and how many it was asked before; `die` ends it, `hold` keeps it for a while,
 * `stuck` for ever.
 */
const SCRIPT = `
import { parentPort } from 'node:worker_threads';
let asked = 0;
parentPort.on('message', ({ type, args }) => {
  if (type === 'close') return parentPort.close();
  const [word] = args;
  if (word === 'die') process.exit(7);
  if (word === 'hold') Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300);
  if (word === 'stuck') Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  if (word === 'throw') return parentPort.postMessage({ type: 'threw', fault:
    { kind: 'gyre', fields: { side: 'client', status: 400, code: 'invalid_value', message: 'no', param: 'after' } } });
  parentPort.postMessage({ type: 'done', value: [...args, asked++] });
});
parentPort.postMessage({ type: 'ready' });
`;

function reader(script = SCRIPT, patienceMs = 60_000): { readonly reader: Reader; readonly warnings: string[] } {
  const module = join(temporaryFolder(), 'script.mjs');
  writeFileSync(module, script);
  const warnings: string[] = [];
  const made = new Reader({
    module,
    config: parseConfig({}),
    busyMs: 1,
    niceness: 0,
    maxWaiting: 256,
    patienceMs,
    warn: (text) => warnings.push(text),
  });
  onTestFinished(() => made.close());
  return { reader: made, warnings };
}

const ask = (to: Reader, word: string, signal?: AbortSignal): Promise<unknown> => to.ask('cycle', [word], signal);

test('calls are answered in their order, and what one throws comes out as it is', async () => {
  const { reader: one } = reader();
  const answers = [ask(one, 'a'), ask(one, 'throw'), ask(one, 'b')];
  expect(await Promise.allSettled(answers)).toMatchObject([
    { value: ['a', 0] },
    { reason: { side: 'client', status: 400, code: 'invalid_value', param: 'after', message: 'no' } },
    { value: ['b', 1] },
  ]);
});

test('whoever left before his turn is not read for', async () => {
  const { reader: one } = reader();
  const leaving = new AbortController();
  const held = ask(one, 'hold');
  const left = ask(one, 'left', leaving.signal);
  const stays = ask(one, 'stays');
  leaving.abort();
  await expect(left).rejects.toMatchObject({ code: 'client_left' });
  expect(await held).toEqual(['hold', 0]);
  expect(await stays).toEqual(['stays', 1]);
});

test('a thread that dies takes the call in hand with it, and the others are answered by another thread', async () => {
  const { reader: one, warnings } = reader();
  expect(await ask(one, 'a')).toEqual(['a', 0]);
  const dies = ask(one, 'die');
  const waits = ask(one, 'waits');
  await expect(dies).rejects.toMatchObject({ status: 503, code: 'reading_failed', retryAfterMs: 1_000 });
  expect(await waits).toEqual(['waits', 0]);
  expect(warnings).toEqual([expect.stringContaining('a thread that reads the log ended: it ended with 7')]);
});

test('where no thread can start whoever waits is told why, and the next call tries again', async () => {
  const { reader: one } = reader('throw new Error("no files left");');
  for (let at = 0; at < 2; at += 1)
    await expect(ask(one, 'a')).rejects.toMatchObject({
      status: 503,
      message: 'The log cannot be read: no files left. Try again in 1 s.',
    });
});

test('the queue is bounded, and those who left make room in it', async () => {
  const { reader: one } = reader();
  const leaving = new AbortController();
  const held = ask(one, 'hold');
  const refused: GyreError[] = [];
  const leavers: Promise<unknown>[] = [];
  for (let at = 0; at < 300; at += 1)
    leavers.push(ask(one, String(at), leaving.signal).catch((thrown: unknown) => refused.push(thrown as GyreError)));
  await expect(ask(one, 'too many')).rejects.toMatchObject({ status: 503, code: 'reading_busy', retryAfterMs: 1_000 });
  leaving.abort();
  const stays = ask(one, 'stays');
  expect(await stays).toEqual(['stays', 1]);
  await Promise.all([held, ...leavers]);
  expect(new Set(refused.map(({ code }) => code))).toEqual(new Set(['reading_busy', 'client_left']));
});

test('closing answers what waits and takes nothing more', async () => {
  const { reader: one } = reader();
  const waits = ask(one, 'hold');
  const closed = one.close();
  await expect(ask(one, 'late')).rejects.toMatchObject({ code: 'shutting_down' });
  expect(await waits).toEqual(['hold', 0]);
  await closed;
});

test('a thread that is stuck holds up neither whoever asked it nor the end of the gateway', async () => {
  const { reader: one } = reader(SCRIPT, 200);
  const slow = { status: 503, code: 'reading_failed', message: expect.stringContaining('within 0.2 s') as string };
  await Promise.all(['stuck', 'waits'].map((word) => expect(ask(one, word)).rejects.toMatchObject(slow)));
  const patient = reader();
  const held = expect(ask(patient.reader, 'stuck')).rejects.toMatchObject({ code: 'shutting_down' });
  const waits = expect(ask(patient.reader, 'waits')).rejects.toMatchObject({ code: 'shutting_down' });
  await Promise.all([one.close(), patient.reader.close(), held, waits]);
});
