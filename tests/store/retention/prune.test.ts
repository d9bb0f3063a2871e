import { fileURLToPath } from 'node:url';
import { statSync } from 'node:fs';

import { expect, test } from 'vitest';

import { newId } from '../../../src/core/ids.js';
import { GYRE_POLICY } from '../../../src/core/learning/policy_name.js';
import type { Message } from '../../../src/core/message.js';
import type { Retention } from '../../../src/core/config.js';
import { decide } from '../../../src/store/learning/decisions.js';
import { saveVerdicts } from '../../../src/store/learning/verdicts.js';
import { saveVersion } from '../../../src/store/learning/versions.js';
import { verify } from '../../../src/store/proof/verify.js';
import { addFeedback } from '../../../src/store/read/feedback.js';
import { readTrajectory } from '../../../src/store/read/trajectories.js';
import { DAY_MS, type Pruned, Pruner } from '../../../src/store/retention/prune.js';
import { openPruning } from '../../../src/store/retention/pruning.js';
import { compact, freeBytes, shrink, usedBytes } from '../../../src/store/retention/shrink.js';
import {
  answer,
  type Answered,
  call,
  opened,
  type Opened,
  opening,
  system,
  temporaryFolder,
  user,
} from '../fixture.js';

const NOW = Date.now();
const YES: Message = { role: 'assistant', content: 'Yes.' };
const ids = (length: number): number[] => Array.from({ length }, (_, at) => at + 1);

/** A conversation of so many days ago: a tool call, an answer and a follow-up, each step judged. */
async function conversation(
  { log, store }: Opened,
  daysAgo: number,
  words = `of ${daysAgo} days ago`,
  keyId = '',
): Promise<Answered> {
  const at = NOW - daysAgo * DAY_MS;
  const asker = { keyId, consent: true };
  const start: Message[] = [system('You calculate.'), user(words)];
  const first = await answer(log, opening(start, { at, asker }), [
    { text: '', asks: [{ call: call(newId('call'), '6*7'), gives: '42' }], prompt: ids(60), ids: [1, 2] },
    { text: 'It is 42.', prompt: ids(70), ids: [3] },
  ]);
  await answer(log, opening([...start, first.turn, user('Sure?')], { at: at + 1000, asker }), [{ text: 'Yes.' }]);
  saveVerdicts(
    store.db,
    first.steps.map((step) => ({
      id: newId('vrd'),
      subjectKind: 'step',
      subjectId: step.id,
      judge: 'rule',
      judgeVersion: '1',
      rationale: 'right',
      createdAt: at,
    })),
  );
  return first;
}

function prune({ store }: Opened, retention: Partial<Retention>, now = NOW): Pruned {
  const pruner = new Pruner(store.db, { keep: [], ...retention }, () => now);
  let sum: Pruned = { trajectories: 0, steps: 0, batches: 0 };
  for (let part = pruner.slice(); part !== undefined; part = pruner.slice())
    sum = {
      trajectories: sum.trajectories + part.trajectories,
      steps: sum.steps + part.steps,
      batches: sum.batches + part.batches,
    };
  return sum;
}

const idsOf = ({ store }: Opened): string[] =>
  store.sqlite
    .prepare<[], { id: string }>('SELECT id FROM trajectories ORDER BY id DESC LIMIT 100')
    .all()
    .map(({ id }) => id);
const rows = ({ store }: Opened, table: string): number =>
  store.sqlite.prepare<[], { rows: number }>(`SELECT count(*) AS rows FROM ${table}`).get()?.rows ?? 0;

test('what is older goes with all that belongs to it, the rest stays, and verify says what was pruned', async () => {
  const gyre = opened();
  for (const days of [50, 40, 31]) await conversation(gyre, days);
  const young = await conversation(gyre, 29);
  const retention = { days: 30, keep: [] };
  expect(new Pruner(gyre.store.db, retention, () => NOW).preview()).toEqual({ trajectories: 3, steps: 9, batches: 0 });
  expect(idsOf(gyre)).toHaveLength(4); // to look changes nothing
  expect(prune(gyre, retention)).toEqual({ trajectories: 3, steps: 9, batches: 0 });
  expect(idsOf(gyre)).toEqual([young.recording.trajectoryId]);
  expect([rows(gyre, 'steps'), rows(gyre, 'responses'), rows(gyre, 'verdicts')]).toEqual([3, 2, 2]);
  const report = verify(gyre.store.db);
  expect(report.problems).toEqual([]);
  expect(report.pruned).toEqual({ trajectories: 3, steps: 9, rows: 3 * (1 + 3 + 2 + 2) });
  expect(prune(gyre, retention)).toEqual({ trajectories: 0, steps: 0, batches: 0 });
  // The words are gone, but for those that a younger conversation has, too.
  const bodies = gyre.store.sqlite.prepare<[], { body: string }>('SELECT body FROM messages').all();
  expect(bodies.filter(({ body }) => body.includes('of 31 days ago'))).toEqual([]);
  expect(readTrajectory(gyre.store.db, young.recording.trajectoryId)?.steps).toHaveLength(3);
});

test('a row that is missing and was not pruned is still named, and so is a pruned one that is there', async () => {
  const gyre = opened();
  const old = await conversation(gyre, 50);
  const young = await conversation(gyre, 1);
  const back = gyre.store.sqlite.prepare<[string], Record<string, unknown>>('SELECT * FROM responses WHERE id = ?');
  const row = back.get(old.opening.responseId) ?? {};
  prune(gyre, { days: 30 });
  gyre.store.sqlite
    .prepare(
      `INSERT INTO responses VALUES (${Object.keys(row)
        .map(() => '?')
        .join(', ')})`,
    )
    .run(...Object.values(row));
  gyre.store.sqlite.prepare('DELETE FROM verdicts WHERE subject_id = ?').run(young.steps[0]?.id);
  const { problems } = verify(gyre.store.db);
  expect(problems.map(({ table, problem }) => `${table}: ${problem}`)).toEqual(
    expect.arrayContaining([
      'verdicts: missing: the ledger has its hash',
      'responses: was deleted or pruned, and is there',
    ]),
  );
});

test('a pruning that was altered or removed is named', async () => {
  const gyre = opened();
  await conversation(gyre, 50);
  prune(gyre, { days: 30 });
  gyre.store.sqlite.exec(`UPDATE prunings SET reason = 'because'`);
  expect(verify(gyre.store.db).problems).toMatchObject([{ table: 'prunings' }]);
  gyre.store.sqlite.exec('DELETE FROM prunings');
  const tables = new Set(verify(gyre.store.db).problems.map(({ table }) => table));
  expect([...tables].sort()).toEqual(['prunings', 'responses', 'steps', 'trajectories', 'verdicts']);
});

test('what has feedback stays where labelled is kept', async () => {
  const gyre = opened();
  const rated = await conversation(gyre, 50, 'rated');
  await conversation(gyre, 49, 'not rated');
  addFeedback(gyre.store.db, { responseId: rated.opening.responseId, keyId: '', within: undefined, value: 1 });
  expect(prune(gyre, { days: 30, keep: ['labelled'] }).trajectories).toBe(1);
  expect(idsOf(gyre)).toEqual([rated.recording.trajectoryId]);
  expect(prune(gyre, { days: 30 }).trajectories).toBe(1);
  expect(rows(gyre, 'feedback')).toBe(0);
  expect(verify(gyre.store.db).problems).toEqual([]);
});

test('what promoted versions, and those they came from, learned from stays where promoted is kept', async () => {
  const gyre = opened();
  const { db, sqlite } = gyre.store;
  const learned: string[] = [];
  for (const version of [1, 2, 3]) {
    const { recording, steps } = await conversation(gyre, 60 - version);
    learned.push(recording.trajectoryId);
    const body = JSON.stringify({ tree: { tokens: [7], parent: [-1] }, actions: [], counts: {} });
    sqlite
      .prepare(`INSERT INTO batches VALUES (?, ?, 'applied', ?, ?, ?, '', 1, 1, NULL, 'gyre')`)
      .run(`bat-${version}`, `cyc-${version}`, version - 1, version, body);
    sqlite
      .prepare(`INSERT INTO batch_items VALUES (?, ?, ?, 1, 'gyre')`)
      .run(`bat-${version}`, `smp-${version}`, steps[0]?.id);
    saveVersion(db, GYRE_POLICY, {
      version,
      kind: 'trained',
      parent: version === 3 ? 2 : version - 1,
      batchId: `bat-${version}`,
      metrics: {},
      createdAt: NOW,
    });
  }
  decide(db, GYRE_POLICY, { kind: 'promotion', version: 2, against: 0, passed: true, reason: 'better', numbers: {} });
  expect(prune(gyre, { days: 30, keep: ['promoted'] })).toEqual({ trajectories: 1, steps: 3, batches: 0 });
  expect(idsOf(gyre)).toEqual([learned[1], learned[0]]);
  const notes = sqlite.prepare('SELECT id, note FROM batches ORDER BY id').all();
  expect(notes).toEqual([
    { id: 'bat-1', note: '' },
    { id: 'bat-2', note: '' },
    { id: 'bat-3', note: 'emptied: a trajectory in it was pruned' },
  ]);
  expect(prune(gyre, { days: 30, keep: ['trained'] }).trajectories).toBe(0);
});

test('nothing that a running cycle or a batch on its way needs is pruned', async () => {
  const gyre = opened();
  const { sqlite } = gyre.store;
  const claimed = await conversation(gyre, 50, 'claimed');
  const sent = await conversation(gyre, 49, 'sent');
  sqlite.exec(
    `INSERT INTO cycles VALUES ('cyc-1', 'running', 'filter', 'resample', 'none', 0, '{}', '', 1, 1, 'gyre')`,
  );
  sqlite
    .prepare(`INSERT INTO cycle_steps (step_id, mode, cycle_id) VALUES (?, 'resample', 'cyc-1')`)
    .run(claimed.steps[0]?.id);
  sqlite.exec(`INSERT INTO batches VALUES ('bat-1', 'cyc-0', 'sent', 0, 1, '{}', '', 1, 1, NULL, 'gyre')`);
  sqlite.prepare(`INSERT INTO batch_items VALUES ('bat-1', 'smp-1', ?, 1, 'gyre')`).run(sent.steps[0]?.id);
  expect(prune(gyre, { days: 30 }).trajectories).toBe(0);
  sqlite.exec(`UPDATE cycles SET state = 'done'; UPDATE batches SET state = 'failed', note = 'emptied: x'`);
  expect(prune(gyre, { days: 30 }).trajectories).toBe(2);
});

test('a conversation that goes on is as old as its newest answer', async () => {
  const gyre = opened();
  const old = await conversation(gyre, 50);
  const asked = [...old.opening.messages, old.turn, user('Sure?'), YES];
  await answer(gyre.log, opening([...asked, user('Really?')], { at: NOW - DAY_MS }), [{ text: 'Really.' }]);
  expect(prune(gyre, { days: 30 }).trajectories).toBe(0);
});

test('a trajectory in which a gateway records just now stays', async () => {
  const gyre = opened();
  const old = await conversation(gyre, 50);
  const asked = [...old.opening.messages, old.turn, user('Sure?'), YES];
  const recording = gyre.log.open(opening([...asked, user('Really?')], { at: NOW }));
  expect(recording.continued).toBe(true);
  expect(prune(gyre, { days: 30 }).trajectories).toBe(0);
  const late = await answer({ ...gyre.log, open: () => recording }, opening([user('x')]), [{ text: 'Really.' }]);
  expect(late.kept).toBe(true);
  expect(idsOf(gyre)).toHaveLength(1);
});

test('what is recorded while its trajectory is pruned all the same is not logged, not even half', async () => {
  // As where the file cannot be read in which gateways tell each other what they record.
  const gyre = opened(temporaryFolder(), { answers: false });
  const old = await conversation(gyre, 50);
  const asked = [...old.opening.messages, old.turn, user('Sure?'), YES];
  const recording = gyre.log.open(opening([...asked, user('Really?')], { at: NOW }));
  expect(recording.continued).toBe(true);
  expect(prune(gyre, { days: 30 }).trajectories).toBe(1);
  const late = await answer({ ...gyre.log, open: () => recording }, opening([user('x')]), [{ text: 'Really.' }]);
  expect(late.kept).toBe(false);
  expect([rows(gyre, 'steps'), rows(gyre, 'messages')]).toEqual([0, 0]);
  expect(verify(gyre.store.db).problems).toEqual([]);
});

test('a step without consent stays for as long as another trajectory goes on from it', async () => {
  const gyre = opened();
  const at = NOW - 50 * DAY_MS;
  const start = [user('Keep this to yourself.')];
  const first = await answer(gyre.log, opening(start, { at, asker: { keyId: '', consent: false } }), [
    { text: 'I do.' },
  ]);
  const on = [...start, first.turn];
  for (const [n, words] of ['And now?', 'Or so?'].entries())
    await answer(gyre.log, opening([...on, user(words)], { at: NOW - (40 - 38 * n) * DAY_MS }), [{ text: 'Well.' }]);
  // The first follow-up is in the same trajectory; the second is a branch, and young.
  expect(idsOf(gyre)).toHaveLength(2);
  expect(prune(gyre, { days: 30 }).trajectories).toBe(0);
  expect(prune(gyre, { days: 30 }, NOW + 29 * DAY_MS).trajectories).toBe(1);
  expect(prune(gyre, { days: 30 }, NOW + 29 * DAY_MS).trajectories).toBe(1);
  expect(verify(gyre.store.db).problems).toEqual([]);
});

test('a log that is too large loses its oldest until it is small enough, but nothing of the last hour', async () => {
  const gyre = opened();
  const long = 'word '.repeat(20_000);
  for (const days of [5, 4, 3, 2, 0]) await conversation(gyre, days, `${days} ${long}`);
  const used = usedBytes(gyre.store.db);
  const gib = (used - 150_000) / 1024 ** 3;
  expect(prune(gyre, { gib }).trajectories).toBe(2);
  expect(usedBytes(gyre.store.db)).toBeLessThan(used - 150_000);
  expect(prune(gyre, { gib: 1e-6 }).trajectories).toBe(2);
  expect(idsOf(gyre)).toHaveLength(1);
});

test('what is free is given back to the disk, of a file of an earlier version once it was written anew', async () => {
  const gyre = opened();
  const long = 'word '.repeat(20_000);
  for (const days of [50, 49, 48]) await conversation(gyre, days, `${days} ${long}`);
  const { store } = gyre;
  const size = (): number => {
    store.sqlite.pragma('wal_checkpoint(TRUNCATE)');
    return statSync(store.file).size;
  };
  const before = size();
  prune(gyre, { days: 30 });
  while (shrink(store.db, 0));
  expect(size()).toBeLessThan(before - 250_000);
  expect(freeBytes(store.db)).toBe(0);

  store.sqlite.pragma('auto_vacuum = NONE');
  store.sqlite.exec('VACUUM'); // as a file of an earlier version is
  await conversation(gyre, 50, long);
  prune(gyre, { days: 30 });
  expect(shrink(store.db, 0)).toBe(false);
  const kept = size();
  compact(store.db);
  expect(size()).toBeLessThan(kept - 80_000);
  await conversation(gyre, 50, long);
  prune(gyre, { days: 30 });
  expect(shrink(store.db, 0)).toBe(true);
  expect(verify(store.db).problems).toEqual([]);
});

test('a thread prunes beside a log that goes on, and ends when it is told to', async () => {
  const folder = temporaryFolder();
  const gyre = opened(folder);
  for (let n = 0; n < 40; n += 1) await conversation(gyre, 50, `old ${n}`);
  const told: Pruned[] = [];
  const failed: string[] = [];
  let ended: () => void = () => undefined;
  const done = new Promise<void>((resolve) => (ended = resolve));
  const pruning = openPruning({
    dataDir: folder,
    retention: { days: 30, keep: [] },
    everyMs: 50,
    module: fileURLToPath(new URL('../../../dist/src/store/retention/prune_worker.js', import.meta.url)),
    pruned: (part) => {
      told.push(part);
      ended();
    },
    failed: (reason) => {
      failed.push(reason);
      ended();
    },
  });
  const answers: boolean[] = [];
  let going = true;
  void done.then(() => (going = false));
  for (let n = 0; going; n += 1) answers.push((await conversation(gyre, 0, `new ${n}`)).kept);
  await pruning.stop();
  expect(failed).toEqual([]);
  expect(told).toEqual([{ trajectories: 40, steps: 120, batches: 0 }]);
  expect(answers.every(Boolean)).toBe(true);
  expect(idsOf(gyre)).toHaveLength(Math.min(100, answers.length));
  expect(verify(gyre.store.db).problems).toEqual([]);
});

test('a clock that is far ahead prunes nothing, whatever was said since; a person may say it is right', async () => {
  const gyre = opened();
  for (const daysAgo of [10, 5, 0]) await conversation(gyre, daysAgo);
  const later = NOW + 14 * 365 * DAY_MS;
  const retention = { days: 7, keep: [] };
  const ahead = new Pruner(gyre.store.db, retention, () => later);
  expect(ahead.doubt).toMatch(/^the clock says 20\d\d-\d\d-\d\d, .*gyre prune --days 7$/);
  expect(prune(gyre, { days: 7 }, later).trajectories).toBe(0);
  // One conversation by that clock does not make it right.
  await conversation(gyre, -14 * 365);
  expect(prune(gyre, { days: 7 }, later).trajectories).toBe(0);
  expect(prune(gyre, { days: 7 }, NOW).trajectories).toBe(1);
  const sure = new Pruner(gyre.store.db, retention, () => later, true);
  expect(sure.doubt).toBeUndefined();
  expect(sure.slice()?.trajectories).toBe(2);
});
