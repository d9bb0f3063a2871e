/** The log in a thread of its own keeps what the log in this thread keeps, and reports what it lost. */
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { expect, onTestFinished, test } from 'vitest';

import { GYRE_POLICY } from '../../../src/core/learning/policy_name.js';
import type { StepLog } from '../../../src/core/log.js';
import { openStore } from '../../../src/store/file/db.js';
import { openRemoteLog } from '../../../src/store/beside/log.js';
import { listTrajectories } from '../../../src/store/read/listing.js';
import { readTrajectory } from '../../../src/store/read/trajectories.js';
import { removeTrajectory } from '../../../src/store/read/remove.js';
import { stateOf } from '../../../src/store/read/state.js';
import { verify } from '../../../src/store/proof/verify.js';
import { action, answer, DONE, opening, stepOf, system, temporaryFolder, user, call } from '../fixture.js';

/** A worker is a file of its own: compiled, and current when the tests begin. */
const MODULE = fileURLToPath(new URL('../../../dist/src/store/beside/worker.js', import.meta.url));

interface Beside {
  readonly folder: string;
  readonly log: StepLog & { close(): Promise<void> };
  readonly lost: unknown[];
  readonly store: ReturnType<typeof openStore>;
}

function beside(folder = temporaryFolder(), redact: readonly string[] = []): Beside {
  const store = openStore(folder);
  const lost: unknown[] = [];
  const log = openRemoteLog({ dataDir: folder, module: MODULE, redact, failed: (reason) => lost.push(reason) });
  onTestFinished(async () => {
    await log.close();
    store.close();
  });
  return { folder, log, lost, store };
}

/** What an intake still holds of answers. */
function taken(folder: string): string {
  return readdirSync(join(folder, 'intake'))
    .map((file) => readFileSync(join(folder, 'intake', file), 'utf8'))
    .join('');
}

test('a finished answer is written down when its promise says so, and committed when the log is flushed', async () => {
  const { folder, log, store, lost } = beside();
  const answered = await answer(log, opening([system('s'), user('17 * 23?')]), [
    { text: '', asks: [{ call: call('c1', '17*23'), gives: '391' }], prompt: [1, 2, 3], ids: [4, 5] },
    { text: 'It is 391.', prompt: [1, 2, 3, 4, 5, 6, 7], ids: [8] },
  ]);
  expect(answered.kept).toBe(true);
  await log.flush();
  expect(taken(folder)).toBe('');
  const read = readTrajectory(store.db, answered.recording.trajectoryId);
  expect(
    read?.steps.map(({ action: text, prompt_token_ids: prompt, token_ids: ids }) => ({ text, prompt, ids })),
  ).toEqual([
    { text: '', prompt: [1, 2, 3], ids: [4, 5] },
    { text: 'It is 391.', prompt: [1, 2, 3, 4, 5, 6, 7], ids: [8] },
  ]);
  expect(stateOf(store.db, answered.steps[1]?.id ?? '')?.messages).toEqual(answered.steps[1]?.messages);
  expect(verify(store.db)).toMatchObject({ ok: true, counts: { steps: 2, responses: 1 } });
  expect(lost).toEqual([]);
});

test('how an upstream took a turn, and how it was told, comes through the thread', async () => {
  const { log, store } = beside();
  const asked = { model: 'big', upstream: 'api.example big' };
  const native = { message: { reasoning_content: 'Hm.' }, calls: {} };
  const told = [{ type: 'text' as const, length: 4, refusal: true as const }];
  const first = await log.open(opening([user('hi')], asked));
  const step = stepOf(first.messages, action('Warm', [], { native }));
  void first.step({ ...step, told, policyVersion: undefined }, { role: 'assistant', content: 'Warm' });
  await first.finish(DONE);
  const next = [user('hi'), { role: 'assistant' as const, content: 'Warm' }, user('on')];
  expect((await log.open(opening(next, asked))).past).toEqual({ native: [[1, native]], foreign: [] });
  expect((await log.open(opening(next, { ...asked, upstream: 'api.example small' }))).past).toEqual({
    native: [],
    foreign: [1],
  });
  expect((await log.open(opening(next))).past).toBeUndefined();
  expect(store.sqlite.prepare('SELECT told FROM steps').all()).toEqual([{ told: JSON.stringify(told) }]);
});

test('a conversation goes on where the policy left it, hidden turns and all, also right after its answer', async () => {
  const { log } = beside();
  const first = await answer(log, opening([user('17 * 23?')]), [
    { text: '', asks: [{ call: call('c1', '17*23'), gives: '391' }] },
    { text: 'It is 391.' },
  ]);
  const next = await log.open(opening([user('17 * 23?'), first.turn, user('Sure?')]));
  expect(next).toMatchObject({ continued: true, trajectoryId: first.recording.trajectoryId });
  expect(next.messages.map(({ role }) => role)).toEqual(['user', 'assistant', 'tool', 'assistant', 'user']);
  expect(await next.step(stepOf(next.messages, action('Yes.')), { role: 'assistant', content: 'Yes.' })).toBe(true);
  expect(await next.finish(DONE)).toBe(true);
});

test('the log thread redacts; the conversation continues in its original words, hidden turns included', async () => {
  const { folder, log, store } = beside(temporaryFolder(), ['\\w+@\\w+\\.org']);
  const first = await answer(log, opening([user('17 * 23?')]), [
    { text: '', asks: [{ call: call('c1', '17*23'), gives: '391' }], prompt: [1], ids: [2] },
    { text: 'It is 391.', prompt: [1, 2, 3], ids: [4] },
  ]);
  const asked = [user('17 * 23?'), first.turn, user('Mail it to ann@x.org')];
  const second = await answer(log, opening(asked), [{ text: 'Sent to ann@x.org.', prompt: [1, 2, 3, 4, 5], ids: [6] }]);
  expect(second.recording.messages.map(({ role }) => role)).toEqual(['user', 'assistant', 'tool', 'assistant', 'user']);
  expect(second.recording.messages.at(-1)).toEqual(user('Mail it to ann@x.org'));
  const next = [...asked, second.turn, user('Thanks')];
  const third = await log.open(opening(next));
  expect(third).toMatchObject({ trajectoryId: first.recording.trajectoryId, continued: true, messages: next });
  expect(
    readTrajectory(store.db, first.recording.trajectoryId)?.steps.map(
      ({ action: text, token_ids: ids, not_trainable_reason: reason }) => [text, ids, reason],
    ),
  ).toEqual([
    ['', [2], undefined],
    ['It is 391.', [4], undefined],
    ['Sent to [redacted].', null, 'redacted'],
  ]);
  expect(verify(store.db).ok).toBe(true);
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  expect(files.filter((file) => readFileSync(join(file.parentPath, file.name)).includes('ann@x.org'))).toEqual([]);
});

test('a quick follow-up finds an answer that is still being committed', async () => {
  const { log } = beside();
  const recording = await log.open(opening([user('q')]));
  const taken = action('a');
  void recording.step(stepOf(recording.messages, taken), { role: 'assistant', content: 'a' });
  void recording.finish(DONE);
  const next = await log.open(opening([user('q'), { role: 'assistant', content: 'a' }, user('and?')]));
  expect(next).toMatchObject({ continued: true, trajectoryId: recording.trajectoryId });
});

test('a follow-up finds the end of its answer, which was recorded later than its text, among many others', async () => {
  const { log } = beside();
  const recording = await log.open(opening([user('q')]));
  await recording.step(stepOf(recording.messages, action('a')), { role: 'assistant', content: 'a' });
  const others = Array.from({ length: 50 }, (_, at) =>
    answer(log, opening([user(`other ${at}`)]), [{ text: `b ${at}` }]),
  );
  await recording.finish(DONE);
  const next = await log.open(
    opening([user('q'), { role: 'assistant', content: [{ type: 'text', text: 'a' }] }, user('and?')]),
  );
  expect(next).toMatchObject({ continued: true, trajectoryId: recording.trajectoryId });
  await Promise.all(others);
});

test('many at once are all kept, each under its own trajectory', async () => {
  const { log, store } = beside();
  const answers = await Promise.all(
    Array.from({ length: 200 }, (_, at) =>
      answer(log, opening([system('shared'), user(`question ${at}`)]), [
        { text: `answer ${at}`, prompt: [1, at], ids: [at] },
      ]),
    ),
  );
  expect(answers.every(({ kept }) => kept)).toBe(true);
  expect(new Set(answers.map(({ recording }) => recording.trajectoryId)).size).toBe(200);
  await log.flush();
  expect(listTrajectories(store.db, { limit: 200 }).data).toHaveLength(200);
  expect(verify(store.db).ok).toBe(true);
});

test('a step that cannot be stored is counted and reported, and the next one is kept', async () => {
  const { log, lost } = beside();
  const bad = await answer(log, opening([user('bad')]), [{ text: 'x', prompt: [0.5], ids: [1] }]);
  await log.flush();
  expect(bad.recording.continued).toBe(false);
  expect(log.failures).toBeGreaterThan(0);
  expect(String(lost[0])).toContain('0.5');
  expect((await answer(log, opening([user('good')]), [{ text: 'y' }])).kept).toBe(true);
});

test('nobody has to flush: what is written down is committed by itself', async () => {
  const { log, folder, store } = beside();
  await answer(log, opening([user('q')]), [{ text: 'a' }]);
  await expect.poll(() => listTrajectories(store.db, { limit: 10 }).data.length, { timeout: 10_000 }).toBe(1);
  await expect.poll(() => taken(folder), { timeout: 10_000 }).toBe('');
});

test.each([
  ['small', 100],
  ['large', 300_000],
])('a log thread that dies is replaced by one that commits all but what ended it: %s messages', async (_, size) => {
  const { log, lost, folder, store } = beside();
  const asked = user('x'.repeat(size));
  const before = await answer(log, opening([user('before')]), [{ text: 'a' }]);
  const open = await log.open(opening([asked]));
  const first = action('', [call('c1', '1+1')]);
  void open.step(stepOf(open.messages, first), { role: 'assistant', content: '' });
  // A message the log cannot read: it throws outside of any transaction, which ends the thread.
  const poison = await log.open({ ...opening([user('poison')]), asker: undefined as never });
  void poison.finish(DONE);
  const also = await answer(log, opening([user('beside it')]), [{ text: 'b' }]);
  await expect.poll(() => log.failures, { timeout: 10_000 }).toBeGreaterThan(0);
  const said = 'y'.repeat(size);
  void open.step(stepOf([...open.messages, { role: 'assistant', content: '' }], action(said)), {
    role: 'assistant',
    content: said,
  });
  await open.finish(DONE);
  const after = await answer(log, opening([user('after')]), [{ text: 'c' }]);
  await log.flush();
  expect(lost.map(String).join()).toContain("the log's thread ended");
  const there = listTrajectories(store.db, { limit: 10 }).data.map(({ id }) => id);
  for (const { recording } of [before, also, after]) expect(there).toContain(recording.trajectoryId);
  expect(readTrajectory(store.db, open.trajectoryId)?.steps).toHaveLength(2);
  expect(readTrajectory(store.db, open.trajectoryId)?.steps[1]?.action === said).toBe(true);
  expect(readTrajectory(store.db, open.trajectoryId)?.outcome).toBe('completed');
  const [file = ''] = readdirSync(join(folder, 'intake')).filter((name) => name.endsWith('.unsettled'));
  expect(readFileSync(join(folder, 'intake', file), 'utf8')).toContain('poison');
  expect(verify(store.db).problems).toEqual([
    { table: 'intake', id: file, problem: 'something in it could not be committed' },
  ]);
});

test('where nothing can be written down, an answer waits for its commit', async () => {
  const folder = temporaryFolder();
  writeFileSync(join(folder, 'intake'), 'not a folder');
  const { log, store } = beside(folder);
  const answered = await answer(log, opening([user('q')]), [
    { text: '', asks: [{ call: call('c1', '1+1'), gives: '2' }] },
    { text: 'a' },
  ]);
  expect(answered.kept).toBe(true);
  expect(readTrajectory(store.db, answered.recording.trajectoryId)?.steps).toHaveLength(2);
  expect(log.failures).toBe(0);
});

test('an unfinished recording stays in the intake while all before it is committed', async () => {
  const { log, store, folder } = beside();
  const open = await log.open(opening([user('long')]));
  const first = stepOf(open.messages, action('', [call('c1', '1+1')]));
  await open.step(first, { role: 'assistant', content: '' });
  await answer(log, opening([user('short')]), [{ text: 'over' }]);
  await log.flush();
  expect(taken(folder)).toContain('long');
  expect(taken(folder)).not.toContain('short');
  await open.step(stepOf([...first.messages, ...first.appended], action('end')), { role: 'assistant', content: 'end' });
  await open.finish(DONE);
  await log.flush();
  expect(taken(folder)).toBe('');
  expect(readTrajectory(store.db, open.trajectoryId)?.steps).toHaveLength(2);
  expect(verify(store.db).problems).toEqual([]);
});

test('what is deleted right after its answer is in no file', async () => {
  const { log, store, folder } = beside();
  const open = await log.open(opening([user('still going on')]));
  await open.step(stepOf(open.messages, action('', [call('c1', '1+1')])), { role: 'assistant', content: '' });
  const answered = await answer(log, opening([user('my secret word')]), [{ text: 'heard' }]);
  await log.flush();
  removeTrajectory(store.db, GYRE_POLICY, answered.recording.trajectoryId);
  const files = (): string[] =>
    readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name));
  await expect
    .poll(() => files().filter((file) => readFileSync(file).includes('secret word')), { timeout: 5_000 })
    .toEqual([]);
  await open.finish(DONE);
});

test('the write-ahead log is folded into the database while answers are written, and stays small', async () => {
  const { folder, log } = beside();
  const size = (name: string): number => statSync(join(folder, name)).size;
  const long = 'x'.repeat(20_000);
  let largest = 0;
  const until = Date.now() + 20_000;
  while (size('gyre.db') < 8 * 1024 * 1024 && Date.now() < until) {
    await Promise.all(
      Array.from({ length: 16 }, (_, at) => answer(log, opening([user(`${at} ${long}`)]), [{ text: long }])),
    );
    largest = Math.max(largest, size('gyre.db-wal'));
  }
  expect(size('gyre.db')).toBeGreaterThan(8 * 1024 * 1024);
  expect(largest).toBeLessThan(256 * 1024 * 1024);
}, 30_000);
