/**
 * The intake: what is recorded and not committed yet, in files of the gateway's own beside the database. A line is
 * written before its answer ends, and survives a killed process as a commit does; once it is committed it is deleted.
 * Where a process ended with lines in its intake, whoever opens the data folder next commits them (`recover.ts`).
 */
import { closeSync, ftruncateSync, mkdirSync, writeSync } from 'node:fs';
import { join } from 'node:path';

import { writeJson } from '../../core/text/json.js';
import { closeOwner, discard, fileName, folderOf, newOwner, quarantine } from '../intake/files.js';
import { linesAt, linesIn } from '../intake/lines.js';
import { empty, grown, type IntakeFile, lineAt, newFile, type Place, write, writeLarge } from './intake_file.js';
import { parseIntakeLine, type RecordingMessage } from './wire.js';

/** A file is closed and another begun at this size. */
const MAX_FILE_BYTES = 16 * 1024 * 1024;
/** From this size on it is worth copying unfinished recordings into a new file so that the old one can be deleted. */
const COMPACT_BYTES = 1024 * 1024;
/** What is larger is copied by the thread pool. */
const LARGE_BYTES = 256 * 1024;

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
  /** While something large is written or copied nothing else is done with any file. */
  #busy: Promise<void> | undefined;
  /** What is to be done after that. */
  #later: (() => void)[] = [];
  /** No other file could be begun when the current one had so many bytes. */
  #fullAt = 0;

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

  /** Resolves when something large is written, before which no line may be added; undefined where nothing is. */
  get busy(): Promise<void> | undefined {
    return this.#busy;
  }

  /**
   * Begins another file where this one is full and much has to be copied for it. A promise means: add no line before
   * it has resolved.
   */
  makeRoom(): Promise<void> | undefined {
    const current = this.#current;
    if (current !== undefined && !this.#isFull(current)) return undefined;
    if (!this.#isLarge()) return undefined;
    return this.#whileBusy(async () => {
      try {
        await this.#beginInTurns();
        this.#fullAt = 0;
      } catch (thrown) {
        if (current === undefined) throw thrown;
        this.#fullAt = current.bytes + MAX_FILE_BYTES; // it is written on
      }
    });
  }

  /** {@link append} of a large line, by the thread pool. */
  async appendLarge(line: readonly Buffer[], number: number): Promise<Place | undefined> {
    let place: Place | undefined;
    await this.#whileBusy(async () => {
      const file = this.#writable();
      const from = file.bytes;
      await writeLarge(file, line);
      file.newest = number;
      place = { file, from, to: file.bytes };
    });
    return place;
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
    if (this.#busy !== undefined) return true; // it is being written
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
    if (this.#busy !== undefined) return false;
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
  discardCommitted(number: number, completely = false): Promise<void> | undefined {
    const busy = this.#busy;
    if (busy !== undefined) {
      this.#later.push(() => void this.discardCommitted(number, completely));
      return busy.then(() => this.#busy); // which is what was to be done later, where that is large
    }
    const current = this.#current;
    try {
      if (current !== undefined && current.bytes > 0 && current.newest <= number) {
        if (isEmpty(this.#unfinished())) empty(current);
        else if (completely || (grown(current) > COMPACT_BYTES && this.#isSpent(current))) {
          if (this.#isLarge()) {
            this.#later.push(() => this.#discardBut(number));
            return this.#whileBusy(() => this.#beginInTurns());
          }
          this.#beginFile();
        }
      }
    } catch {
      // The disk is full: the next commit tries again.
    }
    this.#discardBut(number);
    return undefined;
  }

  /** Ends the current file; the next line begins another. Returns the paths of all files, which stay where they are. */
  rotate(): readonly string[] {
    this.#current = undefined;
    return this.#files.map(({ path }) => path);
  }

  /** Keeps these files, of which something cannot be committed, for a person to look at. */
  quarantine(paths: readonly string[]): void {
    if (this.#busy !== undefined) return void this.#later.push(() => this.quarantine(paths));
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
    if (current !== undefined && !this.#isFull(current)) return current;
    try {
      return this.#beginFile();
    } catch (thrown) {
      if (current === undefined) throw thrown;
      return current;
    }
  }

  #isFull(file: IntakeFile): boolean {
    return grown(file) > MAX_FILE_BYTES && file.bytes >= this.#fullAt && this.#isSpent(file);
  }

  /** Whether less of a file is needed for what is unfinished than is not: less is copied than is given back. */
  #isSpent({ bytes }: IntakeFile): boolean {
    let needed = 0;
    for (const part of this.#unfinished())
      needed += 'text' in part ? part.text.length : part.place.to - part.place.from;
    return bytes - needed >= needed;
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

  /** Resolves when it is over, also where it could not be done, and so is what was to be done later. */
  #whileBusy(work: () => Promise<void>): Promise<void> {
    const busy = work()
      .catch(() => undefined)
      .then(() => {
        if (this.#busy === busy) this.#busy = undefined;
        for (const next of this.#later.splice(0)) next();
      });
    return (this.#busy = busy);
  }

  /** Whether what goes on into the next file takes long to copy. */
  #isLarge(): boolean {
    for (const part of this.#unfinished())
      if ('place' in part && part.place.to - part.place.from > LARGE_BYTES) return true;
    return false;
  }

  /** {@link #beginFile} where much is copied. */
  async #beginInTurns(): Promise<void> {
    const file = newFile(this.#nextPath());
    this.#files.push(file);
    const moved: (() => void)[] = [];
    for (const part of [...this.#unfinished()]) {
      if ('text' in part) {
        write(file, `[${part.text}]`);
        continue;
      }
      const from = file.bytes;
      await writeLarge(file, await lineAt(part.place));
      const place = { file, from, to: file.bytes };
      moved.push(() => (part.place = place));
    }
    this.#goOnIn(file, moved);
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
    return this.#goOnIn(file, moved);
  }

  /** Last: where the file could not be written, the one before still has the unfinished recordings. */
  #goOnIn(file: IntakeFile, moved: readonly (() => void)[]): IntakeFile {
    file.carried = file.bytes;
    for (const move of moved) move();
    return (this.#current = file);
  }

  #discardBut(number: number): void {
    this.#discardFiles((file) => file !== this.#current && file.newest <= number);
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

function isEmpty(parts: Iterable<unknown>): boolean {
  for (const _ of parts) return false;
  return true;
}
