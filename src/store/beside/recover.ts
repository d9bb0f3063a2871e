/**
 * Commits what an intake still holds of a process, or of a log's thread, that is gone. Its words are said again to a
 * log; what was committed already is known by its ids and not written twice, so that this may be broken off anywhere.
 */
import Database from 'better-sqlite3';

import type { Redactor } from '../../core/text/redact.js';
import { type Db, prepared, type Store } from '../file/db.js';
import { HeldThreads } from './held.js';
import { letGo, ownerOf, takeLeft, textsOf } from './intake.js';
import type { LocalLog } from '../log/local.js';
import { openLog } from '../log/log.js';
import type { ThreadWords } from './wire.js';

/** Threads to a commit. */
const AT_ONCE = 256;

/**
 * Commits what processes that are gone have left in the data folder. Returns the reasons why something of it could not
 * be.
 */
export function settleLeft(store: Store, dataDir: string, redactor?: Redactor): readonly unknown[] {
  const paths = takeLeft(dataDir);
  if (paths.length === 0) return [];
  const reasons: unknown[] = [];
  const log = openLog(store, { redactor, failed: (reason) => reasons.push(reason) });
  const broken = sayAgain(store.db, log, paths);
  // What only had to wait is left as it is, for the next process.
  const passing = reasons.some(isPassing);
  for (const path of paths) if (!passing || !broken.includes(path)) letGo(path, broken.includes(path));
  return reasons;
}

/** A lock that did not open in its time, a full disk: no fault of what was to be committed. */
function isPassing(reason: unknown): boolean {
  return reason instanceof Database.SqliteError && /^SQLITE_(BUSY|FULL|IOERR)/.test(reason.code);
}

/**
 * Says everything in these files to the log, and commits it. Threads that have no end are handed
 * over to `held`, where there is one. Returns the files of which something could not be read or kept.
 */
export function sayAgain(db: Db, log: LocalLog, paths: readonly string[], held = new HeldThreads()): readonly string[] {
  const broken = new Set<string>();
  const threads = new Map<string, { words: ThreadWords[]; path: string }>();
  for (const path of paths) {
    const { texts, fault } = textsOf(path);
    if (fault !== undefined) {
      log.fail(new Error(`"${path}" cannot be read to its end: ${fault}`));
      broken.add(path);
    }
    for (const words of texts.flatMap((text) => JSON.parse(text) as readonly ThreadWords[])) {
      const key = `${ownerOf(path)} ${words.thread}`;
      const known = threads.get(key);
      // In the order of their ends: what goes on from an answer comes after it.
      if (known !== undefined) threads.delete(key);
      threads.set(
        key,
        known === undefined || words.say === 'begin'
          ? { words: [words], path }
          : { words: [...known.words, words], path },
      );
    }
  }
  const all = [...threads.values()];
  for (let from = 0; from < all.length; from += AT_ONCE) {
    const some = all.slice(from, from + AT_ONCE);
    const before = log.failures;
    for (const { words } of some) {
      try {
        said(db, log, held, words);
      } catch (thrown) {
        log.fail(thrown);
      }
    }
    void log.flush();
    if (log.failures > before) for (const { path } of some) broken.add(path);
  }
  return [...broken];
}

function said(db: Db, log: LocalLog, held: HeldThreads, [first, ...rest]: readonly ThreadWords[]): void {
  // Without its beginning it was over, and committed, before the file began.
  if (first?.say !== 'begin' || isDone(db, first.trajectoryId, first.opening.responseId)) return;
  held.add(first.thread, log.recall(first.opening, first.trajectoryId), first.messages ?? first.opening.messages);
  for (const each of rest) {
    if (each.say === 'step') void held.step(each);
    else if (each.say === 'finish') void held.finish(each);
  }
}

/** Committed to its end, or deleted since. */
function isDone(db: Db, trajectoryId: string, responseId: string): boolean {
  return (
    prepared<[string]>(db, 'SELECT 1 FROM responses WHERE id = ?').get(responseId) !== undefined ||
    prepared<[string]>(db, 'SELECT 1 FROM deletions WHERE trajectory_id = ?').get(trajectoryId) !== undefined
  );
}
