/**
 * Proof of the log: derives every hash again, from the ledger down to each message, and names what does
 * not agree. Reads in short pages and holds no snapshot, so that it may run beside a gateway that writes and
 * deletes; a row that seems missing is looked for once more before it is called so. Changes nothing.
 */
import { dirname } from 'node:path';

import type Database from 'better-sqlite3';

import { reasonOf } from '../../core/errors.js';
import { bodyHash } from '../../core/text/hash.js';
import type { Db } from '../file/db.js';
import { quarantinedIn } from '../intake/files.js';
import {
  contentHash,
  idColumn,
  isLedgered,
  LEDGERED,
  ledgeredShape,
  ledgerHash,
  MUST_BE_LEDGERED,
  type LedgerEntry,
  type LedgerRow,
  type LedgerTable,
} from '../file/ledger.js';
import type { SqlValue } from '../file/rows.js';
import { lostIn } from '../intake/acknowledged.js';
import { headsIn } from '../intake/heads.js';
import { AnswerTally } from './answer_tally.js';
import { contradicted } from './heads.js';
import { orphansIn } from './orphans.js';
import { Removed } from './removed.js';
import { STEP_REFS, type StepRefs } from './step_refs.js';
import { toolSetHash } from '../log/writer.js';

interface Problem {
  readonly table: string;
  readonly id: string;
  readonly problem: string;
}

export interface Report {
  readonly ok: boolean;
  /** Rows looked at, by table. */
  readonly counts: Readonly<Record<string, number>>;
  /** What the log no longer has because it was pruned. */
  readonly pruned: { readonly trajectories: number; readonly steps: number; readonly rows: number };
  /** At most {@link MOST_PROBLEMS}. */
  readonly problems: readonly Problem[];
}

export type OnProgress = (progress: { readonly table: string; readonly done: number; readonly total: number }) => void;

const MOST_PROBLEMS = 1_000;
const PAGE = 500;

export function verify(db: Db, onProgress: OnProgress = () => undefined): Report {
  const verification = new Verification(db, onProgress);
  try {
    return verification.run();
  } finally {
    verification.close();
  }
}

class Verification {
  readonly #sqlite: Database.Database;
  readonly #onProgress: OnProgress;
  readonly #problems: Problem[] = [];
  readonly #counts: Record<string, number> = {};
  #total = 0;
  #done = 0;
  /** The last ledger row that was read. */
  #last: Pick<LedgerRow, 'seq' | 'hash'> = { seq: 0, hash: '' };
  readonly #removed: Removed;
  readonly #answers = new AnswerTally();

  constructor(db: Db, onProgress: OnProgress) {
    this.#sqlite = db.$client;
    this.#onProgress = onProgress;
    // What the ledger names: in a temporary table, which SQLite moves to disk when it is large.
    this.#sqlite.exec(
      'CREATE TEMP TABLE ledgered (tbl TEXT NOT NULL, id TEXT NOT NULL, PRIMARY KEY (tbl, id)) WITHOUT ROWID',
    );
    this.#removed = new Removed(this.#sqlite, (table, look, id) => this.#guard(table, look, id));
  }

  close(): void {
    this.#sqlite.exec('DROP TABLE IF EXISTS temp.ledgered');
    this.#removed.close();
  }

  run(): Report {
    this.#guard('sqlite', () => this.#file());
    this.#guard('intake', () => this.#quarantined());
    this.#guard('ledger', () => {
      this.#total = ['ledger', 'messages', 'tool_sets', 'steps', ...Object.keys(LEDGERED)].reduce(
        (sum, table) => sum + this.#count(table),
        0,
      );
    });
    const heads = headsIn(dirname(this.#sqlite.name)); // before the rows that they know of
    this.#guard('ledger', () => this.#readLedger());
    this.#guard('ledger', () => this.#ledgerTail());
    this.#guard('heads', () => {
      for (const { file, problem } of contradicted(heads, { $client: this.#sqlite }, this.#answers))
        this.#report('heads', file, problem);
    });
    for (const table of MUST_BE_LEDGERED) this.#guard(table, () => this.#unledgered(table));
    this.#guard('deletions', () => this.#stillThere());
    this.#guard('messages', () => this.#messages());
    this.#guard('tool_sets', () => this.#toolSets());
    this.#guard('steps', () => this.#steps());
    this.#guard('trajectories', () => this.#places());
    this.#guard('responses', () => this.#responses());
    this.#guard('feedback', () => {
      for (const { table, id, problem } of orphansIn(this.#sqlite)) this.#report(table, id, problem);
    });
    return {
      ok: this.#problems.length === 0,
      counts: this.#counts,
      pruned: this.#removed.pruned,
      problems: this.#problems,
    };
  }

  /** SQLite's own account of pages, indexes and types. */
  #file(): void {
    for (const row of this.#sqlite.pragma('integrity_check(20)') as { readonly integrity_check: string }[]) {
      if (row.integrity_check !== 'ok') this.#report('sqlite', '', row.integrity_check);
    }
  }

  /** Recordings that could not be committed. */
  #quarantined(): void {
    for (const file of quarantinedIn(dirname(this.#sqlite.name)))
      this.#report('intake', file, 'something in it could not be committed');
    for (const { file, answers } of lostIn(dirname(this.#sqlite.name)))
      this.#report('heads', file, `at least ${answers} answers were acknowledged, and their intake is gone`);
  }

  /** Ledger rows not read so far: their own chain, and the content of every row they name. */
  #readLedger(): void {
    const page = this.#sqlite.prepare<[number], LedgerRow>(
      `SELECT seq, at, entries, prev, hash, writer, answers FROM ledger WHERE seq > ? ORDER BY seq LIMIT ${PAGE}`,
    );
    // All of a row at once: one by one they take as long as all the rest.
    const note = this.#sqlite.prepare<[string]>(
      `INSERT OR IGNORE INTO temp.ledgered SELECT value ->> 0, value ->> 1 FROM json_each(?)`,
    );
    this.#pages(
      'ledger',
      () => page.all(this.#last.seq),
      (row) => {
        if (row.seq !== this.#last.seq + 1)
          this.#report('ledger', String(this.#last.seq + 1), `missing: the next row is ${row.seq}`);
        else if (row.prev !== this.#last.hash)
          this.#report('ledger', String(row.seq), 'does not follow the row before it');
        if (ledgerHash(row) !== row.hash)
          this.#report('ledger', String(row.seq), 'its hash is not the hash of its content');
        this.#last = row;
        this.#guard(
          'ledger',
          () => {
            const entries = JSON.parse(row.entries) as LedgerEntry[];
            const lost = this.#answers.row(row, entries);
            if (lost !== undefined) this.#report('ledger', String(row.seq), lost);
            note.run(row.entries);
            for (const [table, id, hash] of entries) {
              if (isLedgered(table)) this.#entry(table, id, hash);
              else this.#report('ledger', String(row.seq), `names a table that is not kept: "${table}"`);
            }
          },
          String(row.seq),
        );
      },
    );
  }

  #entry(table: LedgerTable, id: string, hash: string): void {
    const shape = ledgeredShape(table);
    const values = this.#row(table).get(id);
    this.#seen(table);
    if (values === undefined) {
      if (!this.#removed.has(table, id)) this.#report(table, id, 'missing: the ledger has its hash');
      return;
    }
    const derived = contentHash(shape, values);
    const stored = shape.at('content_hash');
    if (derived !== hash) this.#report(table, id, 'its content is not what the ledger has the hash of');
    else if (stored >= 0 && values[stored] !== derived)
      this.#report(table, id, 'its content hash is not the hash of its content');
  }

  /** Ledger rows are numbered by SQLite, which remembers the last number it gave: a cut tail shows. */
  #ledgerTail(): void {
    const given = this.#sqlite.prepare<[], { seq: number }>(`SELECT seq FROM sqlite_sequence WHERE name = 'ledger'`);
    const before = given.get()?.seq ?? 0;
    this.#readLedger();
    if (before > this.#last.seq)
      this.#report('ledger', String(this.#last.seq + 1), `missing: ${before} rows were written`);
    const after = given.get()?.seq ?? 0;
    if (after < this.#last.seq)
      this.#report('ledger', String(this.#last.seq), `one row too many: ${after} were written`);
  }

  /** Rows that no ledger entry names: something other than Gyre has written them. */
  #unledgered(table: LedgerTable): void {
    const key = idColumn(table);
    const page = this.#sqlite.prepare<[string], { id: string }>(
      `SELECT x."${key}" AS id FROM "${table}" x WHERE x."${key}" > ? AND NOT EXISTS (SELECT 1 FROM ` +
        `temp.ledgered l WHERE l.tbl = '${table}' AND l.id = x."${key}") ORDER BY x."${key}" LIMIT ${PAGE}`,
    );
    const known = this.#sqlite.prepare<[string, string]>('SELECT 1 FROM temp.ledgered WHERE tbl = ? AND id = ?');
    let after = '';
    this.#pages(
      undefined,
      () => page.all(after),
      ({ id }) => {
        after = id;
        if (known.get(table, id) === undefined) this.#readLedger();
        if (known.get(table, id) === undefined && this.#row(table).get(id) !== undefined)
          this.#report(table, id, 'is in no ledger row');
      },
    );
  }

  #stillThere(): void {
    for (const { tbl, id } of this.#removed.all())
      if (isLedgered(tbl) && this.#row(tbl).get(id) !== undefined)
        this.#report(tbl, id, 'was deleted or pruned, and is there');
  }

  #messages(): void {
    const page = this.#sqlite.prepare<
      [number],
      { id: number; parent: number; hash: string; body: string; parentHash: string | null }
    >(
      'SELECT m.id, m.parent, m.hash, m.body, p.hash AS parentHash FROM messages m LEFT JOIN messages p ON ' +
        `p.id = m.parent WHERE m.id > ? ORDER BY m.id LIMIT ${PAGE}`,
    );
    let after = Number.MIN_SAFE_INTEGER;
    this.#pages(
      'messages',
      () => page.all(after),
      (row) => {
        after = row.id;
        if (row.parent !== 0 && row.parentHash === null)
          this.#report('messages', row.hash, 'the message before it is missing');
        else if (bodyHash(row.parentHash ?? '', row.body) !== row.hash)
          this.#report('messages', row.hash, 'its hash is not the hash of its content after the message before it');
      },
    );
  }

  #toolSets(): void {
    const page = this.#sqlite.prepare<[string], { hash: string; body: string }>(
      `SELECT hash, body FROM tool_sets WHERE hash > ? ORDER BY hash LIMIT ${PAGE}`,
    );
    let after = '';
    this.#pages(
      'tool_sets',
      () => page.all(after),
      (row) => {
        after = row.hash;
        if (toolSetHash(row.body) !== row.hash)
          this.#report('tool_sets', row.hash, 'its hash is not the hash of its content');
      },
    );
  }

  #steps(): void {
    const page = this.#sqlite.prepare<[number], StepRefs>(`${STEP_REFS} WHERE s.seq > ? ORDER BY s.seq LIMIT ${PAGE}`);
    let after = Number.MIN_SAFE_INTEGER;
    this.#pages(
      undefined,
      () => page.all(after),
      (row) => {
        after = row.seq;
        if (row.wrong !== null) this.#report('steps', row.id, row.wrong);
      },
    );
  }

  #places(): void {
    const page = this.#sqlite.prepare<
      [string],
      { id: string; steps: number; first: number | null; last: number | null }
    >(
      'SELECT t.id, count(s.idx) AS steps, min(s.idx) AS first, max(s.idx) AS last FROM trajectories t LEFT JOIN ' +
        `steps s ON s.trajectory_id = t.id WHERE t.id > ? GROUP BY t.id ORDER BY t.id LIMIT ${PAGE}`,
    );
    let after = '';
    this.#pages(
      undefined,
      () => page.all(after),
      (row) => {
        after = row.id;
        if (row.steps > 0 && (row.first !== 0 || row.last !== row.steps - 1))
          this.#report('trajectories', row.id, `its ${row.steps} steps are not numbered from 0 to ${row.steps - 1}`);
      },
    );
  }

  #responses(): void {
    const page = this.#sqlite.prepare<[string], { id: string; whole: 0 | 1 }>(
      'SELECT r.id, EXISTS (SELECT 1 FROM steps s WHERE s.trajectory_id = r.trajectory_id AND s.response_id = ' +
        `r.id) AS whole FROM responses r WHERE r.id > ? ORDER BY r.id LIMIT ${PAGE}`,
    );
    let after = '';
    this.#pages(
      undefined,
      () => page.all(after),
      (row) => {
        after = row.id;
        if (row.whole === 0) this.#report('responses', row.id, 'its steps are missing');
      },
    );
  }

  readonly #rows = new Map<LedgerTable, Database.Statement<[string], SqlValue[]>>();

  /** A row as the driver has it. */
  #row(table: LedgerTable): Database.Statement<[string], SqlValue[]> {
    let statement = this.#rows.get(table);
    if (statement === undefined) {
      statement = this.#sqlite
        .prepare<[string], SqlValue[]>(`${ledgeredShape(table).select} WHERE "${idColumn(table)}" = ?`)
        .raw();
      this.#rows.set(table, statement);
    }
    return statement;
  }

  /** Reads page after page until one is empty; rows of a named table are counted. */
  #pages<R>(table: string | undefined, next: () => readonly R[], look: (row: R) => void): void {
    for (let rows = next(); rows.length > 0; rows = next()) {
      for (const row of rows) {
        look(row);
        if (table !== undefined) this.#seen(table);
      }
    }
  }

  #seen(table: string): void {
    this.#counts[table] = (this.#counts[table] ?? 0) + 1;
    this.#done += 1;
    if (this.#done % PAGE === 0)
      this.#onProgress({ table, done: Math.min(this.#done, this.#total), total: this.#total });
  }

  #count(table: string): number {
    return this.#sqlite.prepare<[], { rows: number }>(`SELECT count(*) AS rows FROM "${table}"`).get()?.rows ?? 0;
  }

  /** What cannot even be read is a problem like any other. */
  #guard(table: string, look: () => void, id = ''): void {
    try {
      look();
    } catch (thrown) {
      this.#report(table, id, `cannot be read: ${reasonOf(thrown)}`);
    }
  }

  #report(table: string, id: string, problem: string): void {
    if (this.#problems.length < MOST_PROBLEMS) this.#problems.push({ table, id, problem });
  }
}
