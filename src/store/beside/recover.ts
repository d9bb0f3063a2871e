/**
 * Commits what is left in the intake of a process, or of a log thread, that is gone. Its messages are replayed to a
 * log; what was committed already is known by its ids and not written twice, so that recovery may be interrupted
 * anywhere and run again.
 */
import { basename } from 'node:path';

import { reasonOf } from '../../core/errors.js';
import type { Redactor } from '../../core/text/redact.js';
import { type Db, prepared, type Store } from '../file/db.js';
import { isPassing } from '../file/passing.js';
import { wasDeleted } from '../file/deletions.js';
import { isPruned } from '../file/prunings.js';
import { recovered, takeOver } from '../intake/acknowledged.js';
import { claimAbandoned, discard, ownerOf, quarantine, quarantinedPaths } from '../intake/files.js';
import { IntakeLines } from '../intake/lines.js';
import type { LocalLog } from '../log/local.js';
import { type LogOptions, openLog } from '../log/log.js';
import { HeldRecordings } from './recordings.js';
import { parseIntakeLine, type RecordingMessage } from './wire.js';

const RECORDINGS_PER_COMMIT = 256;
/** Of a file that is longer, what has its end is committed as soon as so much is in memory. */
const MAX_CHARS = 64 * 1024 * 1024;

/** By default nothing is waited for: what cannot be committed now is left for the next process. */
export type RecoverOptions = Pick<LogOptions, 'waiting' | 'patienceMs'> & { readonly redactor?: Redactor | undefined };

/**
 * Commits what processes that are gone have left in the data folder. Returns the reasons why something of it could not
 * be.
 */
export async function recoverAbandoned(
  store: Store,
  dataDir: string,
  options: RecoverOptions = {},
): Promise<readonly unknown[]> {
  const paths = claimAbandoned(
    dataDir,
    (from, to) => takeOver(dataDir, from, to),
    (owner) => recovered(dataDir, owner, undefined),
  );
  if (paths.length === 0) return [];
  const reasons: unknown[] = [];
  const log = recoveringLog(store, options, reasons);
  const ends = new Map(paths.map((path) => [basename(ownerOf(path)), new Set<number>()]));
  const damaged = await replay(store.db, log, paths, {
    ended: (path, number) => ends.get(basename(ownerOf(path)))?.add(number),
  });
  // A locked database, a full disk: no fault of what was to be committed, which the next process tries again.
  const retryLater = reasons.some(isPassing);
  for (const [owner, numbers] of ends) {
    const whole = !damaged.some((path) => basename(ownerOf(path)) === owner);
    // Of what is set aside nobody knows yet how much is lost.
    if (whole || !retryLater) recovered(dataDir, owner, whole ? numbers : undefined);
  }
  for (const path of paths) {
    if (!damaged.includes(path)) discard(path);
    else if (!retryLater) quarantine(path);
  }
  return reasons;
}

/** What became of one file that had been set aside. */
export interface Settled {
  readonly file: string;
  /** Empty where all of it is committed now; the file is gone then. */
  readonly reasons: readonly string[];
}

/**
 * Reads again what was set aside because it could not be committed, also behind a line that cannot be read. With
 * `dropRest` what still cannot be is deleted.
 */
export async function settle(
  store: Store,
  dataDir: string,
  dropRest: boolean,
  options: RecoverOptions = {},
): Promise<readonly Settled[]> {
  const settled: Settled[] = [];
  for (const path of quarantinedPaths(dataDir)) {
    const reasons: unknown[] = [];
    await replay(store.db, recoveringLog(store, options, reasons), [path], { beyond: true });
    if (reasons.length === 0 || (dropRest && !reasons.some(isPassing))) discard(path);
    settled.push({ file: path, reasons: reasons.map(reasonOf) });
  }
  return settled;
}

function recoveringLog(
  store: Store,
  { redactor, patienceMs = 0, waiting }: RecoverOptions,
  reasons: unknown[],
): LocalLog {
  return openLog(store, { redactor, answers: false, patienceMs, waiting, failed: (reason) => reasons.push(reason) });
}

/**
 * Replays everything in these files to the log, and commits it. Recordings that have no end stay in `held`, where the
 * caller goes on with them. Returns the files of which something could not be read or committed. One file is read at a
 * time: each holds every recording that it has a part of from its beginning.
 */
export async function replay(
  db: Db,
  log: LocalLog,
  paths: readonly string[],
  options: ReplayOptions = {},
): Promise<readonly string[]> {
  const damaged: string[] = [];
  const replaying = { held: new HeldRecordings(), ...options, db, log };
  for (const path of paths) {
    const before = log.failures;
    await replayFile(replaying, path);
    if (log.failures > before) damaged.push(path);
  }
  return damaged;
}

interface ReplayOptions {
  readonly held?: HeldRecordings;
  /** Whether to read on behind a line that cannot be read. */
  readonly beyond?: boolean;
  /** Recordings of which nothing is replayed. */
  readonly leaveOut?: ReadonlySet<number>;
  /** Called with the number of each answer that ends in a file. */
  readonly ended?: (path: string, number: number) => void;
  /** Called before each recording, which then is committed alone. */
  readonly begins?: (recording: number) => void;
}

type Replaying = ReplayOptions & { readonly held: HeldRecordings; readonly db: Db; readonly log: LocalLog };

async function replayFile(replaying: Replaying, path: string): Promise<void> {
  const { log, beyond, begins, ended: tell } = replaying;
  const recordings = new Map<string, RecordingMessage[]>();
  const lines = new IntakeLines(path, beyond);
  let chars = 0;
  for (const line of lines) {
    for (const message of parsedOr(line, path, log)) {
      if (message.type === 'finish' && message.number !== undefined) tell?.(path, message.number);
      const key = `${ownerOf(path)} ${message.recording}`;
      const known = recordings.get(key);
      // Kept in the order of their newest message: a follow-up must come after the answer it continues.
      if (known !== undefined) recordings.delete(key);
      if (known === undefined || message.type === 'begin') recordings.set(key, [message]);
      else {
        known.push(message);
        recordings.set(key, known);
      }
    }
    chars += line.length;
    if (chars <= (begins === undefined ? MAX_CHARS : 0)) continue;
    chars = 0;
    const ended = [...recordings].filter(([, messages]) => messages.at(-1)?.type === 'finish');
    await commit(
      replaying,
      ended.map(([, messages]) => messages),
    );
    for (const [key] of ended) recordings.delete(key);
  }
  if (lines.fault !== undefined) log.fail(new Error(`"${path}" cannot be read to its end: ${lines.fault}`));
  await commit(replaying, [...recordings.values()]);
}

async function commit(replaying: Replaying, all: readonly (readonly RecordingMessage[])[]): Promise<void> {
  const { log, begins, leaveOut } = replaying;
  const size = begins === undefined ? RECORDINGS_PER_COMMIT : 1;
  for (let from = 0; from < all.length; from += size) {
    for (const messages of all.slice(from, from + size)) {
      const recording = messages[0]?.recording ?? 0;
      if (leaveOut?.has(recording) === true) continue;
      begins?.(recording);
      try {
        replayRecording(replaying, messages);
      } catch (thrown) {
        log.fail(thrown);
      }
    }
    await log.flush();
  }
}

/** Of a line that cannot be understood nothing is replayed; its file is kept for a person, and the others go on. */
function parsedOr(line: string, path: string, log: LocalLog): readonly RecordingMessage[] {
  try {
    return parseIntakeLine(line);
  } catch (thrown) {
    log.fail(new Error(`"${path}" has a line that cannot be understood: ${reasonOf(thrown)}`));
    return [];
  }
}

function replayRecording({ db, log, held, beyond }: Replaying, [begin, ...rest]: readonly RecordingMessage[]): void {
  // A recording whose `begin` is missing was committed to its end before the file was started.
  if (begin?.type !== 'begin' || isDeleted(db, begin.trajectoryId)) return;
  const ended = hasEnd(db, begin.opening.responseId);
  // Of what was set aside a step may be missing whose response has its end.
  if (ended && beyond !== true) return;
  const { opening, recording, trajectoryId, messages = opening.messages } = begin;
  held.add(recording, log.reopen(opening, trajectoryId), opening.responseId, messages);
  for (const message of rest) {
    if (message.type === 'step') void held.step(message);
    else if (message.type === 'finish' && !ended) void held.finish(message);
  }
}

function hasEnd(db: Db, responseId: string): boolean {
  return prepared<[string]>(db, 'SELECT 1 FROM responses WHERE id = ?').get(responseId) !== undefined;
}

function isDeleted(db: Db, trajectoryId: string): boolean {
  return wasDeleted(db, trajectoryId) || isPruned(db, trajectoryId);
}
