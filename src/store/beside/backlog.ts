/**
 * What is in the intake and not sent to the log's thread. Much of it only waits where the log does: then its text is
 * not kept in memory, and is read from the intake when its turn comes.
 */
import type { Place } from './intake.js';

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
  chars: number;
  /** Its messages with commas between; undefined where they are to be read. */
  texts: string[] | undefined;
  place: Place;
}

/** Characters in one group. */
export const GROUP_CHARS = 128 * 1024;
/** Characters that are kept in memory. */
export const MAX_UNSENT_CHARS = 8 * 1024 * 1024;

export class Backlog {
  readonly #read: (place: Place) => readonly string[];
  #groups: Waiting[] = [];
  #chars = 0;

  constructor(read: (place: Place) => readonly string[]) {
    this.#read = read;
  }

  /** Characters of all lines, wherever they are. */
  get chars(): number {
    return this.#chars;
  }

  /** Adds the newest line. */
  add(text: string, place: Place, line: Group): void {
    const kept = this.#chars === 0 || this.#chars + text.length <= MAX_UNSENT_CHARS;
    const last = this.#groups.at(-1);
    this.#chars += text.length;
    if (
      last === undefined ||
      last.chars >= GROUP_CHARS ||
      kept !== (last.texts !== undefined) ||
      last.place.file !== place.file
    ) {
      this.#groups.push({ ...line, chars: text.length, texts: kept ? [text] : undefined, place });
      return;
    }
    last.newest = line.newest;
    last.numbered = Math.max(last.numbered, line.numbered);
    last.answers += line.answers;
    last.bytes += line.bytes;
    last.chars += text.length;
    last.texts?.push(text);
    last.place = { ...last.place, to: place.to };
  }

  /** Takes whole groups until there are `maxChars`, up to the one with the line `last`. Throws what reading throws. */
  take(maxChars: number, last: number): { readonly texts: readonly string[]; readonly group: Group } | undefined {
    const texts: string[] = [];
    let group: Group | undefined;
    let [chars, count, before] = [0, 0, 0];
    for (const next of this.#groups) {
      if (chars >= maxChars || before >= last) break;
      for (const text of next.texts ?? this.#read(next.place).map((line) => line.slice(1, -1))) texts.push(text);
      group = {
        newest: next.newest,
        numbered: Math.max(next.numbered, group?.numbered ?? 0),
        answers: next.answers + (group?.answers ?? 0),
        bytes: next.bytes + (group?.bytes ?? 0),
      };
      before = next.newest;
      chars += next.chars;
      count += 1;
    }
    if (group === undefined) return undefined;
    this.#groups.splice(0, count);
    this.#chars -= chars;
    return { texts, group };
  }

  /** Characters up to the line `last`. */
  charsTo(last: number): number {
    let [chars, before] = [0, 0];
    for (const next of this.#groups) {
      if (before >= last) break;
      chars += next.chars;
      before = next.newest;
    }
    return chars;
  }

  clear(): void {
    this.#groups = [];
    this.#chars = 0;
  }
}
