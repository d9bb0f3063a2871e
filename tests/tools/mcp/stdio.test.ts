/** Servers of tools that are child processes: real ones, by the SDK. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { expect, test } from 'vitest';

import { processOf } from '../../../src/core/running/process.js';
import { open, temporaryFolder, until, type McpBench } from './bench.js';

const CHILD = fileURLToPath(new URL('../../fakes/mcp-process.mjs', import.meta.url));

interface Started extends McpBench {
  readonly journal: string;
  readonly lines: () => string[];
}

async function start(entry: Record<string, unknown> = {}, mode?: string): Promise<Started> {
  const journal = join(temporaryFolder(), 'journal');
  const lines = (): string[] => readFileSync(journal, 'utf8').trim().split('\n');
  const made = open([
    {
      name: 'child',
      command: process.execPath,
      args: [CHILD, journal, ...(mode === undefined ? [] : [mode])],
      ...entry,
    },
  ]);
  if (mode === undefined) await until(() => made.toolbox.size > 0, 'the child');
  return { ...made, journal, lines };
}

const gone = async (pid: number): Promise<void> =>
  until(() => processOf(pid) === undefined, `the end of process ${pid}`);

test('a child is started, listed and called, calls side by side', async () => {
  const { call, servers } = await start();
  expect(await Promise.all(['a', 'b', 'c'].map(async (text) => (await call('child__echo', { text })).content))).toEqual(
    ['child: a', 'child: b', 'child: c'],
  );
  expect(servers.parts()).toMatchObject([{ part: 'mcp:child', ready: true, needed: false }]);
});

test('it has what the configuration names and every program needs, and nothing else of our environment', async () => {
  process.env['GYRE_TEST_SECRET'] = 'must not be seen';
  try {
    const { call } = await start({ env: { API_KEY: 'given' } });
    const names = (await call('child__environment')).content.split(' ');
    expect(names).toContain('API_KEY');
    expect(
      names.filter((name) => !['API_KEY', 'HOME', 'LOGNAME', 'PATH', 'SHELL', 'TERM', 'USER'].includes(name)),
    ).toEqual([]);
  } finally {
    delete process.env['GYRE_TEST_SECRET'];
  }
});

test("a wrong argument is the server's to refuse, in its words", async () => {
  const { call } = await start();
  const seen = await call('child__echo', { text: 1 });
  expect(seen).toMatchObject({ error: 'failed' });
  expect(seen.content).toMatch(/expected string/i);
});

test('a child that dies in a call is an observation, and the next call finds another one', async () => {
  const { call, lines } = await start();
  const died = await call('child__die');
  expect(died).toMatchObject({ error: 'failed' });
  expect(died.content).toContain('whether the call took effect is not known');
  await until(async () => (await call('child__echo', { text: 'again' })).content === 'child: again', 'another child');
  expect(new Set(lines()).size).toBe(2);
});

test('a cancelled call is cancelled in the child, which goes on', async () => {
  const { call, lines } = await start();
  const abort = new AbortController();
  const waiting = call('child__wait', {}, abort.signal);
  await call('child__echo', { text: 'it has heard of the other' });
  abort.abort();
  expect((await waiting).error).toBe('cancelled');
  await until(() => lines().includes('cancelled'), 'the cancellation');
  expect((await call('child__echo', { text: 'on' })).content).toBe('child: on');
  expect(lines()).toHaveLength(2);
});

test('an answer larger than is read ends that child, and the next call finds another one', async () => {
  const { call, lines } = await start();
  expect(await call('child__flood')).toMatchObject({ error: 'failed' });
  await until(async () => (await call('child__echo', { text: 'on' })).content === 'child: on', 'another child');
  expect(new Set(lines()).size).toBe(2);
});

test('closing ends the child', async () => {
  const { call, servers } = await start();
  const pid = Number((await call('child__pid')).content);
  expect(processOf(pid)).toBeDefined();
  await servers.close();
  await gone(pid);
});

test('a child that never says anything is ended too, and closing does not wait for it to speak', async () => {
  const { servers, lines } = await start({}, 'mute');
  await until(() => {
    try {
      return Number(lines()[0]) > 0;
    } catch {
      return false;
    }
  }, 'the child');
  const pid = Number(lines()[0]);
  expect(servers.parts()).toMatchObject([{ ready: false, detail: 'connecting' }]);
  await servers.close();
  await gone(pid);
});

test('a child that cannot start is told with its last words, without secrets, and tried ever less often', async () => {
  const { servers, warnings, lines } = await start({ env: { DB_PASSWORD: 'correct-horse-battery' } }, 'crash');
  await until(() => warnings.length > 0, 'the warning');
  expect(warnings[0]).toMatch(/tool server "child" is down: .*cannot open the database with \[redacted\]/);
  await until(() => lines().length >= 2, 'another attempt');
  expect(servers.parts()).toMatchObject([{ ready: false, needed: false }]);
  expect(JSON.stringify([warnings, servers.parts()])).not.toContain('correct-horse');
  expect(warnings).toHaveLength(1);
});

test('a command that does not exist is told by name', async () => {
  const { servers, warnings } = open([{ name: 'none', command: 'no-such-command-anywhere' }]);
  await until(() => warnings.length > 0, 'the warning');
  expect(warnings[0]).toContain('no-such-command-anywhere');
  expect(servers.parts()).toMatchObject([{ part: 'mcp:none', ready: false, needed: false }]);
});
