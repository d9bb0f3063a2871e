/** `npm run dev` in a copy of the checkout, whose source the test changes under it. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  cpSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import OpenAI from 'openai';
import { afterAll, beforeAll, expect, it } from 'vitest';

import { nodePackages } from '../../scripts/setup/phases.mjs';
import { startTime } from '../../scripts/setup/processes.mjs';
import { ROOT } from '../guards/tree.js';

const COPIED = [
  'package.json',
  'package-lock.json',
  'tsconfig.json',
  'migrations',
  'src',
  'tools',
  'scripts/dev',
  'scripts/dev.mjs',
  'scripts/setup',
  'tests/fakes',
];

let root: string;
let dev: ChildProcess;
let said = '';

beforeAll(() => {
  // Else it would install them, and into the folder that the copy shares with us.
  expect(nodePackages(ROOT).current).toBe(true);
  root = realpathSync(mkdtempSync(join(tmpdir(), 'gyre-dev-')));
  for (const path of COPIED) cpSync(join(ROOT, path), join(root, path), { recursive: true });
  symlinkSync(join(ROOT, 'node_modules'), join(root, 'node_modules'));
  dev = spawn(process.execPath, [join(root, 'scripts', 'dev.mjs'), '--port', '0'], {
    cwd: root,
    env: { ...process.env, GYRE_LOG: 'json', GYRE_LOG_LEVEL: 'info' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  for (const stream of [dev.stdout, dev.stderr])
    stream?.setEncoding('utf8').on('data', (text: string) => (said += text));
});
afterAll(async () => {
  if (dev.exitCode === null) {
    const ended = once(dev, 'exit');
    dev.kill('SIGINT');
    await ended;
  }
  rmSync(root, { recursive: true, force: true });
});

/** Every address it was ready at, in order. */
const ready = (): string[] => [...said.matchAll(/^ready (\S+)$/gm)].map((match) => match[1] ?? '');
/** Waits for the so manieth gateway. */
async function gateway(number: number): Promise<OpenAI> {
  await expect.poll(() => ready().length, { timeout: 50_000, message: said }).toBe(number);
  return new OpenAI({ baseURL: `${ready().at(-1)}/v1`, apiKey: 'any', maxRetries: 0 });
}
async function ask(client: OpenAI, content: string): Promise<string[]> {
  const pieces: string[] = [];
  const stream = await client.chat.completions.create({
    model: 'gyre',
    messages: [{ role: 'user', content }],
    stream: true,
  });
  for await (const { choices } of stream) if (choices[0]?.delta.content) pieces.push(choices[0].delta.content);
  return pieces;
}

it('streams a sentence, and computes by the calculator', async () => {
  const client = await gateway(1);
  const sentence = await ask(client, 'Good morning!');
  expect(sentence.length).toBeGreaterThan(5);
  expect(sentence.join('')).toContain('Good morning!');
  expect((await ask(client, 'How much is 17*(20+3)?')).join('')).toBe('The calculator says 391.');
});

it('starts the gateway again when a source file changes', async () => {
  appendFileSync(join(root, 'src', 'core', 'ids.ts'), '\n// changed\n');
  const client = await gateway(2);
  expect((await ask(client, '2+2')).join('')).toBe('The calculator says 4.');
});

it('tells what cannot be read, and goes on with what runs', async () => {
  const file = join(root, 'tools', 'web', 'text.ts');
  const before = readFileSync(file, 'utf8');
  writeFileSync(file, `const = 1;\n${before}`);
  await expect.poll(() => said, { timeout: 10_000 }).toContain('tools/web/text.ts:1: ');
  expect((await ask(await gateway(2), '2+3')).join('')).toBe('The calculator says 5.');
  writeFileSync(file, before);
  await gateway(3);
});

it('a stack trace names the line of the source', async () => {
  const file = join(root, 'src', 'main.ts');
  const before = readFileSync(file, 'utf8');
  writeFileSync(file, before.replace('const stopping =', "throw new Error('on purpose');\nconst stopping ="));
  await expect.poll(() => said, { timeout: 30_000 }).toContain('the next change starts it again');
  const line = before.slice(0, before.indexOf('const stopping =')).split('\n').length;
  expect(said).toMatch(new RegExp(`on purpose[\\s\\S]*src/main\\.ts:${line}:`));
  writeFileSync(file, before);
  await gateway(4);
});

it('ends with all it started', async () => {
  const pids = [...said.matchAll(/"event":"listening".*"pid":(\d+)/g)].map((match) => Number(match[1]));
  expect(pids).toHaveLength(4);
  expect(pids.map((pid) => startTime(pid) !== '')).toEqual([false, false, false, true]);
  const ended = once(dev, 'exit');
  dev.kill('SIGINT');
  expect((await ended)[0]).toBe(0);
  expect(pids.map((pid) => startTime(pid))).toEqual(['', '', '', '']);
});
