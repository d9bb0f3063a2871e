/**
 * A backup: one file, which is the log as it was at one moment, and beside its tables every other file that is needed
 * to go on. Taken while gateways run: what they had acknowledged by then is in the log or in their intakes, which are
 * read first.
 */
import { createHash } from 'node:crypto';
import {
  closeSync,
  copyFileSync,
  existsSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { dirname, join } from 'node:path';

import Database from 'better-sqlite3';

import { operatorError, reasonOf } from '../../core/errors.js';
import { judgeAdapterName } from '../../core/judging/learned.js';
import { pathsIn } from '../intake/files.js';
import { over, type Store } from '../file/db.js';
import { judgesWithAdapters } from '../judges/judge_versions.js';
import { policiesIn } from '../learning/versions.js';
import { keptWeights } from '../learning/weights.js';
import { partsOf } from './parts.js';

export const FORMAT = 'gyre.backup/1';
/** A row's: SQLite has a bound for one, and so has our memory. */
const CHUNK_BYTES = 8 * 1024 * 1024;

export interface BackedUp {
  readonly file: string;
  readonly bytes: number;
  readonly steps: number;
  /** Answers that were not in the database yet. */
  readonly intakeFiles: number;
  readonly files: number;
  /** Versions whose weights are needed and lie elsewhere. */
  readonly missing: readonly number[];
}

export interface BackupOptions {
  /** False leaves weights and the trainer's state out. */
  readonly weights: boolean;
  readonly progress: (what: string) => void;
}

export function backUp(store: Store, file: string, { weights, progress }: BackupOptions): BackedUp {
  if (existsSync(file)) throw operatorError(`"${file}" exists; a backup never overwrites a file, name another`);
  const folder = dirname(file);
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true)
    throw operatorError(`the folder "${folder}" does not exist; make it, or name another file`);
  const dataDir = dirname(store.file);
  const draft = `${file}.part`;
  rmSync(draft, { force: true });
  const intake: string[] = [];
  try {
    // First: what leaves the intake from now on is in the database by then.
    for (const path of pathsIn(dataDir)) {
      const copy = `${draft}.intake-${intake.length + 1}`;
      if (copyLines(path, copy)) intake.push(copy);
    }
    progress(`copying the log, ${gib(statSync(store.file).size)}`);
    store.sqlite.prepare('VACUUM INTO ?').run(draft);
    const made = withParts(draft, dataDir, intake, { weights, progress });
    sync(draft);
    renameSync(draft, file);
    sync(folder);
    return { file, bytes: statSync(file).size, ...made };
  } catch (thrown) {
    rmSync(draft, { force: true });
    throw operatorError(`the backup was not made: ${reasonOf(thrown)}`, thrown);
  } finally {
    for (const copy of intake) rmSync(copy, { force: true });
  }
}

type Made = Pick<BackedUp, 'steps' | 'intakeFiles' | 'files' | 'missing'>;

function withParts(draft: string, dataDir: string, intake: readonly string[], options: BackupOptions): Made {
  const db = new Database(draft);
  try {
    db.pragma('journal_mode = DELETE');
    db.exec(`CREATE TABLE backup_info (format TEXT NOT NULL, created_at INTEGER NOT NULL);
      CREATE TABLE backup_files (path TEXT NOT NULL, at INTEGER NOT NULL, bytes BLOB NOT NULL, hash TEXT NOT NULL,
        PRIMARY KEY (path, at)) WITHOUT ROWID`);
    db.prepare('INSERT INTO backup_info VALUES (?, ?)').run(FORMAT, Date.now());
    // Of processes that are no more, wherever it is restored.
    intake.forEach((copy, at) => keepFile(db, copy, join('intake', `${at + 1}.0.0.1-000001.jsonl`)));
    const log = over(db);
    const versions = new Set(policiesIn(log).flatMap((policy) => [...keptWeights(log, policy)]));
    const judges = judgesWithAdapters(log).map(({ judge, version }) => judgeAdapterName(judge, version));
    const { files, missing } = partsOf(dataDir, versions, judges, options.weights);
    for (const path of files) {
      options.progress(path);
      if (path.endsWith('.sqlite')) keepDatabase(db, dataDir, path, `${draft}.db`);
      else keepFile(db, join(dataDir, path), path);
    }
    const steps = db.prepare<[], { steps: number }>('SELECT count(*) AS steps FROM steps').get()?.steps ?? 0;
    return { steps, intakeFiles: intake.length, files: files.length, missing: options.weights ? missing : [] };
  } finally {
    db.close();
  }
}

/**
 * Copies the whole lines of a file of an intake, which may be as large as a disk; false where there are none. A line
 * that is being written is of an answer that was not acknowledged, and a file that is gone meanwhile is committed.
 */
function copyLines(path: string, copy: string): boolean {
  try {
    copyFileSync(path, copy);
  } catch (thrown) {
    rmSync(copy, { force: true });
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw thrown;
  }
  const fd = openSync(copy, 'r+');
  try {
    const chunk = Buffer.alloc(CHUNK_BYTES);
    let [at, whole] = [0, 0];
    for (let read = readSync(fd, chunk, 0, CHUNK_BYTES, 0); read > 0; read = readSync(fd, chunk, 0, CHUNK_BYTES, at)) {
      const end = chunk.subarray(0, read).lastIndexOf('\n');
      if (end >= 0) whole = at + end + 1;
      at += read;
    }
    ftruncateSync(fd, whole);
    if (whole === 0) rmSync(copy, { force: true });
    return whole > 0;
  } finally {
    closeSync(fd);
  }
}

/** Another program may be writing to it. */
function keepDatabase(db: Database.Database, dataDir: string, path: string, copy: string): void {
  rmSync(copy, { force: true });
  const other = new Database(join(dataDir, path), { readonly: true });
  try {
    other.prepare('VACUUM INTO ?').run(copy);
    keepFile(db, copy, path);
  } finally {
    other.close();
    rmSync(copy, { force: true });
  }
}

/** A file that is gone meanwhile was replaced by a newer one: of checkpoints the newest is taken, which stays. */
function keepFile(db: Database.Database, from: string, path: string): void {
  let fd: number;
  try {
    fd = openSync(from, 'r');
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw thrown;
  }
  try {
    const chunk = Buffer.alloc(CHUNK_BYTES);
    let at = 0;
    for (let read = readSync(fd, chunk, 0, CHUNK_BYTES, 0); read > 0 || at === 0;) {
      keep(db, path, chunk.subarray(0, read), at);
      at += Math.max(1, read);
      if (read < CHUNK_BYTES) break;
      read = readSync(fd, chunk, 0, CHUNK_BYTES, at);
    }
  } finally {
    closeSync(fd);
  }
}

function keep(db: Database.Database, path: string, bytes: Buffer, at = 0): void {
  db.prepare('INSERT INTO backup_files VALUES (?, ?, ?, ?)').run(path, at, bytes, hashOf(bytes));
}

export function hashOf(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function sync(path: string): void {
  const fd = openSync(path, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

export function gib(bytes: number): string {
  return `${(bytes / 1024 ** 3).toFixed(2)} GiB`;
}
