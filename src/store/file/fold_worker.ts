/**
 * Folds the write-ahead log into the database (a checkpoint), in a thread of its own: the log's thread would wait for
 * the disk meanwhile, and every answer that waits for its commit with it. It never waits for a reader: one that stays
 * (a backup, a shell) keeps the write-ahead log growing, and whoever waited for it with the write lock in hand would
 * stop every commit.
 */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';

import Database from 'better-sqlite3';

import type { WalSize } from '../../core/log.js';

const { dataDir } = workerData as { readonly dataDir: string };
const file = join(dataDir, 'gyre.db');
const sqlite = new Database(file, { timeout: 0, fileMustExist: true });
sqlite.prepare('SELECT count(*) FROM ledger WHERE seq < 0').get(); // its files are open before the first request

const LOOK_MS = 200;
/** Folded from this size on: a page that is written often until then is copied once. */
const FOLD_BYTES = 16 * 1024 * 1024;
/** While writers never pause the log cannot restart from its beginning: from this size on it is made to. */
const RESTART_BYTES = 64 * 1024 * 1024;

/** Size of the log when it was last looked at: while it is the same there is nothing to fold. */
let seen = 0;
let told: WalSize = { bytes: 0, heldUp: 0 };

const walBytes = (): number => statSync(`${file}-wal`, { throwIfNoEntry: false })?.size ?? 0;

/** False where a reader, or whoever writes or folds just now, is in the way; waits for none of them. */
function fold(mode: 'PASSIVE' | 'TRUNCATE'): boolean {
  try {
    const [result] = sqlite.pragma(`wal_checkpoint(${mode})`) as { readonly busy: number }[];
    return result?.busy === 0;
  } catch {
    return false; // the disk is full, or the file is locked: tried again at the next look
  }
}

const tell = (size: WalSize): void => {
  told = size;
  parentPort?.postMessage(size);
};

setInterval(() => {
  let bytes: number;
  try {
    bytes = walBytes();
    if (bytes < FOLD_BYTES || bytes === seen) {
      if (bytes !== told.bytes) tell({ ...told, bytes });
      return;
    }
    fold('PASSIVE');
    // Little is left to fold now, so writers wait briefly; where a reader is in the way, not at all.
    const heldUp = bytes >= RESTART_BYTES && !fold('TRUNCATE');
    bytes = walBytes();
    // A log that could not restart is tried again at every look, whether it has grown or not.
    seen = heldUp ? 0 : bytes;
    tell({ bytes, heldUp: told.heldUp + (heldUp ? 1 : 0) });
  } catch {
    // The folder cannot be looked at: at the next look perhaps it can.
  }
}, LOOK_MS);

tell(told);
