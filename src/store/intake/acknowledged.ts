/**
 * How many answers a gateway has acknowledged, and how many of these are committed, in a file of its own beside the
 * heads: an intake that was deleted is missed. It is written a moment after an answer is, so that it is a lower bound.
 */
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, renameSync, unlinkSync, writeSync } from 'node:fs';
import { join } from 'node:path';

import { ownerIsLive, pathsIn } from './files.js';

interface Acknowledged {
  /** Numbers of the newest answer that is in the intake, and that is committed. */
  readonly written: number;
  readonly committed: number;
}

const ENDING = '.acknowledged';
/** Of one of which something is neither in the log nor in an intake, as is known since it was recovered. */
const LOST_ENDING = '.lost';
/** Of the same length always, so that nothing of a longer one is left behind a shorter one. */
const BYTES = 64;
const WRITE_MS = 100;

export class AcknowledgedFile {
  readonly #path: string;
  #fd: number | undefined;
  #now: Acknowledged = { written: 0, committed: 0 };
  #timer: NodeJS.Timeout | undefined;

  constructor(dataDir: string, owner: string) {
    this.#path = pathOf(dataDir, owner);
    try {
      mkdirSync(folderOf(dataDir), { recursive: true });
      this.#fd = openSync(this.#path, 'w');
      this.#write();
    } catch {
      // Nothing is lost by it but the proof.
    }
  }

  written(number: number): void {
    if (this.#fd === undefined || number <= this.#now.written) return;
    this.#now = { ...this.#now, written: number };
    this.#timer ??= setTimeout(() => this.#write(), WRITE_MS).unref();
  }

  /** Before what is committed leaves the intake. */
  committed(number: number): void {
    if (this.#fd === undefined || number <= this.#now.committed) return;
    this.#now = { written: Math.max(number, this.#now.written), committed: number };
    this.#write();
  }

  /** Says nothing from now on: what comes is not in the intake, and acknowledged when it is committed. */
  giveUp(): void {
    this.#now = { written: 0, committed: 0 };
    this.close();
  }

  close(): void {
    if (this.#fd === undefined) return;
    const { written, committed } = this.#now;
    if (written > committed) this.#write();
    clearTimeout(this.#timer);
    if (this.#fd === undefined) return;
    closeSync(this.#fd);
    this.#fd = undefined;
    if (written === committed) remove(this.#path);
  }

  #write(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#fd === undefined) return;
    try {
      writeSync(this.#fd, JSON.stringify(this.#now).padEnd(BYTES), 0);
    } catch {
      // What it said before would be wrong once more is committed.
      closeSync(this.#fd);
      this.#fd = undefined;
      remove(this.#path);
    }
  }
}

/** The intake of one owner is another's from now on. */
export function takeOver(dataDir: string, from: string, to: string): void {
  try {
    renameSync(pathOf(dataDir, from), pathOf(dataDir, to));
  } catch {
    // Earlier builds have none.
  }
}

/** An intake is recovered, and had the ends of answers with these numbers; undefined where some are set aside. */
export function recovered(dataDir: string, owner: string, numbers: ReadonlySet<number> | undefined): void {
  const path = pathOf(dataDir, owner);
  const known = read(path);
  if (known === undefined) return;
  const there = numbers === undefined ? known.written : [...numbers].filter((each) => each > known.committed).length;
  if (known.committed + there >= known.written) return remove(path);
  try {
    const fd = openSync(path, 'r+');
    writeSync(fd, JSON.stringify({ ...known, committed: known.committed + there }).padEnd(BYTES), 0);
    closeSync(fd);
    renameSync(path, path.replace(ENDING, LOST_ENDING));
  } catch {
    // It is found as it is.
  }
}

/** Files of gateways that are gone, which acknowledged so many answers more than there are. */
export function lostIn(dataDir: string): readonly { readonly file: string; readonly answers: number }[] {
  const intakes = pathsIn(dataDir);
  return names(dataDir).flatMap((file) => {
    const owner = file.slice(0, file.lastIndexOf('-'));
    const pending = file.endsWith(ENDING) && (ownerIsLive(file) || intakes.some((path) => path.includes(`${owner}-`)));
    const known = pending ? undefined : read(join(folderOf(dataDir), file));
    const answers = known === undefined ? 0 : known.written - known.committed;
    return answers > 0 ? [{ file, answers }] : [];
  });
}

function read(path: string): Acknowledged | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as Acknowledged;
  } catch {
    return undefined;
  }
}

function remove(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // It is gone, or the folder may not be written.
  }
}

function names(dataDir: string): readonly string[] {
  try {
    return readdirSync(folderOf(dataDir)).filter((name) => name.endsWith(ENDING) || name.endsWith(LOST_ENDING));
  } catch {
    return []; // no gateway has made the folder yet
  }
}

function pathOf(dataDir: string, owner: string): string {
  return join(folderOf(dataDir), `${owner}-0${ENDING}`);
}

function folderOf(dataDir: string): string {
  return join(dataDir, 'heads');
}
