/**
 * Which trajectories have a response that is being recorded: to continue one of them is a branch. What this log records
 * it knows by itself. What other gateways of the data folder record is in a small database beside the log: to ask it
 * never waits for whoever writes the log, and nothing in it outlives the processes that it names.
 */
import { randomUUID } from 'node:crypto';
import { dirname, join } from 'node:path';

import Database from 'better-sqlite3';

import { alive, processOf } from '../../core/running/process.js';
import { isPassing } from '../file/passing.js';

interface Row {
  readonly pid: number;
  readonly startTime: string;
  readonly log: string;
}

const FILE = 'recordings.db';
const PATIENCE_MS = 1_000;
/** While the log's own lock is held, which everybody else waits for. */
const HURRIED_MS = 100;
/** So long nobody is asked after somebody has held the database for longer than that. */
const PAUSE_MS = 5_000;
const OWN_START = processOf(process.pid)?.startTime ?? '';

export class OpenRecordings {
  readonly #log = randomUUID();
  readonly #open = new Set<string>();
  /** Those the others are told of; of these, those that are over, and those they are to be told are over. */
  readonly #told = new Set<string>();
  readonly #over = new Set<string>();
  readonly #leaving = new Set<string>();
  /** Those that the open transaction has written to, and those that others could not be told of. */
  readonly #written = new Set<string>();
  readonly #untold = new Set<string>();
  readonly #file: string;
  readonly #failed: (reason: unknown) => void;
  /** Null where there are no others: in a log that answers nobody, or where the database cannot be used. */
  #others: Statements | null | undefined;
  /** Set while nobody is asked. */
  #pause: NodeJS.Timeout | undefined;

  /** `storeFile` is the database of the log. */
  constructor(storeFile: string, answers: boolean, failed: (reason: unknown) => void) {
    this.#file = join(dirname(storeFile), FILE);
    this.#failed = failed;
    if (!answers) this.#others = null;
  }

  /**
   * Takes a trajectory to continue it, where nobody records in it; `isFree` is asked once nobody else can. False where
   * somebody does.
   */
  take(trajectoryId: string, isFree: () => boolean): boolean {
    if (this.#open.has(trajectoryId)) return false;
    const taken = this.#ask(PATIENCE_MS, (others) => others.take([trajectoryId], this.#log)[0] === true);
    if (taken === false) return false;
    if (taken === undefined) this.#untold.add(trajectoryId);
    else this.#told.add(trajectoryId);
    this.#goesOn(trajectoryId);
    if (isFree()) return true;
    this.#untold.delete(trajectoryId);
    if (taken === true) this.#leaving.add(trajectoryId);
    this.#leave();
    return false;
  }

  /** Also for one that has ended in a transaction that was rolled back. */
  opened(trajectoryId: string): void {
    this.#open.add(trajectoryId);
    this.#goesOn(trajectoryId);
  }

  #goesOn(trajectoryId: string): void {
    this.#over.delete(trajectoryId);
    this.#leaving.delete(trajectoryId);
  }

  /** Inside a transaction: a step is written, and its trajectory becomes visible to others. */
  wrote(trajectoryId: string): void {
    if (!this.#told.has(trajectoryId)) this.#written.add(trajectoryId);
  }

  /** The recording is over, as soon as everything is committed. */
  ended(trajectoryId: string): void {
    this.#open.delete(trajectoryId);
    this.#written.delete(trajectoryId);
    this.#untold.delete(trajectoryId);
    if (this.#told.has(trajectoryId)) this.#over.add(trajectoryId);
  }

  /** The last thing inside a transaction. Of a recording that began and ended in it nobody need be told. */
  end(): void {
    for (const id of this.#written) this.#untold.add(id);
    this.#written.clear();
    if (this.#untold.size === 0) return;
    if (this.#ask(HURRIED_MS, (others) => others.take([...this.#untold], this.#log)) === undefined) return;
    for (const id of this.#untold) this.#told.add(id);
    this.#untold.clear();
  }

  settled(committed: boolean): void {
    this.#written.clear();
    if (!committed) return;
    for (const id of this.#over) this.#leaving.add(id);
    this.#over.clear();
    this.#leave();
  }

  #leave(): void {
    if (this.#leaving.size === 0) return;
    const told = this.#ask(PATIENCE_MS, (others) => {
      others.leave([...this.#leaving], this.#log);
      return true;
    });
    if (told === undefined) return;
    for (const id of this.#leaving) this.#told.delete(id);
    this.#leaving.clear();
  }

  /**
   * Undefined where nobody can be asked: the log does not fail for it. One that waits for whoever holds the database
   * would hold up every writer of the log once for each question; what could not be told is told later.
   */
  #ask<T>(patienceMs: number, question: (others: Statements) => T): T | undefined {
    if (this.#others === null || this.#pause !== undefined) return undefined;
    try {
      const others = (this.#others ??= openStatements(this.#file));
      others.patience(patienceMs);
      return question(others);
    } catch (thrown) {
      if (isPassing(thrown)) this.#pause = setTimeout(() => this.#goOn(), PAUSE_MS).unref();
      else this.#others = null;
      this.#failed(thrown);
      return undefined;
    }
  }

  #goOn(): void {
    this.#pause = undefined;
    this.#leave();
  }

  /**
   * Opens the database before anybody asks, and forgets what processes that are gone were recording, and what a log of
   * this process was that is gone.
   */
  begin(): void {
    this.#ask(PATIENCE_MS, (others) => others.forgetAbandoned());
  }
}

interface Statements {
  /** How long each of the others waits for whoever holds the database. */
  patience(milliseconds: number): void;
  /** For each false where a living log has it. */
  take(trajectoryIds: readonly string[], log: string): readonly boolean[];
  leave(trajectoryIds: readonly string[], log: string): void;
  forgetAbandoned(): void;
}

function openStatements(file: string): Statements {
  const db = new Database(file, { timeout: HURRIED_MS });
  // What is in it need not survive anything: it costs no writing to the disk.
  db.pragma('journal_mode = MEMORY');
  db.pragma('synchronous = OFF');
  db.exec(
    'CREATE TABLE IF NOT EXISTS recordings (trajectory_id TEXT PRIMARY KEY, pid INTEGER NOT NULL, ' +
      'start_time TEXT NOT NULL, log TEXT NOT NULL) WITHOUT ROWID',
  );
  const holder = db.prepare<[string], Row>(
    'SELECT pid, start_time AS startTime, log FROM recordings WHERE trajectory_id = ?',
  );
  const all = db.prepare<[], Row & { readonly id: string }>(
    'SELECT trajectory_id AS id, pid, start_time AS startTime, log FROM recordings',
  );
  const insert = db.prepare<[string, number, string, string]>('INSERT OR REPLACE INTO recordings VALUES (?, ?, ?, ?)');
  const remove = db.prepare<[string, string]>('DELETE FROM recordings WHERE trajectory_id = ? AND log = ?');
  const take = db.transaction((trajectoryIds: readonly string[], log: string) =>
    trajectoryIds.map((id) => {
      const held = holder.get(id);
      if (held !== undefined && held.log !== log && alive(held)) return false;
      insert.run(id, process.pid, OWN_START, log);
      return true;
    }),
  );
  const leave = db.transaction((trajectoryIds: readonly string[], log: string) => {
    for (const id of trajectoryIds) remove.run(id, log);
  });
  const forgetAbandoned = db.transaction(() => {
    for (const row of all.all()) if (row.pid === process.pid || !alive(row)) remove.run(row.id, row.log);
  });
  let patience = HURRIED_MS;
  return {
    patience(milliseconds) {
      if (milliseconds !== patience) db.pragma(`busy_timeout = ${(patience = milliseconds)}`);
    },
    take: (trajectoryIds, log) => take.immediate(trajectoryIds, log),
    leave: (trajectoryIds, log) => leave.immediate(trajectoryIds, log),
    forgetAbandoned: () => forgetAbandoned.immediate(),
  };
}
