/** A gateway as a process: with few file descriptors, with another one beside it, with a folder that cannot grow. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { expect, onTestFinished, test } from 'vitest';

import { startEngine } from '../fakes/engine.js';
import { openStore } from '../../src/store/file/db.js';
import { recoverAbandoned } from '../../src/store/beside/recover.js';
import { verify } from '../../src/store/proof/verify.js';
import { temporaryFolder } from '../store/fixture.js';
import { gyre } from './child.js';

const MAIN = fileURLToPath(new URL('../../dist/src/main.js', import.meta.url));

async function engineUrl(): Promise<string> {
  const engine = await startEngine({ script: () => ({ text: 'ok' }) });
  onTestFinished(() => engine.close());
  return engine.url;
}

async function ask(url: string, words: string): Promise<string | undefined> {
  try {
    const answer = await fetch(`${url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'gyre', messages: [{ role: 'user', content: words }] }),
      signal: AbortSignal.timeout(10_000), // it may be in the queue of a listener that cannot accept
    });
    return answer.ok ? ((await answer.json()) as { id: string }).id : undefined;
  } catch {
    return undefined; // nobody was answered
  }
}

test('a process that has no file descriptor left from its first request on loses nothing it acknowledged', async () => {
  const folder = temporaryFolder();
  const limit = 200; // its modules and those of its threads are read at the same time, and take up to 160
  const args = ['serve', '--data', folder, '--port', '0', '--engine', await engineUrl()];
  const child = spawn('prlimit', [`--nofile=${limit}`, process.execPath, MAIN, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  let [out, err] = ['', ''];
  child.stderr.on('data', (text: Buffer) => (err += text.toString()));
  const url = await new Promise<string>((resolve, reject) => {
    child.stdout.on('data', (text: Buffer) => {
      out += text.toString();
      const listening = /^listening (\S+)$/m.exec(out)?.[1];
      if (listening !== undefined) resolve(listening);
    });
    child.once('exit', (code) => reject(new Error(`it ended with ${code}: ${err}`)));
  });
  const port = Number(new URL(url).port);
  const wave = (name: string): Promise<(string | undefined)[]> =>
    Promise.all(Array.from({ length: 8 }, (_, at) => ask(url, `${name} ${at}`)));
  const first = await wave('first'); // its connections stay
  const sockets: Socket[] = Array.from({ length: 2 * limit }, () =>
    connect(port, '127.0.0.1').on('error', () => undefined),
  );
  onTestFinished(() => sockets.forEach((socket) => socket.destroy()));
  await new Promise((resolve) => setTimeout(resolve, 200));
  const acknowledged = [...first, ...(await wave('second'))].filter((id) => id !== undefined);
  expect(acknowledged.length).toBeGreaterThan(0);
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
  const store = openStore(folder);
  onTestFinished(() => store.close());
  expect(await recoverAbandoned(store, folder)).toEqual([]);
  const row = store.sqlite.prepare('SELECT 1 FROM responses WHERE id = ?');
  expect(acknowledged.filter((id) => row.get(id) === undefined)).toEqual([]);
  expect(verify(store.db).problems).toEqual([]);
});

test('a second gateway on a folder says that another one runs there, and both are found until they end', async () => {
  const folder = temporaryFolder();
  const args = ['serve', '--data', folder, '--port', '0', '--engine', await engineUrl()];
  const first = gyre(args);
  const url = await first.word('ready');
  const second = gyre(args, { GYRE_LOG: 'text' });
  await second.word('ready');
  expect(first.said.err).not.toContain('another gateway');
  expect(second.said.err).toMatch(new RegExp(`another gateway \\(process \\d+, ${url}\\) serves the folder`));
  await second.stop();
  const { out } = await gyre(['status', '--data', folder, '--json']).ended;
  expect(JSON.parse(out)).toMatchObject({
    gateway: { url },
    log: { state: 'ok', uncommitted: { answers: 0, bytes: 0 }, unsettled: [] },
  });
  await first.stop();
});

test('a gateway whose engine never comes up serves its folder: others are told, and none takes it away', async () => {
  const folder = temporaryFolder();
  const backup = join(temporaryFolder(), 'b');
  expect((await gyre(['backup', backup, '--data', folder]).ended).code).toBe(0);
  const args = ['serve', '--data', folder, '--port', '0', '--trainer', 'http://127.0.0.1:9'];
  const first = gyre(args);
  const url = await first.word('listening');
  const status = async (): Promise<unknown> =>
    JSON.parse((await gyre(['status', '--data', folder, '--json']).ended).out) as unknown;
  await expect
    .poll(status, { timeout: 10_000 })
    .toMatchObject({ gateway: { url, trainer: 'http://127.0.0.1:9' }, log: { state: 'ok' } });
  const second = gyre(args, { GYRE_LOG: 'text' });
  await second.word('listening');
  expect(second.said.err).toMatch(new RegExp(`another gateway \\(process \\d+, ${url}\\) serves the folder`));
  await second.stop();

  const taken = [
    ['restore', backup, '--replace', '--data', folder],
    ['prune', '--compact', '--data', folder],
  ];
  for (const verb of taken)
    expect(await gyre(verb).ended).toMatchObject({
      code: 1,
      err: expect.stringMatching(/a gateway \(process/) as string,
    });
  // Also where its word is gone: its head names it.
  rmSync(join(folder, 'run'), { recursive: true });
  for (const verb of taken)
    expect(await gyre(verb).ended).toMatchObject({ code: 1, err: expect.stringMatching(/process \d+\D/) as string });
  expect((await first.stop()).code).toBe(0);
  for (const verb of taken) expect((await gyre(verb).ended).code).toBe(0);
});

test('while another program holds the database requests are answered, and `gyre status` says what waits', async () => {
  const folder = temporaryFolder();
  const args = ['serve', '--data', folder, '--port', '0', '--engine', await engineUrl()];
  const gateway = gyre(args);
  const url = await gateway.word('ready');
  const other = openStore(folder);
  onTestFinished(() => other.close());
  other.sqlite.exec('BEGIN EXCLUSIVE');
  const id = await ask(url, 'during the lock');
  expect(id).toBeDefined();
  const status = async (): Promise<unknown> => {
    const { out } = await gyre(['status', '--data', folder, '--json']).ended;
    return (JSON.parse(out) as { log: unknown }).log;
  };
  expect(await status()).toMatchObject({
    state: 'waiting',
    uncommitted: { answers: 1 },
    reason: expect.stringContaining('another program holds the database') as string,
  });
  const { out } = await gyre(['status', '--data', folder]).ended;
  expect(out).toMatch(/the log waits since \S+: another program holds .*; 1 answers \(\d+ bytes\) are kept/);
  other.sqlite.exec('COMMIT');
  await expect
    .poll(() => other.sqlite.prepare('SELECT 1 AS there FROM responses WHERE id = ?').get(id), { timeout: 20_000 })
    .toEqual({ there: 1 });
  expect(await status()).toMatchObject({ state: 'ok', uncommitted: { answers: 0 }, reason: null });
  expect((await gateway.stop()).code).toBe(0);
});

test('`gyre log settle` says what it settled, and another word is refused', async () => {
  const folder = temporaryFolder();
  const settled = await gyre(['log', 'settle', '--data', folder]).ended;
  expect([settled.code, settled.out]).toEqual([0, '0 files that were set aside are in the log now\n']);
  const { code, err } = await gyre(['log', 'mend', '--data', folder]).ended;
  expect([code, err]).toEqual([1, 'gyre: there is no "gyre log mend": it is "gyre log settle"\n']);
});

test('a start on a folder whose files may not grow says why', async (context) => {
  const folder = temporaryFolder();
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=16k', 'tmpfs', folder], { stdio: 'ignore' });
  } catch {
    return context.skip();
  }
  onTestFinished(() => void execFileSync('umount', ['-l', folder]));
  const { code, err } = await gyre(['serve', '--data', folder, '--port', '0', '--engine', await engineUrl()]).ended;
  expect([code, err]).toEqual([1, expect.stringContaining('the disk is full. Free some space')]);
});
