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
const OWN_START = processOf(process.pid)?.startTime ?? '';

export class OpenRecordings {
  readonly #log = randomUUID();
  readonly #open = new Set<string>();
  /** Those the others are told of, and those they are to be told are over once everything is committed. */
  readonly #told = new Set<string>();
  readonly #over = new Set<string>();
  /** Those that the open transaction has written to. */
  readonly #written = new Set<string>();
  readonly #file: string;
  readonly #failed: (reason: unknown) => void;
  /** Null where there are no others: in a log that answers nobody, or where the database cannot be used. */
  #others: Statements | null | undefined;

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
    const taken = this.#ask((others) => others.take(trajectoryId, this.#log)) ?? true;
    if (!taken) return false;
    this.#told.add(trajectoryId);
    this.#over.delete(trajectoryId);
    if (isFree()) return true;
    this.#tell(trajectoryId);
    return false;
  }

  /** Also for one that has ended in a transaction that was rolled back. */
  opened(trajectoryId: string): void {
    this.#open.add(trajectoryId);
    this.#over.delete(trajectoryId);
  }

  /** Inside a transaction: a step is written, and its trajectory becomes visible to others. */
  wrote(trajectoryId: string): void {
    if (!this.#told.has(trajectoryId)) this.#written.add(trajectoryId);
  }

  /** The recording is over, as soon as everything is committed. */
  ended(trajectoryId: string): void {
    this.#open.delete(trajectoryId);
    this.#written.delete(trajectoryId);
    if (this.#told.has(trajectoryId)) this.#over.add(trajectoryId);
  }

  /** The last thing inside a transaction. Of a recording that began and ended in it nobody need be told. */
  end(): void {
    for (const id of this.#written) {
      this.#ask((others) => others.take(id, this.#log));
      this.#told.add(id);
    }
    this.#written.clear();
  }

  settled(committed: boolean): void {
    this.#written.clear();
    if (!committed) return;
    for (const id of this.#over) this.#tell(id);
    this.#over.clear();
  }

  /** The others, that it is over. */
  #tell(trajectoryId: string): void {
    this.#ask((others) => others.leave(trajectoryId, this.#log));
    this.#told.delete(trajectoryId);
  }

  /** Undefined where nobody can be asked: the log does not fail for it. */
  #ask<T>(question: (others: Statements) => T): T | undefined {
    if (this.#others === null) return undefined;
    try {
      return question((this.#others ??= openStatements(this.#file)));
    } catch (thrown) {
      if (!isPassing(thrown)) this.#others = null;
      this.#failed(thrown);
      return undefined;
    }
  }

  /**
   * Opens the database before anybody asks, and forgets what processes that are gone were recording, and what a log of
   * this process was that is gone.
   */
  begin(): void {
    this.#ask((others) => others.forgetAbandoned());
  }
}

interface Statements {
  /** False where a living log has it. */
  take(trajectoryId: string, log: string): boolean;
  leave(trajectoryId: string, log: string): void;
  forgetAbandoned(): void;
}

function openStatements(file: string): Statements {
  const db = new Database(file, { timeout: PATIENCE_MS });
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
  const take = db.transaction((trajectoryId: string, log: string) => {
    const held = holder.get(trajectoryId);
    if (held !== undefined && held.log !== log && alive(held)) return false;
    insert.run(trajectoryId, process.pid, OWN_START, log);
    return true;
  });
  return {
    take: (trajectoryId, log) => take.immediate(trajectoryId, log),
    leave: (trajectoryId, log) => void remove.run(trajectoryId, log),
    forgetAbandoned() {
      for (const row of all.all()) if (row.pid === process.pid || !alive(row)) remove.run(row.id, row.log);
    },
  };
}
