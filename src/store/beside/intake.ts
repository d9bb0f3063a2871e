/**
 * The intake: what the log has been told and has not committed yet, in files of the gateway's own beside the
 * database. A line is written before its answer ends, and survives a killed process as a commit does; what is
 * committed is emptied out of it. Where a process ended with lines in its intake, whoever opens the data folder
 * next commits them (`intake_left.ts`).
 */
import {
  closeSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';

import { reasonOf } from '../../core/errors.js';
import { sha256, type Hash } from '../../core/text/hash.js';
import { alive, processOf } from '../../core/process.js';

/** A file is closed and another begun at this size. */
const FILE_BYTES = 16 * 1024 * 1024;
/** Worth moving what is open to another file, for the sake of what is not needed any more. */
const MOVE_BYTES = 1024 * 1024;
/** What could not be committed is kept under this ending, for a person to look at. */
const SET_ASIDE = '.unsettled';
const ENDING = '.jsonl';

interface Part {
  readonly path: string;
  readonly fd: number;
  bytes: number;
  /** Hash of the last line: each line's is taken over it. */
  hash: Hash | '';
  /** Number of the newest text in it. */
  last: number;
}

export class Intake {
  readonly #folder: string;
  readonly #owner: string;
  /** What is still needed of answers that are not over, when a file is begun: what precedes it may be gone. */
  readonly #open: () => string | undefined;
  #files = 0;
  /** Oldest first. */
  #parts: Part[] = [];
  /** The one that is written to; the next text begins one where there is none. */
  #current: Part | undefined;

  constructor(dataDir: string, open: () => string | undefined) {
    this.#folder = folderOf(dataDir);
    this.#owner = newOwner();
    this.#open = open;
  }

  /**
   * Writes a text of one line under its number, which grows. False when it could not be written: then it is as if it
   * had never been tried.
   */
  append(text: string, number: number): boolean {
    try {
      const part = this.#current === undefined || this.#current.bytes > FILE_BYTES ? this.#begin() : this.#current;
      write(part, text);
      part.last = number;
      return true;
    } catch {
      return false;
    }
  }

  /**
   * Everything up to this number is committed; `now`: and nothing of it may stay. What a fault leaves behind is known
   * to be committed when it is read.
   */
  settled(number: number, now = false): void {
    const current = this.#current;
    try {
      if (current !== undefined && current.bytes > 0 && current.last <= number) {
        if (this.#open() === undefined) empty(current);
        else if (now || current.bytes > MOVE_BYTES) this.#begin();
      }
    } catch {
      // The disk is full: there will be another time.
    }
    this.#drop((part) => part !== this.#current && part.last <= number);
  }

  /** The paths of all there is. Nothing more is written to them; they stay until they are `settled`. */
  cut(): readonly string[] {
    this.#current = undefined;
    return this.#parts.map(({ path }) => path);
  }

  /** Keeps these for a person to look at: they cannot be committed. */
  setAside(paths: readonly string[]): void {
    this.#parts = this.#parts.filter((part) => {
      if (!paths.includes(part.path)) return true;
      closeSync(part.fd);
      letGo(part.path, true);
      return false;
    });
  }

  /** Lets go of its files. Those that are empty are gone, others wait for the next to open the folder. */
  close(): void {
    this.#drop((part) => part.bytes === 0);
    for (const { fd } of this.#parts) closeSync(fd);
    this.#parts = [];
    this.#current = undefined;
    closed.add(this.#owner);
  }

  #begin(): Part {
    mkdirSync(this.#folder, { recursive: true });
    this.#files += 1;
    const path = join(this.#folder, `${this.#owner}-${String(this.#files).padStart(6, '0')}${ENDING}`);
    const part: Part = { path, fd: openSync(path, 'w'), bytes: 0, hash: '', last: 0 };
    this.#parts.push(part);
    const open = this.#open();
    if (open !== undefined) write(part, open);
    return (this.#current = part); // only now: without what is open the one before is still needed
  }

  #drop(which: (part: Part) => boolean): void {
    this.#parts = this.#parts.filter((part) => {
      if (!which(part)) return true;
      closeSync(part.fd);
      letGo(part.path, false);
      return false;
    });
  }
}

function write(part: Part, text: string): void {
  const hash = sha256(`${part.hash}\n${text}`);
  const line = Buffer.from(`${hash} ${text}\n`);
  let written = 0;
  try {
    written = writeSync(part.fd, line, 0, line.length, part.bytes);
  } finally {
    if (written < line.length) ftruncateSync(part.fd, part.bytes);
  }
  if (written < line.length) throw new Error(`only ${written} of ${line.length} bytes could be written`);
  part.bytes += line.length;
  part.hash = hash;
}

function empty(part: Part): void {
  ftruncateSync(part.fd, 0);
  part.bytes = 0;
  part.hash = '';
}

/**
 * The texts of a file, up to the first that is not as it was written. A last line without its end was never answered
 * for.
 */
export function textsOf(path: string): { readonly texts: readonly string[]; readonly fault?: string | undefined } {
  const texts: string[] = [];
  try {
    const lines = readFileSync(path, 'utf8').split('\n').slice(0, -1);
    let hash: Hash | '' = '';
    for (const [at, line] of lines.entries()) {
      const end = line.indexOf(' ');
      const text = line.slice(end + 1);
      hash = sha256(`${hash}\n${text}`);
      if (hash !== line.slice(0, end)) return { texts, fault: `line ${at + 1} is not as it was written` };
      texts.push(text);
    }
    return { texts };
  } catch (thrown) {
    return { texts, fault: reasonOf(thrown) };
  }
}

/**
 * Takes over the intakes of processes that are gone, oldest first: the paths are this process's from now on, and nobody
 * else's.
 */
export function takeLeft(dataDir: string): readonly string[] {
  const left = filesIn(dataDir, ENDING).filter((name) => !isLive(ownerOf(name)));
  if (left.length === 0) return [];
  // Whose a file was still shows: numbers of threads are an owner's own.
  const heirs = new Map([...new Set(left.map(ownerOf))].map((owner) => [owner, newOwner()]));
  const taken = left.flatMap((name, at) => {
    const path = join(folderOf(dataDir), `${heirs.get(ownerOf(name)) ?? ''}-${String(at).padStart(6, '0')}${ENDING}`);
    try {
      renameSync(join(folderOf(dataDir), name), path);
      return [path];
    } catch {
      return []; // another process was quicker
    }
  });
  return taken;
}

/** Names of files that could not be committed. */
export function setAsideIn(dataDir: string): readonly string[] {
  return filesIn(dataDir, SET_ASIDE);
}

/** A file is done with: gone, or kept for a person to look at. */
export function letGo(path: string, keep: boolean): void {
  try {
    if (keep) renameSync(path, path.replace(ENDING, SET_ASIDE));
    else unlinkSync(path);
  } catch {
    // Someone has removed it, or it cannot be removed: then it is read again, and known to be committed.
  }
}

function folderOf(dataDir: string): string {
  return join(dataDir, 'intake');
}

function filesIn(dataDir: string, ending: string): readonly string[] {
  try {
    return readdirSync(folderOf(dataDir))
      .filter((name) => name.endsWith(ending))
      .sort((a, b) => ageOf(a) - ageOf(b) || (a < b ? -1 : 1));
  } catch {
    return []; // nobody has had one yet
  }
}

/** Owners that are done in a process that is not. */
const closed = new Set<string>();
let made = 0;

/** When it began, the process by number and start time, and a number within the process. */
function newOwner(): string {
  made += 1;
  return `${Date.now()}.${process.pid}.${processOf(process.pid)?.startTime ?? ''}.${made}`;
}

/** The owner of a file, of its name or its path. */
export function ownerOf(path: string): string {
  return path.slice(0, path.lastIndexOf('-'));
}

function ageOf(name: string): number {
  return Number(name.split('.', 1)[0]);
}

function isLive(owner: string): boolean {
  const [, pid = '', startTime = ''] = owner.split('.');
  if (Number(pid) === process.pid && (startTime === '' || processOf(process.pid)?.startTime === startTime))
    return !closed.has(owner);
  if (startTime !== '') return alive({ pid: Number(pid), startTime });
  try {
    return process.kill(Number(pid), 0); // where a process's start cannot be known, its number has to do
  } catch {
    return false;
  }
}
