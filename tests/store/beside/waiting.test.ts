/**
 * Faults that pass: whatever holds the database up, what was acknowledged stays in the intake and is committed when it
 * is over. Other programs are real processes, and the disk that is full is one.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { expect, onTestFinished, test } from 'vitest';

import { GyreError } from '../../../src/core/errors.js';
import type { StepLog } from '../../../src/core/log.js';
import { openRemoteLog } from '../../../src/store/beside/log.js';
import { recoverAbandoned, settle } from '../../../src/store/beside/recover.js';
import { openStore, type Store } from '../../../src/store/file/db.js';
import { verify } from '../../../src/store/proof/verify.js';
import { readTrajectory } from '../../../src/store/read/trajectories.js';
import { action, answer, call, type Answered, DONE, opening, stepOf, temporaryFolder, user } from '../fixture.js';

const MODULE = fileURLToPath(new URL('../../../dist/src/store/beside/worker.js', import.meta.url));
const WAIT = { timeout: 30_000 };

interface Beside {
  readonly folder: string;
  readonly log: StepLog & { readonly ready: Promise<void>; close(): Promise<void> };
  readonly lost: unknown[];
  readonly warnings: string[];
  readonly store: Store;
}

async function beside(folder = temporaryFolder(), redact: readonly string[] = []): Promise<Beside> {
  const store = openStore(folder);
  const [lost, warnings]: [unknown[], string[]] = [[], []];
  const log = openRemoteLog({
    dataDir: folder,
    module: MODULE,
    redact,
    failed: (reason) => lost.push(reason),
    warn: (text) => warnings.push(text),
  });
  onTestFinished(async () => {
    await log.close();
    store.close();
  });
  await log.ready;
  return { folder, log, lost, warnings, store };
}

/** Another program that holds the database as `sql` says until it is told to let go. */
async function holding(folder: string, sql: string): Promise<{ release(): Promise<void> }> {
  const script =
    `import Database from 'better-sqlite3'; const db = new Database(process.argv[1], { timeout: 60000 });` +
    `for (const sql of process.argv[2].split(';')) { const s = db.prepare(sql); s.reader ? s.all() : s.run(); }` +
    `process.stdout.write('held'); process.stdin.once('data', () => { db.close(); process.exit(0); });`;
  const child: ChildProcess = spawn(
    process.execPath,
    ['--input-type=module', '--eval', script, join(folder, 'gyre.db'), sql],
    { stdio: ['pipe', 'pipe', 'inherit'], cwd: fileURLToPath(new URL('../../..', import.meta.url)) },
  );
  onTestFinished(() => void child.kill('SIGKILL'));
  await new Promise((held, failed) => {
    child.stdout?.once('data', held);
    child.once('exit', () => failed(new Error('the other program ended first')));
  });
  return {
    release: () =>
      new Promise((released) => {
        child.once('exit', () => released());
        child.stdin?.write('go');
      }),
  };
}

/** Answers with an id each, so many, one after the other. */
async function answers(log: StepLog, count: number, words = ''): Promise<Answered[]> {
  const all: Answered[] = [];
  for (let at = 0; at < count; at += 1)
    all.push(
      await answer(log, opening([user(`question ${at} ${words}`)]), [
        { text: '', asks: [{ call: call('c1', `${at}+1`), gives: String(at + 1) }] },
        { text: `It is ${at + 1}.`, prompt: [1, 2, at], ids: [3] },
      ]),
    );
  return all;
}

function there(store: Store, all: readonly Answered[]): number {
  const steps = store.sqlite.prepare<[string], { n: number }>('SELECT count(*) AS n FROM steps WHERE response_id = ?');
  const end = store.sqlite.prepare<[string]>('SELECT 1 FROM responses WHERE id = ?');
  return all.filter(
    ({ opening: { responseId }, steps: said }) =>
      end.get(responseId) !== undefined && steps.get(responseId)?.n === said.length,
  ).length;
}

const intakeBytes = (folder: string): number =>
  readdirSync(join(folder, 'intake')).reduce((sum, name) => sum + statSync(join(folder, 'intake', name)).size, 0);

test('a lock of another program loses nothing: answers go on, and are committed when it ends', async () => {
  const { folder, log, lost, store, warnings } = await beside();
  const before = await answers(log, 3);
  await log.flush();
  const other = await holding(folder, 'BEGIN EXCLUSIVE');
  const during = await answers(log, 40);
  expect(during.every(({ kept }) => kept)).toBe(true);
  await expect.poll(() => log.state.wait?.reason, WAIT).toContain('another program holds the database');
  expect(log.state.uncommitted).toMatchObject({ answers: 40 });
  expect(log.state.uncommitted.bytes).toBeLessThanOrEqual(intakeBytes(folder));
  expect(there(store, during)).toBe(0);
  // Whoever reads the log back is told at once why he cannot, when it has waited for long enough.
  const refused = await log.flush().catch((thrown: unknown) => thrown);
  expect(refused).toBeInstanceOf(GyreError);
  expect(refused).toMatchObject({ status: 503, code: 'log_waiting', side: 'gateway' });
  // A follow-up of what is committed is looked up as ever; one of what waits is a new conversation, and does not wait.
  const [first] = before;
  const [waits] = during;
  if (first === undefined || waits === undefined) throw new Error('nothing was answered');
  const known = await log.open(opening([...first.opening.messages, first.turn, user('Sure?')]));
  const fresh = await log.open(opening([...waits.opening.messages, waits.turn, user('Sure?')]));
  expect([known.continued, fresh.continued]).toEqual([true, false]);
  await expect.poll(() => warnings.join(), WAIT).toMatch(/the log waits, with 4\d answers so far: another program/);
  await other.release();
  await expect.poll(() => log.state.wait, WAIT).toBeUndefined();
  await log.flush();
  expect(there(store, [...before, ...during])).toBe(43);
  expect(log.state.uncommitted).toMatchObject({ answers: 0 });
  expect(warnings.join()).toContain('the log goes on');
  expect([lost, log.failures, verify(store.db).problems]).toEqual([[], 0, []]);
});

test('a lock that is there when a process ends and gone when the next begins loses nothing', async () => {
  const one = await beside();
  const other = await holding(one.folder, 'BEGIN IMMEDIATE');
  const all = await answers(one.log, 12);
  await one.log.close(); // it does not wait until the lock is gone
  expect(there(one.store, all)).toBe(0);
  await other.release();
  expect(await recoverAbandoned(one.store, one.folder)).toEqual([]);
  expect(there(one.store, all)).toBe(12);
  expect(verify(one.store.db).problems).toEqual([]);
});

test('what waits is in the intake and not in memory, and is read from there', async () => {
  const { folder, log, lost, store } = await beside();
  const other = await holding(folder, 'BEGIN EXCLUSIVE');
  const words = 'x'.repeat(500_000);
  const all: Answered[] = [];
  for (let round = 0; round < 12; round += 1)
    all.push(...(await Promise.all(Array.from({ length: 4 }, () => answers(log, 1, words)))).flat());
  expect(all.every(({ kept }) => kept)).toBe(true);
  expect(log.state.uncommitted).toMatchObject({ answers: 48 });
  expect(intakeBytes(folder)).toBeGreaterThan(20_000_000); // more than is kept in memory, and more than one file
  await other.release();
  await expect.poll(() => there(store, all), WAIT).toBe(48);
  await expect.poll(() => log.state.wait, WAIT).toBeUndefined();
  await log.flush();
  expect([intakeBytes(folder), lost, verify(store.db).problems]).toEqual([0, [], []]);
});

test('with patterns to redact an answer waits for a moment; it is committed when the lock ends', async () => {
  const { folder, log, store } = await beside(undefined, ['secret']);
  await answers(log, 1);
  const other = await holding(folder, 'BEGIN EXCLUSIVE');
  const [late] = await answers(log, 1);
  expect(late?.kept).toBe(false); // nobody is told that it is kept
  expect(log.refusal()).toMatchObject({ status: 503, code: 'log_waiting' });
  await other.release();
  await expect.poll(() => there(store, late === undefined ? [] : [late]), WAIT).toBe(1);
  await log.flush();
  expect([log.failures, verify(store.db).problems]).toEqual([0, []]);
});

/** A file system of its own with so many bytes, where this process may mount one. */
function smallDisk(bytes: number): string | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'gyre-disk-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${bytes}`, 'tmpfs', folder], { stdio: 'ignore' });
  } catch {
    rmSync(folder, { recursive: true });
    return undefined;
  }
  onTestFinished(() => {
    execFileSync('umount', ['-l', folder]);
    rmSync(folder, { recursive: true });
  });
  return folder;
}

/** Takes the rest of a disk; returns how to give it back. */
function fill(folder: string): () => void {
  const file = join(folder, 'filler');
  for (const size of [1 << 20, 1 << 16, 1 << 12])
    try {
      for (;;) writeFileSync(file, Buffer.alloc(size), { flag: 'a' });
    } catch {
      // full, for pieces of this size
    }
  return () => rmSync(file);
}

test('a full disk: what the intake took is kept, and all goes on by itself', async (context) => {
  const disk = smallDisk(24 * 1024 * 1024);
  if (disk === undefined) return context.skip();
  const { log, store } = await beside(disk);
  const before = await answers(log, 3);
  const room = fill(disk);
  const words = 'y'.repeat(20_000);
  const during: Answered[] = await answers(log, 8, words);
  await expect.poll(() => log.state.wait?.reason, WAIT).toContain('the disk is full');
  expect(log.refusal()?.message).toContain('The answer could not be logged: the disk is full');
  room();
  await expect.poll(() => log.state.wait, WAIT).toBeUndefined();
  expect(log.refusal()).toBeUndefined();
  await log.flush();
  // Those of which nobody was told that they are kept waited in memory, and are there as well.
  expect(there(store, [...before, ...during])).toBe(11);
  expect([log.failures, verify(store.db).problems]).toEqual([0, []]);
});

test('a folder on a full disk is refused with the word "full"', (context) => {
  const disk = smallDisk(1024 * 1024);
  if (disk === undefined) return context.skip();
  fill(disk);
  expect(() => openStore(join(disk, 'new'))).toThrow(/the disk is full\. Free some space/);
});

test('a reader that stays does not hold commits up, however long the write-ahead log gets, and is told', async () => {
  const { folder, log, store, warnings } = await beside();
  await answers(log, 1);
  const reader = await holding(folder, 'BEGIN;SELECT count(*) FROM steps');
  const words = 'z'.repeat(1_000_000);
  const all: Answered[] = [];
  while (log.state.wal.heldUp === 0 || log.state.wal.bytes < 80 * 1024 * 1024)
    all.push(...(await answers(log, 4, words)));
  await log.flush(); // commits go on
  expect(there(store, all)).toBe(all.length);
  expect(log.state.wait).toBeUndefined();
  await reader.release();
  await expect.poll(() => log.state.wal.bytes, WAIT).toBe(0);
  expect(warnings.filter((text) => text.includes('the log waits'))).toEqual([]);
});

test('what is refused for a fault of its own is set aside with all of its recording, and can be settled', async () => {
  const { folder, log, lost, store } = await beside();
  const [twin] = await answers(log, 1);
  await log.flush();
  // A step with an id that is taken cannot be committed; its neighbours can.
  const open = await log.open(opening([user('the bad one')]));
  const stolen = { ...stepOf(open.messages, action('half')), id: twin?.steps[0]?.id ?? '' };
  void open.step(stolen, { role: 'assistant', content: 'half' });
  void open.finish(DONE);
  const others = await answers(log, 3);
  await log.flush();
  expect(lost.map(String).join()).toContain('UNIQUE constraint failed: steps.id');
  expect(there(store, others)).toBe(3);
  const [aside = ''] = readdirSync(join(folder, 'intake')).filter((name) => name.endsWith('.unsettled'));
  const kept = readFileSync(join(folder, 'intake', aside), 'utf8');
  expect(kept).toContain('the bad one');
  expect(kept).not.toContain('question');
  expect(verify(store.db).problems).toEqual([
    { table: 'intake', id: aside, problem: 'something in it could not be committed' },
  ]);
  // It is refused as long as its reason is there, and settled when it is gone.
  expect(await settle(store, folder, false)).toEqual([
    { file: join(folder, 'intake', aside), reasons: [expect.stringContaining('UNIQUE constraint failed')] },
  ]);
  store.sqlite.prepare('UPDATE steps SET id = ? WHERE id = ?').run('step-moved', twin?.steps[0]?.id);
  expect(await settle(store, folder, false)).toEqual([{ file: join(folder, 'intake', aside), reasons: [] }]);
  expect(existsSync(join(folder, 'intake', aside))).toBe(false);
  expect(readTrajectory(store.db, open.trajectoryId)).toMatchObject({
    outcome: 'completed',
    steps: [{ action: 'half' }],
  });
});

test('what is left of a damaged file is settled line by line; the rest goes where that is asked for', async () => {
  const { folder, log, store } = await beside();
  const other = await holding(folder, 'BEGIN IMMEDIATE');
  const all = await answers(log, 3);
  await log.close();
  await other.release();
  mkdirSync(join(folder, 'intake'), { recursive: true });
  const [name = ''] = readdirSync(join(folder, 'intake'));
  const bytes = readFileSync(join(folder, 'intake', name));
  bytes[bytes.indexOf('question 1')] = 'Q'.charCodeAt(0);
  writeFileSync(join(folder, 'intake', name), bytes);
  await recoverAbandoned(store, folder);
  expect(there(store, all)).toBe(1);
  const [first] = await settle(store, folder, false);
  expect(first?.reasons.join()).toContain('is not as it was written');
  expect(there(store, all)).toBe(2);
  expect(verify(store.db).problems).toHaveLength(1);
  await settle(store, folder, true);
  expect([verify(store.db).problems, readdirSync(join(folder, 'intake'))]).toEqual([[], []]);
});
