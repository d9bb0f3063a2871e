/**
 * The intake: what is recorded and not committed yet, in files of the gateway's own beside the database. A line is
 * written before its answer ends, and survives a killed process as a commit does; once it is committed it is deleted.
 * Where a process ended with lines in its intake, whoever opens the data folder next commits them (`recover.ts`).
 */
import { closeSync, ftruncateSync, mkdirSync, openSync, writeSync, writevSync } from 'node:fs';
import { join } from 'node:path';

import { sha256, type Hash } from '../../core/text/hash.js';
import { writeJson } from '../../core/text/json.js';
import { closeOwner, discard, fileName, folderOf, newOwner, quarantine } from '../intake/files.js';
import { hashAfter, linesAt, linesIn } from '../intake/lines.js';
import { parseIntakeLine, type RecordingMessage } from './wire.js';

/** A file is closed and another begun at this size. */
const MAX_FILE_BYTES = 16 * 1024 * 1024;
/** From this size on it is worth copying unfinished recordings into a new file so that the old one can be deleted. */
const COMPACT_BYTES = 1024 * 1024;
const LONG_LINE = 64 * 1024;

export interface IntakeFile {
  readonly path: string;
  readonly fd: number;
  bytes: number;
  /** What it began with: recordings that were unfinished in the file before. */
  carried: number;
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

/** Messages of a recording that go on into the next file: their text, or where one stands that is not kept here. */
export type Carried = { readonly text: string } | { place: Place };

/** So much must fit where it is asked whether an answer would. */
const PROBE_BYTES = 64 * 1024;

export class Intake {
  readonly #folder: string;
  readonly #owner: string;
  /** All messages of recordings that have no end yet, asked for when a file is begun. */
  readonly #unfinished: () => Iterable<Carried>;
  #fileCount = 0;
  /** Oldest first. */
  #files: IntakeFile[] = [];
  /** The file that is written to; where there is none, the next line begins one. */
  #current: IntakeFile | undefined;

  constructor(dataDir: string, unfinished: () => Iterable<Carried>, owner = newOwner()) {
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
    return linesAt(file.fd, from, to);
  }

  /**
   * Keeps what it holds of these recordings in a file of its own that is not recovered by itself. False when that could
   * not be written.
   */
  setAside(recordings: ReadonlySet<number>): boolean {
    const found = new Map<number, RecordingMessage[]>();
    try {
      for (const file of this.#files)
        for (const { line } of linesIn(file.fd))
          for (const message of parseIntakeLine(line)) {
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
        if (isEmpty(this.#unfinished())) empty(current);
        else if (completely || grown(current) > COMPACT_BYTES) this.#beginFile();
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
    const carried = this.#carryOn();
    this.#files = this.#files.filter((file) => {
      if (!paths.includes(file.path)) return true;
      // Where that failed it is still read from.
      if (carried) closeSync(file.fd);
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
    if (current !== undefined && grown(current) <= MAX_FILE_BYTES) return current;
    try {
      return this.#beginFile();
    } catch (thrown) {
      if (current === undefined) throw thrown;
      return current;
    }
  }

  /** Whether nothing that is unfinished is read from a file before the current one. */
  #carryOn(): boolean {
    try {
      if (this.#current === undefined && !isEmpty(this.#unfinished())) this.#beginFile();
      return true;
    } catch {
      return false;
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
    const moved: (() => void)[] = [];
    for (const part of this.#unfinished()) {
      if ('text' in part) write(file, `[${part.text}]`);
      else {
        const from = file.bytes;
        for (const line of this.read(part.place)) write(file, line);
        const place = { file, from, to: file.bytes };
        moved.push(() => (part.place = place));
      }
    }
    file.carried = file.bytes;
    for (const move of moved) move();
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
  return { path, fd: openSync(path, 'w+'), bytes: 0, carried: 0, hash: '', newest: 0 };
}

/** What was added to a file, or nothing where that is less than what it began with: that is not copied again for it. */
function grown({ bytes, carried }: IntakeFile): number {
  return bytes - carried < carried ? 0 : bytes - carried;
}

function isEmpty(parts: Iterable<unknown>): boolean {
  for (const _ of parts) return false;
  return true;
}

function write(file: IntakeFile, line: string): void {
  if (line.length >= LONG_LINE) return writeLong(file, line);
  const hash = hashAfter(file.hash, line);
  const bytes = Buffer.from(`${hash} ${line}\n`);
  put(file, hash, bytes.length, () => writeSync(file.fd, bytes, 0, bytes.length, file.bytes));
}

/** The same for a line of which the bytes are made once, for its hash and for the file. */
function writeLong(file: IntakeFile, line: string): void {
  const bytes = Buffer.from(`${file.hash}\n${line}\n`);
  const hash = sha256(bytes.subarray(0, -1));
  const parts = [Buffer.from(`${hash} `), bytes.subarray(file.hash.length + 1)];
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  put(file, hash, length, () => writevSync(file.fd, parts, file.bytes));
}

/** Leaves nothing of what could not be written whole. */
function put(file: IntakeFile, hash: Hash, length: number, writing: () => number): void {
  let written = 0;
  try {
    written = writing();
  } finally {
    if (written < length) ftruncateSync(file.fd, file.bytes);
  }
  if (written < length) throw new Error(`only ${written} of ${length} bytes could be written`);
  file.bytes += length;
  file.hash = hash;
}

function empty(file: IntakeFile): void {
  ftruncateSync(file.fd, 0);
  file.bytes = 0;
  file.carried = 0;
  file.hash = '';
}
