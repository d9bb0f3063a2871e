/** What was acknowledged is there: a lost group and a lost end show, and so does what is about something gone. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { expect, onTestFinished, test } from 'vitest';

import { GYRE_POLICY } from '../../../src/core/learning/policy_name.js';
import type { SubjectKind } from '../../../src/core/learning/judging.js';
import { openStore } from '../../../src/store/file/db.js';
import { saveSamples } from '../../../src/store/learning/samples.js';
import { saveVerdicts } from '../../../src/store/learning/verdicts.js';
import { tidyHeads } from '../../../src/store/intake/heads.js';
import { openRemoteLog, type RemoteLog } from '../../../src/store/beside/log.js';
import { recoverAbandoned } from '../../../src/store/beside/recover.js';
import { AnswerCount } from '../../../src/store/log/answer_count.js';
import { holdsHead } from '../../../src/store/proof/heads.js';
import { verify } from '../../../src/store/proof/verify.js';
import { addFeedback } from '../../../src/store/read/feedback.js';
import { removeTrajectory } from '../../../src/store/read/remove.js';
import { action, answer, DONE, opened, opening, stepOf, temporaryFolder, user } from '../fixture.js';

const DIST = new URL('../../../dist/', import.meta.url).href;
const MODULE = fileURLToPath(new URL('../../../dist/src/store/beside/worker.js', import.meta.url));

/** A folder inside the checkout, where a script finds the packages. */
function folderHere(): string {
  const folder = mkdtempSync(fileURLToPath(new URL('../../../.gyre/lost-', import.meta.url)));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

async function serving(folder: string): Promise<RemoteLog> {
  const log = openRemoteLog({ dataDir: folder, module: MODULE });
  onTestFinished(() => log.close());
  await log.ready;
  return log;
}

const ask = (log: RemoteLog, words: string): ReturnType<typeof answer> =>
  answer(log, opening([user(words)]), [{ text: 'yes' }]);

test('each row of the ledger says how many answers its gateway had acknowledged, and as many are entered', async () => {
  const folder = temporaryFolder();
  const { store } = opened(folder);
  const log = await serving(folder);
  for (let at = 0; at < 3; at += 1) {
    await ask(log, `q ${at}`);
    await log.flush();
  }
  await (await log.open(opening([user('cut off before its first step')]))).finish({ ...DONE, outcome: 'cancelled' });
  const kept = await ask(log, 'q 3');
  await log.flush();
  removeTrajectory(store.db, GYRE_POLICY, kept.recording.trajectoryId);
  const rows = store.sqlite.prepare('SELECT answers FROM ledger WHERE writer IS NOT NULL ORDER BY seq').all();
  expect(rows).toEqual([1, 2, 3, 4].map((answers) => ({ answers })));
  expect(verify(store.db).problems).toEqual([]);
});

test('a group of answers that was acknowledged and never committed is named', async () => {
  const folder = temporaryFolder();
  const answerCount = new AnswerCount('log-1', 0);
  answerCount.start();
  const { store, log } = opened(folder, { answerCount });
  const say = async (number: number): Promise<void> => {
    const recording = log.open(opening([user(`q ${number}`)]));
    void recording.step(stepOf(recording.messages, action('a')), { role: 'assistant', content: 'a' });
    expect(await recording.finish(DONE, number)).toBe(true);
  };
  await say(1);
  expect(verify(store.db).problems).toEqual([]);
  await say(3); // of number 2 its client was told that it is kept
  await say(4);
  const { seq } = store.sqlite.prepare<[], { seq: number }>('SELECT max(seq) - 1 AS seq FROM ledger').get() ?? {
    seq: 0,
  };
  expect(verify(store.db).problems).toEqual([
    {
      table: 'ledger',
      id: String(seq),
      problem: '3 answers of the log log-1 were acknowledged by here, and 2 are entered',
    },
  ]);
});

test('a database that has lost its end agrees with itself, and not with what its gateway knew', async () => {
  const folder = temporaryFolder();
  const first = openStore(folder);
  const log = await serving(folder);
  await ask(log, 'before');
  await log.flush();
  first.sqlite.prepare('VACUUM INTO ?').run(join(folder, 'older.db'));
  await ask(log, 'after');
  await log.flush();
  await log.close();
  expect(verify(first.db).problems).toEqual([]);
  first.close();
  for (const name of ['gyre.db', 'gyre.db-wal', 'gyre.db-shm'])
    if (existsSync(join(folder, name))) rmSync(join(folder, name));
  copyFileSync(join(folder, 'older.db'), join(folder, 'gyre.db'));
  const { store } = opened(folder);
  const [head = ''] = readdirSync(join(folder, 'heads'));
  expect(verify(store.db).problems).toEqual([
    { table: 'heads', id: head, problem: 'row 2 of the ledger was committed, and is not there: its end is lost' },
  ]);
  // A gateway that starts on it says so, and what it adds does not hide it.
  expect(tidyHeads(folder, (found) => holdsHead(store.db, found))).toEqual([head]);
  const next = await serving(folder);
  await ask(next, 'again');
  await next.flush();
  expect(verify(store.db).problems).toHaveLength(1);
  rmSync(join(folder, 'heads', head));
  expect(verify(store.db).problems).toEqual([]);
});

test('feedback, samples and verdicts of what is gone are named; of what was deleted none is added later', async () => {
  const { store, log } = opened();
  const { opening: asked, recording, steps } = await answer(log, opening([user('q')]), [{ text: 'a' }]);
  const stepId = steps[0]?.id ?? '';
  const sample = {
    id: 'smp-1',
    cycleId: 'cyc-1',
    stepId,
    policyVersion: 0,
    promptTokenIds: [1],
    tokenIds: [2],
    logprobs: [-1],
    text: 'b',
    calls: [],
    temperature: 1,
    cut: false,
    createdAt: 1,
  };
  const verdict = (subjectKind: SubjectKind, subjectId: string, judgeVersion = '1') => ({
    id: `vrd-${subjectKind}-${judgeVersion}`,
    subjectKind,
    subjectId,
    judge: 'rule',
    judgeVersion,
    good: true,
    rationale: '',
    createdAt: 1,
  });
  saveSamples(store.db, GYRE_POLICY, [sample]);
  saveVerdicts(store.db, [
    verdict('step', stepId),
    verdict('sample', 'smp-1'),
    verdict('response', asked.responseId),
    verdict('trajectory', recording.trajectoryId),
  ]);
  const { id: feedback = '' } =
    addFeedback(store.db, { responseId: asked.responseId, keyId: '', within: undefined, value: 1 }) ?? {};
  expect(verify(store.db).problems).toEqual([]);
  const ofUsers = store.sqlite.prepare("SELECT id FROM verdicts WHERE judge = 'feedback'").pluck().all();
  store.sqlite.exec('BEGIN; DELETE FROM steps; DELETE FROM responses; DELETE FROM trajectories; COMMIT');
  const lost = verify(store.db).problems.filter(({ problem }) => / it | was drawn /.test(problem));
  expect(lost.filter(({ id }) => ofUsers.includes(id))).toHaveLength(2);
  expect(lost.filter(({ id }) => !ofUsers.includes(id))).toEqual([
    { table: 'feedback', id: feedback, problem: 'the response it is about is missing' },
    { table: 'samples', id: 'smp-1', problem: 'the step it was drawn at is missing' },
    { table: 'verdicts', id: 'vrd-step-1', problem: 'the step it judges is missing' },
    { table: 'verdicts', id: 'vrd-response-1', problem: 'the response it judges is missing' },
    { table: 'verdicts', id: 'vrd-trajectory-1', problem: 'the trajectory it judges is missing' },
    { table: 'decided', id: stepId, problem: 'the step it is about is missing' },
    { table: 'decided', id: asked.responseId, problem: 'the response it is about is missing' },
    { table: 'decided', id: recording.trajectoryId, problem: 'the trajectory it is about is missing' },
  ]);
  saveVerdicts(store.db, [verdict('step', stepId, '2')]);
  saveSamples(store.db, GYRE_POLICY, [{ ...sample, id: 'smp-2' }]);
  const rows = (table: string): unknown => store.sqlite.prepare(`SELECT count(*) AS n FROM ${table}`).get();
  expect([rows('verdicts'), rows('samples')]).toEqual([{ n: 6 }, { n: 1 }]);
});

/** A gateway that is killed while nothing can be committed; `said` is how many answers it acknowledged. */
async function killed(folder: string, said: number): Promise<void> {
  openStore(folder).close();
  const script = join(folder, 'killed.mjs');
  writeFileSync(
    script,
    `
import Database from 'better-sqlite3';
import { openRemoteLog } from '${DIST}src/store/beside/log.js';
import { newId } from '${DIST}src/core/ids.js';
const log = openRemoteLog({ dataDir: ${JSON.stringify(folder)}, module: ${JSON.stringify(MODULE)} });
await log.ready;
const usage = { prompt_tokens: 0, completion_tokens: 0, cached_tokens: 0, reasoning_tokens: 0 };
async function say(text) {
  const now = { asker: { keyId: '', consent: true }, at: Date.now(), responseId: newId('chatcmpl'), requestId: 'r' };
  const messages = [{ role: 'user', content: text }];
  const recording = await log.open({ ...now, origin: 'live', model: 'gyre', messages });
  const turn = { role: 'assistant', content: 'yes' };
  const timings = { startedAt: 0, totalMs: 1 };
  const action = { text: 'yes', calls: [], finishReason: 'stop', cut: false, usage, timings };
  const asked = { policyVersion: 0, messages, tools: [], toolChoice: 'auto', sampling: {} };
  const done = { action, calls: [], appended: [turn], outcome: 'done', startedAt: 0, ms: 1 };
  void recording.step({ id: newId('step'), ...asked, ...done }, turn);
  const toolUse = { requested: 0, executed: 0, by_tool: {} };
  if (!(await recording.finish({ outcome: 'completed', stopReason: 'stop', usage, toolUse }))) process.exit(3);
}
await say('committed');
await log.flush();
const other = new Database(${JSON.stringify(join(folder, 'gyre.db'))});
other.exec('BEGIN IMMEDIATE');
for (let at = 0; at < ${said}; at += 1) await say('q ' + at);
// A database that nobody refers to any more is closed, and its lock with it.
setTimeout(() => other.open && process.kill(process.pid, 'SIGKILL'), 1000);
`,
  );
  // Beside the packages that it needs.
  const child = spawn(process.execPath, [script], { stdio: 'inherit' });
  const [, signal] = (await once(child, 'exit')) as [number | null, string | null];
  expect(signal).toBe('SIGKILL');
}

test('an intake that is deleted before anybody has read it is missed, and one that is read is not', async () => {
  const [read, gone, partly] = [folderHere(), folderHere(), folderHere()];
  for (const folder of [read, gone, partly]) await killed(folder, 5);
  for (const name of readdirSync(join(gone, 'intake'))) rmSync(join(gone, 'intake', name));
  for (const name of readdirSync(join(partly, 'intake'))) {
    const file = join(partly, 'intake', name);
    writeFileSync(file, readFileSync(file, 'utf8').split('\n').slice(0, 2).join('\n') + '\n');
  }
  const found = async (folder: string): Promise<unknown> => {
    const { store } = opened(folder);
    expect(await recoverAbandoned(store, folder)).toEqual([]);
    return verify(store.db).problems.map(({ table, problem }) => [table, problem]);
  };
  const lost = (answers: number): unknown => [
    ['heads', `at least ${answers} answers were acknowledged, and their intake is gone`],
  ];
  expect(await found(read)).toEqual([]);
  expect(await found(gone)).toEqual(lost(5));
  expect(await found(partly)).toEqual(lost(3));
  expect(await found(partly)).toEqual(lost(3));
});
