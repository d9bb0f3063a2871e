/**
 * Folds the write-ahead log into the database (a checkpoint), in a thread of its own: the log's thread would wait for
 * the disk meanwhile, and every answer that waits for its commit with it.
 */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { workerData } from 'node:worker_threads';

import Database from 'better-sqlite3';

import { BUSY_MS } from './db.js';

const { dataDir } = workerData as { readonly dataDir: string };
const file = join(dataDir, 'gyre.db');
const sqlite = new Database(file, { timeout: BUSY_MS, fileMustExist: true });

const LOOK_MS = 200;
/** Folded from this size on: a page that is written often until then is copied once. */
const FOLD_BYTES = 16 * 1024 * 1024;
/** While writers never pause the log cannot restart from its beginning: from this size on they wait until it has. */
const RESTART_BYTES = 64 * 1024 * 1024;

/** Size of the log when it was last looked at: while it is the same there is nothing to fold. */
let seen = 0;

setInterval(() => {
  const bytes = statSync(`${file}-wal`, { throwIfNoEntry: false })?.size ?? 0;
  if (bytes < FOLD_BYTES || bytes === seen) return;
  sqlite.pragma('wal_checkpoint(PASSIVE)');
  if (bytes >= RESTART_BYTES) sqlite.pragma('wal_checkpoint(TRUNCATE)'); // little is left: writers wait briefly
  seen = statSync(`${file}-wal`, { throwIfNoEntry: false })?.size ?? 0;
}, LOOK_MS);
