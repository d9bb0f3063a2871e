/** What is not there any more, and may not be: the rows that deletions and prunings name. */
import type Database from 'better-sqlite3';

import { prunedIds } from '../file/prunings.js';

/** Calls with what cannot be read. */
type Guard = (table: string, look: () => void, id: string) => void;

const PAGE = 20;

export class Removed {
  /** How much the prunings name. */
  readonly pruned = { trajectories: 0, steps: 0, rows: 0 };
  readonly #sqlite: Database.Database;
  readonly #guard: Guard;
  readonly #note: Database.Statement<[string, string]>;
  readonly #noteAll: Database.Statement<[string, string]>;
  readonly #known: Database.Statement<[string, string]>;
  #lastDeletion = 0;
  #lastPruning = 0;

  /** The names are in a temporary table, which SQLite moves to disk when it is large. */
  constructor(sqlite: Database.Database, guard: Guard) {
    sqlite.exec('CREATE TEMP TABLE removed (tbl TEXT NOT NULL, id TEXT NOT NULL, PRIMARY KEY (tbl, id)) WITHOUT ROWID');
    this.#sqlite = sqlite;
    this.#guard = guard;
    this.#note = sqlite.prepare('INSERT OR IGNORE INTO temp.removed VALUES (?, ?)');
    this.#noteAll = sqlite.prepare('INSERT OR IGNORE INTO temp.removed SELECT ?, value FROM json_each(?)');
    this.#known = sqlite.prepare('SELECT 1 FROM temp.removed WHERE tbl = ? AND id = ?');
  }

  close(): void {
    this.#sqlite.exec('DROP TABLE IF EXISTS temp.removed');
  }

  /** A removal and its record are one commit: the record is there when the row is not. */
  has(table: string, id: string): boolean {
    if (this.#known.get(table, id) !== undefined) return true;
    this.read();
    return this.#known.get(table, id) !== undefined;
  }

  /** Those not read so far. */
  read(): void {
    this.#deletions();
    this.#prunings();
  }

  /** Every name, in pages. */
  *all(): Generator<{ readonly tbl: string; readonly id: string }> {
    this.read();
    const page = this.#sqlite.prepare<[string, string], { tbl: string; id: string }>(
      'SELECT tbl, id FROM temp.removed WHERE (tbl, id) > (?, ?) ORDER BY tbl, id LIMIT 500',
    );
    for (let rows = page.all('', ''); rows.length > 0;) {
      yield* rows;
      const last = rows.at(-1);
      rows = page.all(last?.tbl ?? '', last?.id ?? '');
    }
  }

  #deletions(): void {
    const page = this.#sqlite.prepare<[number], { rowid: number; id: string; rows: string }>(
      `SELECT rowid, id, rows FROM deletions WHERE rowid > ? ORDER BY rowid LIMIT ${PAGE}`,
    );
    for (let rows = page.all(this.#lastDeletion); rows.length > 0; rows = page.all(this.#lastDeletion))
      for (const row of rows) {
        this.#lastDeletion = row.rowid;
        const note = (): void => {
          for (const [table, id] of JSON.parse(row.rows) as [string, string][]) this.#note.run(table, id);
        };
        this.#guard('deletions', note, row.id);
      }
  }

  #prunings(): void {
    const page = this.#sqlite.prepare<[number], { rowid: number; id: string; rows: Buffer; rowsHash: string }>(
      `SELECT rowid, id, rows, rows_hash AS rowsHash FROM prunings WHERE rowid > ? ORDER BY rowid LIMIT ${PAGE}`,
    );
    for (let rows = page.all(this.#lastPruning); rows.length > 0; rows = page.all(this.#lastPruning))
      for (const row of rows) {
        this.#lastPruning = row.rowid;
        this.#guard('prunings', () => this.#pruning(row), row.id);
      }
  }

  #pruning(row: Parameters<typeof prunedIds>[0]): void {
    for (const [table, ids] of prunedIds(row)) {
      this.#noteAll.run(table, JSON.stringify(ids));
      this.pruned.rows += ids.length;
      if (table === 'trajectories' || table === 'steps') this.pruned[table] += ids.length;
    }
  }
}
