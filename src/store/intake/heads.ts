/**
 * The newest row of the ledger that each gateway knows to be committed, in a file of its own beside the database: a
 * database that has lost its end (an older copy was put in its place, its write-ahead log was deleted, the power went)
 * agrees with itself, and does not agree with these.
 */
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, unlinkSync, writeSync } from 'node:fs';
import { join } from 'node:path';

import type { Sealed } from '../log/writer.js';
import { othersOf, ownerIsLive, pathsIn } from './files.js';

export interface Head extends Sealed {
  /** Whose answers are counted, and how many of them must be in the ledger. */
  readonly writer: string;
  readonly answers: number;
}

const ENDING = '.json';
/** Of the same length always, so that a shorter head leaves nothing of a longer one behind it. */
const BYTES = 256;

export class HeadFile {
  readonly #fd: number | undefined;

  constructor(dataDir: string, owner: string) {
    try {
      mkdirSync(folderOf(dataDir), { recursive: true });
      this.#fd = openSync(join(folderOf(dataDir), `${owner}-0${ENDING}`), 'w');
    } catch {
      // Nothing is lost by it but the proof.
    }
  }

  write(head: Head): void {
    if (this.#fd === undefined) return;
    try {
      writeSync(this.#fd, JSON.stringify(head).padEnd(BYTES), 0);
    } catch {
      // The head before it stays, which is true as well.
    }
  }

  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
  }
}

/** Another process that has the log open to write what it answers, or commits what one has left; none: undefined. */
export function otherWriter(dataDir: string): number | undefined {
  return othersOf([...names(dataDir), ...pathsIn(dataDir)])[0];
}

/** What stands in the files; `file` is its name. One that cannot be read says nothing. */
export function headsIn(dataDir: string): readonly { readonly file: string; readonly head: Head }[] {
  return names(dataDir).flatMap((file) => {
    try {
      return [{ file, head: JSON.parse(readFileSync(join(folderOf(dataDir), file), 'utf8')) as Head }];
    } catch {
      return [];
    }
  });
}

/**
 * Deletes the heads of processes that are gone, but for the newest, and for those that `holds` says the ledger
 * contradicts: they stay until somebody has looked. Returns the names of these.
 */
export function tidyHeads(dataDir: string, holds: (head: Head) => boolean): readonly string[] {
  const gone = headsIn(dataDir).filter(({ file }) => !ownerIsLive(file));
  const wrong = gone.filter(({ head }) => !holds(head));
  const right = gone.filter((each) => !wrong.includes(each)).sort((a, b) => b.head.seq - a.head.seq);
  for (const { file } of right.slice(1)) unlinkSync(join(folderOf(dataDir), file));
  return wrong.map(({ file }) => file);
}

function names(dataDir: string): readonly string[] {
  try {
    return readdirSync(folderOf(dataDir)).filter((name) => name.endsWith(ENDING));
  } catch {
    return []; // no gateway has made the folder yet
  }
}

function folderOf(dataDir: string): string {
  return join(dataDir, 'heads');
}
