/**
 * The intake: what is recorded and not committed yet, in files of the gateway's own beside the database. A line is
 * written before its answer ends, and survives a killed process as a commit does; once it is committed it is deleted.
 * Where a process ended with lines in its intake, whoever opens the data folder next commits them (`recover.ts`).
 */
import {
  closeSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  statSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';

import { reasonOf } from '../../core/errors.js';
import { sha256, type Hash } from '../../core/text/hash.js';
import { alive, processOf } from '../../core/process.js';
import { writeJson } from '../../core/text/json.js';
import { parseIntakeLine, type RecordingMessage } from './wire.js';

/** A file is closed and another begun at this size. */
const MAX_FILE_BYTES = 16 * 1024 * 1024;
/** From this size on it is worth copying unfinished recordings into a new file so that the old one can be deleted. */
const COMPACT_BYTES = 1024 * 1024;
const ENDING = '.jsonl';
/** The ending of files of which something could not be committed: kept for a person to look at. */
const QUARANTINE_ENDING = '.unsettled';

export interface IntakeFile {
  readonly path: string;
  readonly fd: number;
  bytes: number;
  /** Hash of the last line, over which the next line's is taken. */
  hash: Hash | '';
  /** Number of the newest line in it. */
  newest: number;
}

/** Where a line stands. */
export interface Place {
  readonly file: IntakeFile;
  readonly from: number;
  readonly to: number;
}

/** So much must fit where it is asked whether an answer would. */
const PROBE_BYTES = 64 * 1024;

export class Intake {
  readonly #folder: string;
  readonly #owner: string;
  /** Lines with all messages of recordings that have no end yet, asked for when a file is begun. */
  readonly #unfinished: () => readonly string[];
  #fileCount = 0;
  /** Oldest first. */
  #files: IntakeFile[] = [];
  /** The file that is written to; where there is none, the next line begins one. */
  #current: IntakeFile | undefined;

  constructor(dataDir: string, unfinished: () => readonly string[], owner = newOwner()) {
    this.#folder = folderOf(dataDir);
    this.#owner = owner;
    this.#unfinished = unfinished;
    try {
      this.#beginFile(); // before the first answer: later there may be no file descriptor left
    } catch {
      // The next line tries again.
    }
  }

  /**
   * Writes a line under its number, which grows, and says where. Undefined when it could not be written: then nothing
   * of it is there.
   */
  append(line: string, number: number): Place | undefined {
    try {
      const file = this.#writable();
      const from = file.bytes;
      write(file, line);
      file.newest = number;
      return { file, from, to: file.bytes };
    } catch {
      return undefined;
    }
  }

  /** Whether an answer could be written now. */
  canWrite(): boolean {
    try {
      const { fd, bytes } = this.#writable();
      try {
        return writeSync(fd, Buffer.alloc(PROBE_BYTES), 0, PROBE_BYTES, bytes) === PROBE_BYTES;
      } finally {
        ftruncateSync(fd, bytes);
      }
    } catch {
      return false;
    }
  }

  /** The lines that stand there; throws where they cannot be read. */
  read({ file, from, to }: Place): readonly string[] {
    const bytes = Buffer.alloc(to - from);
    for (let read = 0; read < bytes.length;) {
      const more = readSync(file.fd, bytes, read, bytes.length - read, from + read);
      if (more === 0) throw new Error(`"${file.path}" ends before its byte ${to}`);
      read += more;
    }
    return bytes
      .toString('utf8')
      .split('\n')
      .slice(0, -1)
      .map((line) => line.slice(line.indexOf(' ') + 1));
  }

  /**
   * Keeps what it holds of these recordings in a file of its own that is not recovered by itself. False when that could
   * not be written.
   */
  setAside(recordings: ReadonlySet<number>): boolean {
    const found = new Map<number, RecordingMessage[]>();
    try {
      for (const file of this.#files)
        for (const message of this.read({ file, from: 0, to: file.bytes }).flatMap(parseIntakeLine)) {
          const known = message.type === 'begin' ? undefined : found.get(message.recording);
          if (recordings.has(message.recording)) found.set(message.recording, [...(known ?? []), message]);
        }
      if (found.size === 0) return true;
      const path = this.#nextPath();
      const file = newFile(path);
      try {
        for (const messages of found.values()) write(file, writeJson(messages));
      } catch (thrown) {
        discard(path);
        throw thrown;
      } finally {
        closeSync(file.fd);
      }
      quarantine(path);
      return true;
    } catch {
      return false;
    }
  }

  /**
   * Deletes lines up to this number, all of which are committed. `completely` leaves none of them in any file, also
   * where unfinished recordings must be copied for it. What a fault leaves behind does no harm: recovery finds it
   * committed.
   */
  discardCommitted(number: number, completely = false): void {
    const current = this.#current;
    try {
      if (current !== undefined && current.bytes > 0 && current.newest <= number) {
        if (this.#unfinished().length === 0) empty(current);
        else if (completely || current.bytes > COMPACT_BYTES) this.#beginFile();
      }
    } catch {
      // The disk is full: the next commit tries again.
    }
    this.#discardFiles((file) => file !== this.#current && file.newest <= number);
  }

  /** Ends the current file; the next line begins another. Returns the paths of all files, which stay where they are. */
  rotate(): readonly string[] {
    this.#current = undefined;
    return this.#files.map(({ path }) => path);
  }

  /** Keeps these files, of which something cannot be committed, for a person to look at. */
  quarantine(paths: readonly string[]): void {
    this.#files = this.#files.filter((file) => {
      if (!paths.includes(file.path)) return true;
      closeSync(file.fd);
      quarantine(file.path);
      return false;
    });
  }

  /** Closes its files. Empty ones are deleted, the others are recovered by whoever opens the folder next. */
  close(): void {
    this.#discardFiles((file) => file.bytes === 0);
    for (const { fd } of this.#files) closeSync(fd);
    this.#files = [];
    this.#current = undefined;
    closeOwner(this.#owner);
  }

  /** A file that is full is written on where no other can be begun. */
  #writable(): IntakeFile {
    const current = this.#current;
    if (current !== undefined && current.bytes <= MAX_FILE_BYTES) return current;
    try {
      return this.#beginFile();
    } catch (thrown) {
      if (current === undefined) throw thrown;
      return current;
    }
  }

  #nextPath(): string {
    mkdirSync(this.#folder, { recursive: true });
    this.#fileCount += 1;
    return join(this.#folder, fileName(this.#owner, this.#fileCount));
  }

  #beginFile(): IntakeFile {
    const file = newFile(this.#nextPath());
    this.#files.push(file);
    for (const line of this.#unfinished()) write(file, line);
    return (this.#current = file); // last: if that write failed, the file before still has the unfinished recordings
  }

  #discardFiles(which: (file: IntakeFile) => boolean): void {
    this.#files = this.#files.filter((file) => {
      if (!which(file)) return true;
      closeSync(file.fd);
      discard(file.path);
      return false;
    });
  }
}

function newFile(path: string): IntakeFile {
  return { path, fd: openSync(path, 'w+'), bytes: 0, hash: '', newest: 0 };
}

function write(file: IntakeFile, line: string): void {
  const hash = sha256(`${file.hash}\n${line}`);
  const bytes = Buffer.from(`${hash} ${line}\n`);
  let written = 0;
  try {
    written = writeSync(file.fd, bytes, 0, bytes.length, file.bytes);
  } finally {
    if (written < bytes.length) ftruncateSync(file.fd, file.bytes);
  }
  if (written < bytes.length) throw new Error(`only ${written} of ${bytes.length} bytes could be written`);
  file.bytes += bytes.length;
  file.hash = hash;
}

function empty(file: IntakeFile): void {
  ftruncateSync(file.fd, 0);
  file.bytes = 0;
  file.hash = '';
}

/**
 * The lines of a file, up to the first whose hash is wrong; with `beyond` also those after it, each of which is proven
 * by the hash that is written before it. A last line that was cut off is no fault: its answer was never acknowledged.
 */
export function readLines(
  path: string,
  beyond = false,
): { readonly lines: readonly string[]; readonly fault?: string | undefined } {
  const lines: string[] = [];
  let fault: string | undefined;
  try {
    let before = '';
    for (const [at, hashed] of readFileSync(path, 'utf8').split('\n').slice(0, -1).entries()) {
      const end = hashed.indexOf(' ');
      const line = hashed.slice(end + 1);
      const written = hashed.slice(0, end);
      if (sha256(`${before}\n${line}`) === written) lines.push(line);
      else {
        fault ??= `line ${at + 1} is not as it was written`;
        if (!beyond) break;
      }
      before = written;
    }
    return { lines, fault };
  } catch (thrown) {
    return { lines, fault: reasonOf(thrown) };
  }
}

/**
 * Takes over the intakes of processes that are gone, oldest first, by renaming their files: of two processes that open
 * the folder at once, each gets the files it was first to rename. Returns the new paths.
 */
export function claimAbandoned(dataDir: string): readonly string[] {
  const abandoned = filesIn(dataDir, ENDING).filter((name) => !isLive(ownerOf(name)));
  if (abandoned.length === 0) return [];
  // A new owner for each old one: two owners may have given the same number to different recordings.
  const newOwners = new Map([...new Set(abandoned.map(ownerOf))].map((owner) => [owner, newOwner()]));
  return abandoned.flatMap((name, at) => {
    const path = join(folderOf(dataDir), fileName(newOwners.get(ownerOf(name)) ?? '', at));
    try {
      renameSync(join(folderOf(dataDir), name), path);
      return [path];
    } catch {
      return []; // another process was first
    }
  });
}

/** Names of quarantined files. */
export function quarantinedIn(dataDir: string): readonly string[] {
  return filesIn(dataDir, QUARANTINE_ENDING);
}

export function quarantinedPaths(dataDir: string): readonly string[] {
  return quarantinedIn(dataDir).map((name) => join(folderOf(dataDir), name));
}

/** Of living processes, too. */
export function pathsIn(dataDir: string): readonly string[] {
  return filesIn(dataDir, ENDING).map((name) => join(folderOf(dataDir), name));
}

/** Bytes that are recorded and not committed, of processes that are gone as well. */
export function bytesIn(dataDir: string): number {
  return pathsIn(dataDir).reduce((sum, path) => sum + (statSync(path, { throwIfNoEntry: false })?.size ?? 0), 0);
}

/** Deletes a file whose lines are committed. Where it cannot be deleted, recovery finds its lines committed. */
export function discard(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // A person has removed it, or the folder may not be written.
  }
}

/** Keeps a file for a person to look at, under a name that is not recovered again. */
export function quarantine(path: string): void {
  try {
    renameSync(path, path.replace(ENDING, QUARANTINE_ENDING));
  } catch {
    // A person has removed it, or the folder may not be written: then it is recovered again.
  }
}

function folderOf(dataDir: string): string {
  return join(dataDir, 'intake');
}

function fileName(owner: string, number: number): string {
  return `${owner}-${String(number).padStart(6, '0')}${ENDING}`;
}

function filesIn(dataDir: string, ending: string): readonly string[] {
  try {
    return readdirSync(folderOf(dataDir))
      .filter((name) => name.endsWith(ending))
      .sort((a, b) => startedAt(a) - startedAt(b) || (a < b ? -1 : 1));
  } catch {
    return []; // no gateway has made the folder yet
  }
}

/** Owners whose intake is closed although their process goes on. */
const closedOwners = new Set<string>();

export function closeOwner(owner: string): void {
  closedOwners.add(owner);
}

let ownerCount = 0;

/** Whose a file is: when its intake was opened, its process by id and start time, and a number within the process. */
export function newOwner(): string {
  ownerCount += 1;
  return `${Date.now()}.${process.pid}.${processOf(process.pid)?.startTime ?? ''}.${ownerCount}`;
}

/** The owner of a file, of its name or its path. */
export function ownerOf(path: string): string {
  return path.slice(0, path.lastIndexOf('-'));
}

function startedAt(name: string): number {
  return Number(name.split('.', 1)[0]);
}

/** Whether the owner of a file lives and has it open. */
export function ownerIsLive(path: string): boolean {
  return isLive(ownerOf(path));
}

function isLive(owner: string): boolean {
  const [, pid = '', startTime = ''] = owner.split('.');
  if (Number(pid) === process.pid && (startTime === '' || processOf(process.pid)?.startTime === startTime))
    return !closedOwners.has(owner);
  if (startTime !== '') return alive({ pid: Number(pid), startTime });
  try {
    return process.kill(Number(pid), 0); // where the system does not tell a process's start, its id has to do
  } catch {
    return false;
  }
}
