/** `/ready` of a gateway before an engine given by address: it follows the engine, which is no process of ours. */
import { join } from 'node:path';
import { writeFileSync } from 'node:fs';

import { expect, onTestFinished, test } from 'vitest';

import { type Engine, type EngineOptions, startEngine } from '../fakes/engine.js';
import { temporaryFolder } from '../store/fixture.js';
import { gyre } from './child.js';

async function engineOf(options: EngineOptions = {}): Promise<Engine> {
  const engine = await startEngine(options);
  onTestFinished(() => engine.close());
  return engine;
}

interface Ready {
  readonly ready: boolean;
  readonly waiting_for: readonly string[];
  readonly parts: readonly { readonly part: string; readonly ready: boolean; readonly detail?: string }[];
}

async function ready(url: string): Promise<Ready & { readonly status: number }> {
  const response = await fetch(`${url}/ready`);
  return { status: response.status, ...((await response.json()) as Ready) };
}

const WITHIN = { timeout: 5_000, interval: 100 };
const ask = async (url: string): Promise<Response> =>
  fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'gyre', messages: [{ role: 'user', content: 'hi' }] }),
  });

test('it turns within five seconds when the engine dies, and when it is back; the gateway stays', async () => {
  const engine = await engineOf({ models: ['qwen'] });
  const gateway = gyre(['serve', '--data', temporaryFolder(), '--port', '0', '--engine', `${engine.url}/v1`]);
  const url = await gateway.word('ready');
  expect(await ready(url)).toEqual({
    status: 200,
    ready: true,
    waiting_for: [],
    parts: [{ part: 'engine', ready: true, detail: engine.url }],
  });
  expect((await ask(url)).status).toBe(200);

  await engine.close();
  await expect.poll(async () => (await ready(url)).status, WITHIN).toBe(503);
  expect(await ready(url)).toMatchObject({
    ready: false,
    waiting_for: [expect.stringMatching(/^engine: http:\/\/127\.0\.0\.1:\d+: it cannot be reached/) as string],
  });
  expect((await fetch(`${url}/health`)).status).toBe(200);
  expect((await ask(url)).status).toBe(503);

  await engineOf({ port: engine.port, models: ['llama'] });
  await expect.poll(async () => (await ready(url)).status, WITHIN).toBe(200);
  // It came back with another model, whose name was learned.
  expect((await ask(url)).status).toBe(200);
  expect(await gateway.stop()).toMatchObject({ code: 0, err: expect.not.stringContaining('nhandled') as string });
});

test('an engine that is not there yet is waited for, with its model named or not', async () => {
  const free = await startEngine();
  await free.close();
  const folder = temporaryFolder();
  const file = join(folder, 'gyre.yaml');
  writeFileSync(file, `engine: {url: "http://user:secret@127.0.0.1:${free.port}", model: base}\n`);
  const gateway = gyre(['serve', '--config', file, '--data', join(folder, 'data'), '--port', '0']);
  const url = await gateway.word('ready');
  const before = await ready(url);
  expect([before.status, before.ready]).toEqual([503, false]);
  expect(JSON.stringify(before)).not.toContain('secret');
  await engineOf({ port: free.port });
  await expect.poll(async () => (await ready(url)).status, WITHIN).toBe(200);
  expect((await gateway.stop()).code).toBe(0);
});
