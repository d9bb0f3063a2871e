/** What lies on the disk, and on the terminal, of a gateway as it is started: for its user alone. */
import { chmodSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { expect, onTestFinished, test } from 'vitest';

import { startEngine } from '../fakes/engine.js';
import { temporaryFolder } from '../store/fixture.js';
import { gyre } from './child.js';

const modeOf = (path: string): string => (statSync(path).mode & 0o777).toString(8);

test('nothing that is written is readable by others, whatever the shell allows', async () => {
  const { url: engine, close } = await startEngine({ script: () => ({ text: 'ok' }) });
  onTestFinished(() => close());
  const folder = join(temporaryFolder(), 'data');
  const gateway = gyre(['serve', '--data', folder, '--port', '0', '--engine', engine]);
  const url = await gateway.word('ready');
  const asked = await fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    body: JSON.stringify({ model: 'gyre', messages: [{ role: 'user', content: 'hi' }] }),
  });
  expect(asked.status).toBe(200);
  const seen = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  expect(seen).toEqual(
    expect.arrayContaining(['gyre.db', 'secret', 'run', expect.stringMatching(/^run\/serve-\d+\.json$/), 'intake']),
  );
  for (const file of ['.', ...seen]) expect([file, modeOf(join(folder, file)).slice(1)]).toEqual([file, '00']);
  expect(modeOf(folder)).toBe('700');

  const out = join(folder, 'out.jsonl');
  await gyre(['export', '--data', folder, '--out', out]).ended;
  expect(modeOf(out)).toBe('600');
});

test('doctor names a folder that others may read, and the command that mends it', async () => {
  const folder = join(temporaryFolder(), "ann's data");
  const doctor = async (): Promise<string> =>
    (await gyre(['doctor', '--data', folder, '--engine', 'http://127.0.0.1:9']).ended).out;
  expect(await doctor()).toMatch(/^ok +privacy/m);
  chmodSync(folder, 0o755);
  const quoted = `'${folder.replace("'", "'\\''")}'`;
  expect(await doctor()).toMatch(/^WRONG +privacy/m);
  expect(await doctor()).toContain(`chmod -R go= ${quoted}`);
});

test("a verb shows what cannot be seen in others' words, in its lines, its JSON and its faults", async () => {
  const folder = temporaryFolder();
  const docs = join(folder, 'docs');
  const wild = '\u001b[2J\u009b\u202e.md';
  await gyre(['keys', 'add', `ann${wild}`, '--data', folder]).ended;
  const listed = await gyre(['keys', 'list', '--data', folder]).ended;
  expect(listed.out).toContain('ann\\u001b[2J\\u009b\\u202e.md');
  const asJson = await gyre(['keys', 'list', '--json', '--data', folder]).ended;
  expect(JSON.stringify(JSON.parse(asJson.out))).toContain('\u202e');
  const missing = await gyre(['index', `${docs}${wild}`, '--data', folder]).ended;
  const task = join(folder, 'tasks.jsonl');
  writeFileSync(task, `{"prompt":"\u001b[31m${wild}","split":"\\u001b]0;x"}\n`);
  const fault = await gyre(['generate', '--tasks', task, '--data', folder, '--engine', 'http://127.0.0.1:9']).ended;
  for (const { out, err } of [listed, asJson, missing, fault]) expect(out + err).not.toMatch(/(?!\n)[\p{Cc}\p{Cf}]/u);
});
