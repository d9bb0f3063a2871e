/**
 * What is in the intake and not sent to the log's thread: where its lines stand. Their text is not kept, and the log's
 * thread reads them there.
 */
import type { IntakeFile, Place } from './intake_file.js';

/** Lines that are sent together. */
export interface Group {
  /** Number of its newest line. */
  newest: number;
  /** Newest number of an answer that ends in it or before it. */
  numbered: number;
  answers: number;
  bytes: number;
}

interface Waiting extends Group {
  readonly file: IntakeFile;
  readonly from: number;
  to: number;
}

/** Bytes in one group. */
export const GROUP_BYTES = 128 * 1024;
/** With more of it answers wait. */
export const MAX_UNSENT_BYTES = 8 * 1024 * 1024;

export class Backlog {
  /** Each is in one file. */
  #groups: Waiting[] = [];
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }

  /** Adds the newest line. */
  add({ file, from, to }: Place, { newest, numbered, answers, bytes }: Group): void {
    const last = this.#groups.at(-1);
    this.#bytes += bytes;
    if (last === undefined || last.bytes >= GROUP_BYTES || last.file !== file) {
      this.#groups.push({ newest, numbered, answers, bytes, file, from, to });
      return;
    }
    last.newest = newest;
    last.numbered = Math.max(last.numbered, numbered);
    last.answers += answers;
    last.bytes += bytes;
    last.to = to;
  }

  /** Takes whole groups until there are `maxBytes`, up to the one with the line `last`. */
  take(maxBytes: number, last: number): { readonly places: readonly Place[]; readonly group: Group } | undefined {
    const places: Place[] = [];
    const group: Group = { newest: 0, numbered: 0, answers: 0, bytes: 0 };
    for (const { file, from, to, newest, numbered, answers, bytes } of this.#groups) {
      if (group.bytes >= maxBytes || group.newest >= last) break;
      places.push({ file, from, to });
      group.newest = newest;
      group.numbered = Math.max(group.numbered, numbered);
      group.answers += answers;
      group.bytes += bytes;
    }
    if (places.length === 0) return undefined;
    this.#groups.splice(0, places.length);
    this.#bytes -= group.bytes;
    return { places, group };
  }

  /** Bytes up to the line `last`. */
  bytesTo(last: number): number {
    let [sum, before] = [0, 0];
    for (const { newest, bytes } of this.#groups) {
      if (before >= last) break;
      sum += bytes;
      before = newest;
    }
    return sum;
  }

  clear(): void {
    this.#groups = [];
    this.#bytes = 0;
  }
}
