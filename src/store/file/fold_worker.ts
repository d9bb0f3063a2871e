/**
 * Folds the write-ahead log into the database from a thread of its own: the thread that commits would wait for the
 * disk meanwhile, and everyone whose answer waits for its commit with it.
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
/** Worth folding in: a page that is written often is copied once. */
const FOLD_BYTES = 16 * 1024 * 1024;
/** Writers that never pause leave no moment to begin the log again: from here on they are made to wait for one. */
const RESTART_BYTES = 64 * 1024 * 1024;

/** Of the last look: without news there is nothing to fold. */
let seen = 0;

setInterval(() => {
  const bytes = statSync(`${file}-wal`, { throwIfNoEntry: false })?.size ?? 0;
  if (bytes < FOLD_BYTES || bytes === seen) return;
  sqlite.pragma('wal_checkpoint(PASSIVE)');
  if (bytes >= RESTART_BYTES) sqlite.pragma('wal_checkpoint(TRUNCATE)'); // what is left of it is little by now
  seen = statSync(`${file}-wal`, { throwIfNoEntry: false })?.size ?? 0;
}, LOOK_MS);
