/** Pruning as an operator meets it: the compiled command line, and a gateway that prunes while it answers. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { expect, onTestFinished, test } from 'vitest';

import { until } from '../../fakes/gateway.js';
import { startEngine } from '../../fakes/engine.js';
import { gyre, MAIN } from '../command.js';
import { openStore } from '../../../src/store/file/db.js';
import { openLog } from '../../../src/store/log/log.js';
import { verify } from '../../../src/store/proof/verify.js';
import { answer, opening, temporaryFolder, user } from '../../store/fixture.js';

const DAY_MS = 86_400_000;

/** A data folder with a conversation of each of these ages, of 200 kB each. */
async function logOf(...daysAgo: readonly number[]): Promise<string> {
  const folder = temporaryFolder();
  const store = openStore(folder);
  const log = openLog(store);
  for (const days of daysAgo)
    await answer(log, opening([user(`${days} ${'word '.repeat(40_000)}`)], { at: Date.now() - days * DAY_MS }), [
      { text: 'Well.' },
    ]);
  store.close();
  return folder;
}

function stepsIn(folder: string): number {
  const store = openStore(folder);
  try {
    expect(verify(store.db).problems).toEqual([]);
    return store.sqlite.prepare<[], { steps: number }>('SELECT count(*) AS steps FROM steps').get()?.steps ?? 0;
  } finally {
    store.close();
  }
}

test('gyre prune says what would go, takes it out, and the file shrinks', async () => {
  const data = await logOf(100, 99, 98, 1);
  const before = statSync(join(data, 'gyre.db')).size;
  expect((await gyre('prune', '--data', data)).err).toContain('nothing says what to prune');
  expect((await gyre('prune', '--days', 'x', '--data', data)).err).toContain('"retention"');
  expect((await gyre('prune', '--days', '30', '--keep', 'best', '--data', data)).err).toContain(
    '["keep"][0] is "best"',
  );
  const dry = await gyre('prune', '--days', '30', '--dry-run', '--data', data);
  expect(dry.out).toBe('would prune 3 trajectories (3 steps) and the tokens of 0 batches\n');
  expect(stepsIn(data)).toBe(4);
  const pruned = await gyre('prune', '--days', '30', '--data', data, '--json');
  expect(JSON.parse(pruned.out)).toMatchObject({ pruned: { trajectories: 3, steps: 3, batches: 0 }, free_bytes: 0 });
  expect(stepsIn(data)).toBe(1);
  expect(statSync(join(data, 'gyre.db')).size).toBeLessThan(before - 550_000);
  expect((await gyre('verify', '--data', data)).out).toContain('pruned from it were 3 trajectories with 3 steps');
}, 120_000);

test('a gateway prunes by its configuration while it answers, and nobody writes its file anew meanwhile', async () => {
  const data = await logOf(100, 99, 98, 1);
  const file = join(data, 'gyre.yaml');
  writeFileSync(file, 'retention: {days: 30}\n');
  const engine = await startEngine();
  const child = spawn(
    process.execPath,
    [MAIN, 'serve', '--config', file, '--data', data, '--port', '0', '--engine', engine.url],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (said += text));
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await engine.close();
  });
  await until(() => /^ready http/m.test(said) && said.includes('"pruned"'), 'it to be ready and to have pruned');
  const line = said.split('\n').find((text) => text.includes('"pruned"')) ?? '';
  expect(JSON.parse(line)).toMatchObject({ trajectories: 3, steps: 3, batches: 0 });
  const url = /^ready (.*)$/m.exec(said)?.[1] ?? '';
  const answered = await fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'gyre', messages: [{ role: 'user', content: 'Still there?' }] }),
  });
  expect(answered.status).toBe(200);
  expect((await gyre('prune', '--compact', '--data', data)).err).toContain('a gateway (process');
  child.kill('SIGTERM');
  const [code] = (await once(child, 'exit')) as [number | null];
  expect(code).toBe(0);
  expect(stepsIn(data)).toBe(2);
}, 120_000);
