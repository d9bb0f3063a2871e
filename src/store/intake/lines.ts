/** The lines of a file of an intake, one after the other: a file may be longer than a text can be. */
import { closeSync, openSync, readSync } from 'node:fs';

import { reasonOf } from '../../core/errors.js';
import { type Hash, sha256 } from '../../core/text/hash.js';

const CHUNK_BYTES = 1024 * 1024;
const NEWLINE = 10;

/** What a line begins with, and the next line's is taken over. */
export const hashAfter = (before: string, line: string): Hash => sha256(`${before}\n${line}`);

export interface IntakeLine {
  readonly line: string;
  /** What is written before it. */
  readonly hash: string;
  /** Whether that is its hash after the line before. */
  readonly proven: boolean;
}

/** A last line that was cut off is left out: its answer was never acknowledged. Throws what reading throws. */
export function* linesIn(fd: number): Generator<IntakeLine> {
  const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
  let begun: Buffer[] = [];
  let [at, before] = [0, ''];
  for (let read = readSync(fd, chunk, 0, CHUNK_BYTES, 0); read > 0; read = readSync(fd, chunk, 0, CHUNK_BYTES, at)) {
    at += read;
    const bytes = chunk.subarray(0, read);
    let from = 0;
    for (let end = bytes.indexOf(NEWLINE); end >= 0; end = bytes.indexOf(NEWLINE, from)) {
      const text = Buffer.concat([...begun, bytes.subarray(from, end)]).toString('utf8');
      begun = [];
      from = end + 1;
      const space = text.indexOf(' ');
      const [hash, line] = [text.slice(0, space), text.slice(space + 1)];
      yield { line, hash, proven: hashAfter(before, line) === hash };
      before = hash;
    }
    if (from < read) begun.push(Buffer.from(bytes.subarray(from)));
  }
}

/** What most lines are read into; more than it holds is read into a buffer of its own. */
const reading = Buffer.allocUnsafeSlow(256 * 1024);

/** The lines between two bytes of an open file, without their hashes; throws where they cannot be read. */
export function linesAt(fd: number, from: number, to: number): readonly string[] {
  const length = to - from;
  const bytes = length <= reading.length ? reading : Buffer.allocUnsafeSlow(length);
  for (let read = 0; read < length;) {
    const more = readSync(fd, bytes, read, length - read, from + read);
    if (more === 0) throw new Error(`the intake ends before its byte ${to}`);
    read += more;
  }
  return bytes
    .toString('utf8', 0, length)
    .split('\n')
    .slice(0, -1)
    .map((line) => line.slice(line.indexOf(' ') + 1));
}

/**
 * The lines of a file, up to the first whose hash is wrong; with `beyond` also those after it, each of which is proven
 * by the hash that is written before it. What is wrong is known when all of them were asked for.
 */
export class IntakeLines implements Iterable<string> {
  readonly #path: string;
  readonly #beyond: boolean;
  #fault: string | undefined;

  constructor(path: string, beyond = false) {
    this.#path = path;
    this.#beyond = beyond;
  }

  get fault(): string | undefined {
    return this.#fault;
  }

  *[Symbol.iterator](): Generator<string> {
    let fd: number | undefined;
    try {
      fd = openSync(this.#path, 'r');
      let number = 0;
      for (const { line, proven } of linesIn(fd)) {
        number += 1;
        if (proven) yield line;
        else {
          this.#fault ??= `line ${number} is not as it was written`;
          if (!this.#beyond) return;
        }
      }
    } catch (thrown) {
      this.#fault = reasonOf(thrown);
    } finally {
      if (fd !== undefined) closeSync(fd);
    }
  }
}
