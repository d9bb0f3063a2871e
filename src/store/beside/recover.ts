/**
 * Commits what is left in the intake of a process, or of a log thread, that is gone. Its messages are replayed to a
 * log; what was committed already is known by its ids and not written twice, so that recovery may be interrupted
 * anywhere and run again.
 */
import Database from 'better-sqlite3';

import { reasonOf } from '../../core/errors.js';
import type { Redactor } from '../../core/text/redact.js';
import { type Db, prepared, type Store } from '../file/db.js';
import { claimAbandoned, discard, ownerOf, quarantine, readLines } from './intake.js';
import type { LocalLog } from '../log/local.js';
import { openLog } from '../log/log.js';
import { HeldRecordings } from './recordings.js';
import { parseIntakeLine, type RecordingMessage } from './wire.js';

const RECORDINGS_PER_COMMIT = 256;

/**
 * Commits what processes that are gone have left in the data folder. Returns the reasons why something of it could not
 * be.
 */
export function recoverAbandoned(store: Store, dataDir: string, redactor?: Redactor): readonly unknown[] {
  const paths = claimAbandoned(dataDir);
  if (paths.length === 0) return [];
  const reasons: unknown[] = [];
  const log = openLog(store, { redactor, answers: false, failed: (reason) => reasons.push(reason) });
  const damaged = replay(store.db, log, paths);
  const retryLater = reasons.some(isTransient);
  for (const path of paths) {
    if (!damaged.includes(path)) discard(path);
    else if (!retryLater) quarantine(path);
  }
  return reasons;
}

/** A locked database, a full disk: no fault of what was to be committed, which the next process tries again. */
function isTransient(reason: unknown): boolean {
  return reason instanceof Database.SqliteError && /^SQLITE_(BUSY|FULL|IOERR)/.test(reason.code);
}

/**
 * Replays everything in these files to the log, and commits it. Recordings that have no end stay in `held`, where the
 * caller goes on with them. Returns the files of which something could not be read or committed.
 */
export function replay(
  db: Db,
  log: LocalLog,
  paths: readonly string[],
  held = new HeldRecordings(),
): readonly string[] {
  const damaged = new Set<string>();
  const recordings = new Map<string, { messages: RecordingMessage[]; path: string }>();
  for (const path of paths) {
    const { lines, fault } = readLines(path);
    if (fault !== undefined) {
      log.fail(new Error(`"${path}" cannot be read to its end: ${fault}`));
      damaged.add(path);
    }
    for (const message of lines.flatMap((line) => parsedOr(line, path, log, damaged))) {
      const key = `${ownerOf(path)} ${message.recording}`;
      const known = recordings.get(key);
      // Kept in the order of their newest message: a follow-up must come after the answer it continues.
      if (known !== undefined) recordings.delete(key);
      recordings.set(
        key,
        known === undefined || message.type === 'begin'
          ? { messages: [message], path }
          : { messages: [...known.messages, message], path },
      );
    }
  }
  const all = [...recordings.values()];
  for (let from = 0; from < all.length; from += RECORDINGS_PER_COMMIT) {
    const group = all.slice(from, from + RECORDINGS_PER_COMMIT);
    const before = log.failures;
    for (const { messages } of group) {
      try {
        replayRecording(db, log, held, messages);
      } catch (thrown) {
        log.fail(thrown);
      }
    }
    void log.flush();
    if (log.failures > before) for (const { path } of group) damaged.add(path);
  }
  return [...damaged];
}

/** Of a line that cannot be understood nothing is replayed; its file is kept for a person, and the others go on. */
function parsedOr(line: string, path: string, log: LocalLog, damaged: Set<string>): readonly RecordingMessage[] {
  try {
    return parseIntakeLine(line);
  } catch (thrown) {
    log.fail(new Error(`"${path}" has a line that cannot be understood: ${reasonOf(thrown)}`));
    damaged.add(path);
    return [];
  }
}

function replayRecording(
  db: Db,
  log: LocalLog,
  held: HeldRecordings,
  [begin, ...rest]: readonly RecordingMessage[],
): void {
  // A recording whose `begin` is missing was committed to its end before the file was started.
  if (begin?.type !== 'begin' || isDone(db, begin.trajectoryId, begin.opening.responseId)) return;
  held.add(begin.recording, log.reopen(begin.opening, begin.trajectoryId), begin.messages ?? begin.opening.messages);
  for (const message of rest) {
    if (message.type === 'step') void held.step(message);
    else if (message.type === 'finish') void held.finish(message);
  }
}

/** Committed to its end, or deleted since. */
function isDone(db: Db, trajectoryId: string, responseId: string): boolean {
  return (
    prepared<[string]>(db, 'SELECT 1 FROM responses WHERE id = ?').get(responseId) !== undefined ||
    prepared<[string]>(db, 'SELECT 1 FROM deletions WHERE trajectory_id = ?').get(trajectoryId) !== undefined
  );
}
