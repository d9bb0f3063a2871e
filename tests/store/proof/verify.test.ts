import fc from 'fast-check';
import { expect, test } from 'vitest';

import { GYRE_POLICY } from '../../../src/core/learning/policy_name.js';
import { assistantMessage, type Message } from '../../../src/core/message.js';
import type { Store } from '../../../src/store/file/db.js';
import { decide } from '../../../src/store/learning/decisions.js';
import { saveVerdicts } from '../../../src/store/learning/verdicts.js';
import { type Report, verify } from '../../../src/store/proof/verify.js';
import { addFeedback } from '../../../src/store/read/feedback.js';
import { removeTrajectory } from '../../../src/store/read/remove.js';
import { answer, call, opened, type Opened, opening, system, user } from '../fixture.js';

/** A log with everything in it: hidden turns, follow-ups, token ids, feedback, verdicts, a decision, a deletion. */
async function full(conversations = 6): Promise<Opened> {
  const gyre = opened();
  for (let at = 0; at < conversations; at += 1) {
    const start: Message[] = [system('You calculate.'), user(`What is ${at} * 7?`)];
    const prompt = [1, 2, 3, at + 10];
    const first = await answer(gyre.log, opening(start, { metadata: { n: String(at) } }), [
      {
        text: 'Let me see. ',
        asks: [{ call: call(`c${at}`, `${at}*7`), gives: String(at * 7) }],
        prompt,
        ids: [7, 8, 9],
      },
      { text: `It is ${at * 7}.`, prompt: [...prompt, 7, 8, 9, 4, 4], ids: [5, 6] },
    ]);
    const second = await answer(gyre.log, opening([...start, first.turn, user('Sure?')]), [
      { text: 'Yes.', prompt: [...prompt, 7, 8, 9, 4, 4, 5, 6, 1], ids: [2] },
    ]);
    addFeedback(gyre.store.db, {
      responseId: second.opening.responseId,
      keyId: '',
      within: undefined,
      value: 1,
      step: 0,
      comment: `fine ${at}`,
    });
    saveVerdicts(
      gyre.store.db,
      first.steps.map((step, index) => ({
        id: `vrd-${at}-${index}`,
        subjectKind: 'step',
        subjectId: step.id,
        judge: 'rule',
        judgeVersion: '1',
        score: 0.5,
        good: true,
        rationale: 'right',
        createdAt: 1,
      })),
    );
    if (at === 2) removeTrajectory(gyre.store.db, GYRE_POLICY, first.recording.trajectoryId);
  }
  decide(gyre.store.db, GYRE_POLICY, {
    kind: 'gate',
    version: 1,
    against: 0,
    passed: true,
    reason: 'better',
    numbers: { difference: 0.5 },
  });
  return gyre;
}

test('an untouched log is in order, with what was deleted as known gaps', async () => {
  const gyre = await full();
  const seen: number[] = [];
  const report = verify(gyre.store.db, ({ done, total }) => seen.push(done / total));
  expect(report).toMatchObject({ ok: true, problems: [] });
  expect(report.counts).toMatchObject({
    trajectories: 6,
    steps: 18,
    responses: 12,
    feedback: 6,
    // Of judges, and of each rating on a step and on its answer.
    verdicts: 24,
    decisions: 1,
    deletions: 1,
  });
  expect(report.counts['messages']).toBeGreaterThan(30);
  expect(verify(gyre.store.db).ok).toBe(true);
});

const COVERED = [
  'messages',
  'tool_sets',
  'trajectories',
  'steps',
  'responses',
  'ledger',
  'feedback',
  'verdicts',
  'deletions',
  'decisions',
];

/** A message nobody refers to by number may have any: it is found by its parent and its hash. */
const isContent = (table: string, column: string): boolean => !(table === 'messages' && column === 'id');

type Cell = string | number | Buffer | null;

/** One bit of a cell the other way round; absent becomes present. */
function flipped(cell: Cell, bit: number): Cell {
  if (cell === null) return 'x';
  if (typeof cell === 'number') return cell === Math.trunc(cell) ? cell + (bit % 2 === 0 ? 1 : -1) : cell + 1;
  const bytes = Buffer.from(cell);
  if (bytes.length === 0) return typeof cell === 'string' ? 'x' : Buffer.from([0]);
  const at = Math.floor(bit / 7) % bytes.length;
  // Seven bits, so that text stays text.
  bytes[at] = (bytes[at] ?? 0) ^ (1 << (bit % 7));
  return typeof cell === 'string' ? bytes.toString() : bytes;
}

/** Runs `damage` and the proof, then takes the damage back. */
function proofAfter(store: Store, damage: () => void): Report {
  store.sqlite.exec('BEGIN');
  try {
    damage();
    return verify(store.db);
  } finally {
    store.sqlite.exec('ROLLBACK');
  }
}

test('a flipped bit in any column of any row of the log is found', async () => {
  const { store } = await full(4);
  const cells = COVERED.flatMap((table) => {
    const columns = (store.sqlite.pragma(`table_info(${table})`) as { name: string }[]).map((column) => column.name);
    return columns.filter((column) => isContent(table, column)).map((column) => ({ table, column }));
  });
  fc.assert(
    fc.property(fc.nat(), fc.nat(), fc.nat(1 << 20), (place, row, bit) => {
      const cell = cells[place % cells.length];
      if (cell === undefined) return;
      const { table, column } = cell;
      const ids = store.sqlite
        .prepare<[], { row: number; value: Cell }>(
          `SELECT rowid AS row, "${column}" AS value FROM ${table} ORDER BY rowid`,
        )
        .all();
      const victim = ids[row % ids.length];
      if (victim === undefined) throw new Error(`${table} is empty`);
      const value = flipped(victim.value, bit);
      const report = proofAfter(store, () =>
        store.sqlite.prepare(`UPDATE OR REPLACE ${table} SET "${column}" = ? WHERE rowid = ?`).run(value, victim.row),
      );
      expect(report.ok, `${table}.${column} of row ${victim.row}: ${String(victim.value)} -> ${String(value)}`).toBe(
        false,
      );
    }),
    { numRuns: 600, seed: 20261123 },
  );
  expect(verify(store.db).ok).toBe(true);
}, 120_000);

test('every single column of the covered tables is covered', async () => {
  const { store } = await full(3);
  for (const table of COVERED) {
    for (const { name } of store.sqlite.pragma(`table_info(${table})`) as { name: string }[]) {
      if (!isContent(table, name)) continue;
      const victim = store.sqlite
        .prepare<[], { row: number; value: Cell }>(
          `SELECT rowid AS row, "${name}" AS value FROM ${table} ORDER BY rowid DESC LIMIT 1`,
        )
        .get();
      const report = proofAfter(store, () =>
        store.sqlite
          .prepare(`UPDATE OR REPLACE ${table} SET "${name}" = ? WHERE rowid = ?`)
          .run(flipped(victim?.value ?? null, 8), victim?.row),
      );
      expect(report.ok, `${table}.${name}`).toBe(false);
    }
  }
});

test('a missing row of any table is found, the last one too', async () => {
  const { store } = await full(4);
  for (const table of COVERED) {
    const rowids = store.sqlite.prepare<[], { row: number }>(`SELECT rowid AS row FROM ${table} ORDER BY rowid`).all();
    for (const { row } of rowids) {
      expect(
        proofAfter(store, () => store.sqlite.prepare(`DELETE FROM ${table} WHERE rowid = ?`).run(row)).ok,
        `${table} without row ${row}`,
      ).toBe(false);
    }
  }
}, 120_000);

test('a tail cut off whole, ledger and rows together, is found', async () => {
  const { store } = await full(4);
  const report = proofAfter(store, () => {
    const last = store.sqlite
      .prepare<[], { seq: number; entries: string }>('SELECT seq, entries FROM ledger ORDER BY seq DESC LIMIT 1')
      .get();
    for (const [table, id] of JSON.parse(last?.entries ?? '[]') as [string, string, string][])
      store.sqlite.prepare(`DELETE FROM ${table} WHERE id = ?`).run(id);
    store.sqlite.prepare('DELETE FROM ledger WHERE seq = ?').run(last?.seq);
  });
  expect(report.problems.map((problem) => problem.table)).toContain('ledger');
});

test('rows that changed places are found', async () => {
  const { store } = await full(4);
  for (const [table, key, held] of [
    ['steps', 'seq', 'id'],
    ['steps', 'idx', 'id'],
    ['steps', 'id', 'seq'],
    ['ledger', 'seq', 'hash'],
    ['messages', 'id', 'hash'],
    ['verdicts', 'subject_id', 'id'],
    ['responses', 'id', 'created_at'],
  ] as const) {
    const pairs = store.sqlite
      .prepare<[], { row: number; value: Cell }>(
        `SELECT rowid AS row, "${key}" AS value FROM ${table} ORDER BY rowid DESC LIMIT 2`,
      )
      .all();
    const [a, b] = pairs;
    if (a === undefined || b === undefined) throw new Error(`${table} is too small`);
    const swap = (): void => {
      const put = store.sqlite.prepare(`UPDATE ${table} SET "${key}" = ? WHERE rowid = ?`);
      const byRow = key === 'seq' || (table === 'messages' && key === 'id');
      put.run(typeof a.value === 'number' ? -1 : 'elsewhere', a.row);
      put.run(a.value, b.row);
      put.run(b.value, byRow ? -1 : a.row);
    };
    expect(proofAfter(store, swap).ok, `${table} by ${key}, which holds ${held}`).toBe(false);
  }
});

test('two answers to the same question that changed places are found', async () => {
  const gyre = opened();
  const asked = [user('Heads or tails?')];
  const heads = await answer(gyre.log, opening(asked), [{ text: 'heads' }]);
  const tails = await answer(gyre.log, opening(asked), [{ text: 'tails' }]);
  expect([heads.turn, tails.turn]).toEqual([assistantMessage('heads', []), assistantMessage('tails', [])]);
  const report = proofAfter(gyre.store, () => {
    const [a, b] = gyre.store.sqlite
      .prepare<[], { id: number }>('SELECT id FROM messages ORDER BY id DESC LIMIT 2')
      .all();
    const move = gyre.store.sqlite.prepare<[number, number]>('UPDATE messages SET id = ? WHERE id = ?');
    move.run(999, a?.id ?? 0);
    move.run(a?.id ?? 0, b?.id ?? 0);
    move.run(b?.id ?? 0, 999);
  });
  expect(report.problems.length).toBeGreaterThan(0);
});

test('a row that came in by another way is found', async () => {
  const { store } = await full(3);
  for (const table of ['responses', 'feedback', 'verdicts', 'decisions']) {
    const columns = (store.sqlite.pragma(`table_info(${table})`) as { name: string }[]).map((column) => column.name);
    const unique = table === 'verdicts' ? new Set(['id', 'judge']) : new Set(['id']);
    const list = columns.map((column) => (unique.has(column) ? `"${column}" || '-forged'` : `"${column}"`)).join(', ');
    const report = proofAfter(store, () =>
      store.sqlite.exec(`INSERT INTO ${table} SELECT ${list} FROM ${table} LIMIT 1`),
    );
    expect(report.problems, table).toContainEqual(expect.objectContaining({ table, problem: 'is in no ledger row' }));
  }
});

test('a deletion does not excuse what it does not name', async () => {
  const { store } = await full(4);
  const report = proofAfter(store, () =>
    store.sqlite.exec(`DELETE FROM steps WHERE seq = (SELECT max(seq) FROM steps)`),
  );
  expect(report.problems).toContainEqual(
    expect.objectContaining({ table: 'steps', problem: 'missing: the ledger has its hash' }),
  );
});

test('damage so deep that a table cannot be read is a problem, not a crash', async () => {
  const { store } = await full(2);
  const report = proofAfter(store, () => store.sqlite.exec(`UPDATE ledger SET entries = '[[' WHERE seq = 1`));
  expect(report.problems).toContainEqual(expect.objectContaining({ table: 'ledger', id: '1' }));
});
