/** `gyre export` as it is run: into pipes that are closed, into files, filtered, and as examples for fine-tuning. */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { expect, test } from 'vitest';

import { newId } from '../../../src/core/ids.js';
import { GYRE_POLICY } from '../../../src/core/learning/policy_name.js';
import { type Message, textOf } from '../../../src/core/message.js';
import type { TrajectoryView } from '../../../src/core/reading.js';
import { redactorOf } from '../../../src/core/text/redact.js';
import type { Task } from '../../../src/core/learning/task.js';
import { openStore } from '../../../src/store/file/db.js';
import { saveTasks } from '../../../src/store/learning/tasks.js';
import { openLog } from '../../../src/store/log/log.js';
import { removeTrajectory } from '../../../src/store/read/remove.js';
import { gyre } from '../../run/child.js';
import { answer, call, CALCULATOR, DONE, opening, system, stepOf, temporaryFolder, user } from '../../store/fixture.js';

const MAIN = fileURLToPath(new URL('../../../dist/src/main.js', import.meta.url));
const linesOf = (text: string): TrajectoryView[] =>
  text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as TrajectoryView);

/** A log of several kinds of conversations; ids by what was asked. */
async function filled(): Promise<{ readonly folder: string; readonly ids: Readonly<Record<string, string>> }> {
  const folder = temporaryFolder();
  const store = openStore(folder);
  const plain = openLog(store);
  const redacting = openLog(store, { redactor: redactorOf(['hush\\d+']) });
  const ids: Record<string, string> = {};
  const say = async (
    messages: readonly Message[],
    more: Partial<Parameters<typeof opening>[1]> = {},
    log = plain,
  ): Promise<void> => {
    const made = await answer(log, opening(messages, more), [
      { text: '', asks: [{ call: call('c1', '6*7'), gives: '42' }], prompt: [1, 2], ids: [3] },
      { text: 'It is 42.', prompt: [1, 2, 3, 4], ids: [5] },
    ]);
    ids[textOf(messages.at(-1)?.content ?? '')] = made.recording.trajectoryId;
  };
  saveTasks(store.db, [
    { id: 'held', messages: [user('held out')], split: 'heldout', metadata: {} } as unknown as Task,
  ]);
  await say([system('Be kind.'), user('Grüße\u202e an 👩‍🚀')]);
  await say([user('without consent')], { asker: { keyId: '', consent: false } });
  await say([user('held out')], { origin: 'evaluate', taskId: 'held' });
  await say([user('held out')]);
  await say([user('my word is hush99')], {}, redacting);
  await say([user('deleted')]);
  const failing = plain.open(opening([user('failed')]));
  await failing.step(stepOf([user('failed')], undefined, { outcome: 'failed' }), { role: 'assistant', content: '' });
  await failing.finish({ ...DONE, outcome: 'failed', stopReason: 'engine_error' });
  ids['failed'] = failing.trajectoryId;
  removeTrajectory(store.db, GYRE_POLICY, ids['deleted'] ?? '');
  store.close();
  return { folder, ids };
}

test('every conversation that is left is a line, newest first, whole and without tokens', async () => {
  const { folder, ids } = await filled();
  const { out, err, code } = await gyre(['export', '--data', folder]).ended;
  expect([code, err]).toEqual([0, '']);
  const lines = linesOf(out);
  expect(lines.map(({ id }) => id)).toEqual(
    lines
      .map(({ id }) => id)
      .sort()
      .reverse(),
  );
  expect(lines).toHaveLength(6);
  expect(out).not.toMatch(/token_ids|logprobs|hush99|deleted/);
  expect(out).not.toContain('\u202e');
  const first = lines.find(({ id }) => id === ids['Grüße\u202e an 👩‍🚀']);
  expect(first?.messages).toEqual([
    system('Be kind.'),
    user('Grüße\u202e an 👩‍🚀'),
    { role: 'assistant', content: 'It is 42.' },
  ]);
  expect(first?.steps[0]).toMatchObject({ tools: [CALCULATOR], sampling: { temperature: 0.7 } });

  const asked = async (...flags: string[]): Promise<TrajectoryView[]> =>
    linesOf((await gyre(['export', '--data', folder, ...flags]).ended).out);
  expect(await asked('--include', 'tokens', '--q', 'GRÜSSE'.toLowerCase())).toEqual([]);
  const [one, ...none] = await asked('--include', 'tokens', '--view', 'policy', '--q', 'grüße', '--version', '0');
  expect(none).toEqual([]);
  expect(one?.steps[0]?.token_ids).toEqual([3]);
  expect(one?.messages).toHaveLength(5);
  expect((await asked('--limit', '2')).map(({ id }) => id)).toEqual(lines.slice(0, 2).map(({ id }) => id));
  expect((await asked('--outcome', 'failed')).map(({ id }) => id)).toEqual([ids['failed']]);
  expect(await asked('--since', '2100-01-01')).toEqual([]);
  expect((await asked('--view', 'summary', '--origin', 'evaluate'))[0]).toMatchObject({ question: 'held out' });
});

test('as chat it is examples for fine-tuning, and what is none is counted by its reason', async () => {
  const { folder } = await filled();
  const { out, err, code } = await gyre(['export', '--format', 'chat', '--data', folder]).ended;
  expect(code).toBe(0);
  const lines = out.trim().split('\n');
  expect(lines).toHaveLength(1);
  expect(JSON.parse(lines[0] ?? '')).toEqual({
    messages: [
      system('Be kind.'),
      user('Grüße\u202e an 👩‍🚀'),
      {
        role: 'assistant',
        content: null,
        tool_calls: [
          { id: 'c1', type: 'function', function: { name: 'calculator', arguments: '{"expression":"6*7"}' } },
        ],
      },
      { role: 'tool', tool_call_id: 'c1', content: '42' },
      { role: 'assistant', content: 'It is 42.' },
    ],
    tools: [{ type: 'function', function: CALCULATOR }],
  });
  for (const reason of ['1 without consent', '2 held out', '1 redacted', '1 without an answer'])
    expect(err).toContain(reason);
  expect(err.trim().split('\n')).toHaveLength(1);
});

test('into a file it says how many, and a file that cannot be is said in a sentence', async () => {
  const { folder } = await filled();
  const out = join(folder, 'out.jsonl');
  const written = await gyre(['export', '--data', folder, '--out', out, '--json']).ended;
  expect(JSON.parse(written.out)).toEqual({ out, written: 6, left_out: {} });
  expect(linesOf(readFileSync(out, 'utf8'))).toHaveLength(6);
  mkdirSync(join(folder, 'sub'));
  for (const bad of [join(folder, 'sub'), join(folder, 'none', 'x.jsonl')]) {
    const failed = await gyre(['export', '--data', folder, '--out', bad]).ended;
    expect([failed.code, failed.out]).toEqual([1, '']);
    expect(failed.err).toMatch(/^gyre: ".*" cannot be written: E\w+.*\n$/);
  }
});

test.each([
  [['--outcome', 'done'], '"outcome" must be one of completed, incomplete, failed, cancelled, not "done".'],
  [['--version', 'x'], '"version" must be'],
  [['--format', 'csv'], '--format is "csv"; there are jsonl and chat'],
  [['--limit', '0'], '--limit is "0"'],
  [['--format', 'chat', '--view', 'summary'], '--format chat has messages and tools only'],
  [['--view', 'summary', '--include', 'tokens'], 'a summary has no tokens'],
  [['--outcom', 'failed'], "unknown option '--outcom'"],
])('%j is refused with a sentence', async (flags, says) => {
  const { out, err, code } = await gyre(['export', '--data', temporaryFolder(), ...flags]).ended;
  expect([code, out]).toEqual([1, '']);
  expect(err).toContain(says);
  expect(err).not.toMatch(/^\s+at /m);
});

test('a reader that has enough ends it quietly, and any other verb too', async () => {
  const folder = temporaryFolder();
  const store = openStore(folder);
  const log = openLog(store);
  const long = 'x'.repeat(100_000);
  for (let at = 0; at < 30; at += 1) await answer(log, opening([user(`${at} ${long}`)]), [{ text: 'a' }]);
  store.close();
  const piped = (verb: string, reader: string): ReturnType<typeof spawnSync> =>
    spawnSync(
      'bash',
      ['-c', `set -o pipefail; "${process.execPath}" "${MAIN}" ${verb} --data "${folder}" | ${reader}`],
      {
        encoding: 'utf8',
        maxBuffer: 1 << 26,
      },
    );
  const { stdout, stderr, status } = piped('export', 'head -n 1');
  expect([status, stderr]).toEqual([0, '']);
  expect(linesOf(String(stdout))[0]?.messages[0]?.content).toBe(`29 ${long}`);
  // Whoever reads nothing at all, and where nothing more is found for long.
  for (const [verb, reader] of [
    ['export', 'true'],
    ['export --q nowhere', 'true'],
    ['export --format chat', 'head -c 10'],
    ['keys list', 'true'],
    ['status --json', 'true'],
  ] as const) {
    const ended = piped(verb, reader);
    expect([verb, ended.status, ended.stderr]).toEqual([verb, 0, '']);
  }
  const counted = piped('export', 'wc -l');
  expect([counted.status, String(counted.stdout).trim()]).toEqual([0, '30']);
});

test('a log that grows and shrinks while it is read comes out in order, each line whole', async () => {
  const folder = temporaryFolder();
  const store = openStore(folder);
  const log = openLog(store);
  const made: string[] = [];
  for (let at = 0; at < 40; at += 1)
    made.push(
      (await answer(log, opening([user(`q ${at} ${'y'.repeat(20_000)}`)]), [{ text: 'a' }])).recording.trajectoryId,
    );
  expect(existsSync(MAIN)).toBe(true);
  const child = spawn(process.execPath, [MAIN, 'export', '--data', folder]);
  let out = '';
  let changed = false;
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text;
    if (changed) return;
    changed = true;
    child.stdout.pause();
    removeTrajectory(store.db, GYRE_POLICY, made[0] ?? '');
    void answer(log, opening([user(newId('req'))]), [{ text: 'later' }]).then(() => child.stdout.resume());
  });
  const code = await new Promise((resolve) => child.on('close', resolve));
  expect(code).toBe(0);
  const read = linesOf(out).map(({ id }) => id);
  expect(read).toEqual(made.slice(1).reverse());
  store.close();
});

test('a closed pipe hides no verdict: what is wrong still ends with 1', async () => {
  const { folder } = await filled();
  const store = openStore(folder);
  store.sqlite.prepare("UPDATE messages SET body = replace(body, 'kind', 'rude')").run();
  store.close();
  const command = `set -o pipefail; "${process.execPath}" "${MAIN}" verify --data "${folder}" 2>/dev/null | true`;
  expect(spawnSync('bash', ['-c', command]).status).toBe(1);
});

test('a conversation of fifty megabytes comes out whole', async () => {
  const folder = temporaryFolder();
  const store = openStore(folder);
  const log = openLog(store);
  const big = 'ä'.repeat(1_000_000);
  await answer(log, opening(Array.from({ length: 25 }, (_, at) => user(`${at} ${big}`))), [{ text: 'a' }]);
  store.close();
  const { out, code } = await gyre(['export', '--data', folder]).ended;
  expect(code).toBe(0);
  expect(linesOf(out)[0]?.messages).toHaveLength(26);
});
