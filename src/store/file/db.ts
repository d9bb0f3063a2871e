/**
 * Opens the one SQLite file of a data folder and brings its tables to this build's shape. Serving and
 * command line may hold the same file at once: readers never wait, writers take turns. Knows no rows.
 */
import { mkdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';

import Database from 'better-sqlite3';
import { drizzle, type BetterSQLite3Database } from 'drizzle-orm/better-sqlite3';
import { readMigrationFiles } from 'drizzle-orm/migrator';

import { GyreError, operatorError, reasonOf } from '../../core/errors.js';
import { installedWith } from '../../core/running/installed.js';
import { codeOf, isFull } from './passing.js';
import * as schema from './schema.js';

export type Db = BetterSQLite3Database<typeof schema> & { readonly $client: Database.Database };
/** What a callback of `db.transaction` is given. */
export type Tx = Parameters<Parameters<Db['transaction']>[0]>[0];

export interface Store {
  readonly file: string;
  readonly sqlite: Database.Database;
  readonly db: Db;
  /** Folds the write-ahead log into the file and lets go of it. Idempotent. */
  close(): void;
}

/** How long a writer waits for another process's transaction, in milliseconds. */
const BUSY_MS = 5_000;
/** Pages in the write-ahead log before they are folded in: 16 MiB, so that a page written often is copied once. */
const CHECKPOINT_PAGES = 4_000;
/** The write-ahead log is cut back to this many bytes after a checkpoint. */
const JOURNAL_BYTES = 64 * 1024 * 1024;

/** The tables over a connection whose file has this build's shape. */
export function over(sqlite: Database.Database): Db {
  return drizzle({ client: sqlite, schema });
}

/** How a thread of a running gateway has the file open, whose first thread has brought it to its shape. */
export interface StoreOptions {
  /** How long a statement may hold up its thread for another process's transaction. */
  readonly busyMs: number;
}

/** Pages in the write-ahead log before a thread folds them in that leaves it to another: 250 MiB. */
const BACKSTOP_PAGES = 64_000;

/** From this size on bringing a file to this build's shape may take so long that somebody wants to know of it. */
const LARGE_BYTES = 64 * 1024 * 1024;

/**
 * Opens `<dataDir>/gyre.db`, making folder and file where they are missing. Throws an operator error that names the
 * path. `told` is called with what a large file of an earlier version is brought up to date with.
 */
export function openStore(dataDir: string, told: (what: string) => void = toTerminal): Store {
  const file = join(dataDir, 'gyre.db');
  const sqlite = connect(dataDir, file);
  try {
    // Only a new file: what is free in it can be given back to the disk bit by bit. Any other would be locked for it.
    if (sqlite.pragma('page_count', { simple: true }) === 0) sqlite.pragma('auto_vacuum = INCREMENTAL');
    // Commits survive a killed process; only a power cut may take the last of them (WAL with NORMAL).
    sqlite.pragma('journal_mode = WAL');
    sqlite.pragma('synchronous = NORMAL');
    sqlite.pragma('foreign_keys = ON');
    sqlite.pragma('secure_delete = ON');
    sqlite.pragma(`wal_autocheckpoint = ${CHECKPOINT_PAGES}`);
    sqlite.pragma(`journal_size_limit = ${JOURNAL_BYTES}`);
    migrate(sqlite, file, told);
  } catch (thrown) {
    sqlite.close();
    throw thrown instanceof GyreError ? thrown : unusable(file, thrown);
  }
  return { file, sqlite, db: over(sqlite), close: () => void sqlite.close() };
}

/**
 * Opens it for one more thread of a gateway that runs already: whoever holds the write lock does not keep it from
 * opening, and every file that it will need is open when this returns.
 */
export function openBeside(dataDir: string, options: StoreOptions): Store {
  const file = join(dataDir, 'gyre.db');
  const sqlite = new Database(file, { timeout: options.busyMs, fileMustExist: true });
  try {
    sqlite.pragma('synchronous = NORMAL');
    sqlite.pragma('foreign_keys = ON');
    sqlite.pragma('secure_delete = ON');
    sqlite.pragma(`journal_size_limit = ${JOURNAL_BYTES}`);
    sqlite.pragma('temp_store = MEMORY');
    // It waits for no lock for long, and leaves folding to the folding thread.
    sqlite.pragma(`busy_timeout = ${options.busyMs}`);
    sqlite.pragma(`wal_autocheckpoint = ${BACKSTOP_PAGES}`);
    sqlite.prepare('SELECT count(*) FROM ledger WHERE seq < 0').get(); // opens the write-ahead log and its index
  } catch (thrown) {
    sqlite.close();
    throw thrown;
  }
  return { file, sqlite, db: over(sqlite), close: () => void sqlite.close() };
}

const statements = new WeakMap<Database.Database, Map<string, Database.Statement>>();

/** The statement for `sql`, prepared once per connection. Callers give constant texts: the cache is never emptied. */
export function prepared<P extends unknown[], R = unknown>(
  db: Pick<Db, '$client'>,
  sql: string,
): Database.Statement<P, R> {
  let known = statements.get(db.$client);
  if (known === undefined) statements.set(db.$client, (known = new Map<string, Database.Statement>()));
  let statement = known.get(sql);
  if (statement === undefined) known.set(sql, (statement = db.$client.prepare(sql)));
  return statement as unknown as Database.Statement<P, R>;
}

function connect(dataDir: string, file: string): Database.Database {
  try {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  } catch (cause) {
    if (isFull(codeOf(cause), dataDir)) throw full(file, cause);
    throw unwritable(dataDir, cause);
  }
  try {
    return new Database(file, { timeout: BUSY_MS });
  } catch (cause) {
    if (isFull(codeOf(cause), dataDir)) throw full(join(dataDir, 'gyre.db'), cause);
    if (cause instanceof Database.SqliteError) throw unwritable(dataDir, cause);
    throw operatorError(
      `SQLite cannot be loaded (${reasonOf(cause).split('\n')[0] ?? ''}). Build it again ` +
        `with \`npm rebuild better-sqlite3\`.`,
      cause,
    );
  }
}

function unwritable(dataDir: string, cause: unknown): GyreError {
  return operatorError(
    `cannot write to the data folder "${dataDir}" (${reasonOf(cause)}). Name a folder ` +
      'this user may write to with --data DIR.',
    cause,
  );
}

function unusable(file: string, cause: unknown): GyreError {
  const code = codeOf(cause);
  if (isFull(code, dirname(file))) return full(file, cause);
  if (code === 'SQLITE_NOTADB' || code.startsWith('SQLITE_CORRUPT')) {
    return operatorError(
      `"${file}" is not a Gyre database (${reasonOf(cause)}). Move it away, or name another folder with --data DIR.`,
      cause,
    );
  }
  if (code.startsWith('SQLITE_READONLY') || code.startsWith('SQLITE_CANTOPEN')) {
    return operatorError(
      `"${file}" cannot be written (${reasonOf(cause)}). Give this user write access to the file ` +
        'and its folder, or name another with --data DIR.',
      cause,
    );
  }
  if (code.startsWith('SQLITE_BUSY')) {
    return operatorError(
      `"${file}" is held by another process for longer than ${BUSY_MS / 1000} s. End that ` +
        'process, or name another folder with --data DIR.',
      cause,
    );
  }
  return operatorError(`"${file}" cannot be opened: ${reasonOf(cause)}.`, cause);
}

function full(file: string, cause: unknown): GyreError {
  return operatorError(
    `"${file}" cannot grow: the disk is full. Free some space, or name another folder with --data DIR.`,
    cause,
  );
}

/**
 * drizzle's migrations in drizzle's own table, but inside one transaction: two processes that open a new folder at once
 * must not both create its tables. A file that has its shape is only read: it opens also while somebody holds its lock.
 */
function migrate(sqlite: Database.Database, file: string, told: (what: string) => void): void {
  const missing = missingIn(sqlite, file).length;
  if (missing === 0) return;
  const bytes = statSync(file).size;
  const large = bytes >= LARGE_BYTES;
  if (large)
    told(
      `"${file}" (${(bytes / 1024 ** 3).toFixed(1)} GiB) is of an earlier version and is brought up to date, in one ` +
        'transaction: if it is interrupted, nothing has changed',
    );
  const began = performance.now();
  let done = 0;
  sqlite
    .transaction(() => {
      sqlite.exec(
        'CREATE TABLE IF NOT EXISTS __drizzle_migrations ' +
          '(id SERIAL PRIMARY KEY, hash text NOT NULL, created_at numeric)',
      );
      for (const migration of missingIn(sqlite, file)) {
        done += 1;
        for (const [at, statement] of migration.sql.entries()) {
          if (large) told(`  change ${done} of ${missing}, statement ${at + 1} of ${migration.sql.length}`);
          sqlite.exec(statement);
        }
        sqlite
          .prepare('INSERT INTO __drizzle_migrations (hash, created_at) VALUES (?, ?)')
          .run(migration.hash, migration.folderMillis);
      }
    })
    .immediate();
  if (large) told(`  it is up to date, after ${((performance.now() - began) / 1000).toFixed(1)} s`);
}

/** Where nobody says otherwise: whoever opens a log for a verb looks at a terminal. */
function toTerminal(what: string): void {
  process.stderr.write(`gyre: ${what}\n`);
}

/** Migrations that are not applied. Throws an operator error where others are. */
function missingIn(sqlite: Database.Database, file: string): ReturnType<typeof readMigrationFiles> {
  const known = readMigrationFiles({ migrationsFolder: migrationsFolder() });
  const table = sqlite.prepare(`SELECT 1 FROM sqlite_master WHERE name = '__drizzle_migrations'`);
  if (table.get() === undefined) return known;
  const applied = sqlite
    .prepare<[], { hash: string }>('SELECT hash FROM __drizzle_migrations ORDER BY created_at')
    .all();
  if (applied.length > known.length) {
    throw operatorError(
      `"${file}" was written by a newer Gyre (${applied.length} migrations, this build knows ${known.length}). ` +
        'Update this installation, or name another folder with --data DIR.',
    );
  }
  const odd = applied.findIndex((row, at) => row.hash !== known[at]?.hash);
  if (odd >= 0)
    throw operatorError(
      `"${file}" was written by another build of Gyre (migration ${odd} differs). Use that ` +
        'build, or name another folder with --data DIR.',
    );
  return known.slice(applied.length);
}

function migrationsFolder(): string {
  const missing = 'the folder "migrations" is missing from this installation';
  return join(installedWith(['migrations/meta/_journal.json'], missing), 'migrations');
}
