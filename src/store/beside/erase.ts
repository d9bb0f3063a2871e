/** Deletion of what was set aside: no file that waits for a person spells a trajectory that was deleted. */
import { closeSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';

import { writeJson } from '../../core/text/json.js';
import { discard, quarantinedPaths } from '../intake/files.js';
import { hashAfter, linesIn } from '../intake/lines.js';
import { parseIntakeLine, type RecordingMessage } from './wire.js';

/**
 * Takes the trajectory out of the files that were set aside. A damaged line that may be a part of it goes with it; one
 * that is not stays as it is, since it is all there is to mend it by.
 */
export function eraseSetAside(dataDir: string, trajectoryId: string): void {
  for (const path of quarantinedPaths(dataDir)) {
    const fd = opened(path);
    if (fd === undefined) continue;
    try {
      if (mentions(fd, trajectoryId)) eraseIn(path, fd, trajectoryId);
    } finally {
      closeSync(fd);
    }
  }
}

/** Undefined where it was settled meanwhile. */
function opened(path: string): number | undefined {
  try {
    return openSync(path, 'r');
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw thrown;
  }
}

function mentions(fd: number, trajectoryId: string): boolean {
  for (const { line } of linesIn(fd)) if (line.includes(trajectoryId)) return true;
  return false;
}

function eraseIn(path: string, from: number, trajectoryId: string): void {
  const draft = `${path}.new`;
  rmSync(draft, { force: true });
  const to = openSync(draft, 'w', 0o600);
  const gone = new Gone(trajectoryId);
  let [before, kept] = ['', 0];
  try {
    for (const { line, hash, proven } of linesIn(from)) {
      const rest = gone.restOf(line, proven);
      if (rest === undefined) continue;
      before = proven ? hashAfter(before, rest) : hash;
      writeSync(to, `${before} ${rest}\n`);
      kept += 1;
    }
  } finally {
    closeSync(to);
  }
  if (kept > 0) renameSync(draft, path);
  else {
    discard(draft);
    discard(path);
  }
}

/** Which recordings are the trajectory's, from line to line. */
class Gone {
  readonly #trajectoryId: string;
  readonly #recordings = new Set<number>();

  constructor(trajectoryId: string) {
    this.#trajectoryId = trajectoryId;
  }

  /** What is left of a line; undefined for nothing. */
  restOf(line: string, proven: boolean): string | undefined {
    let messages: readonly RecordingMessage[];
    try {
      messages = parseIntakeLine(line);
    } catch {
      return this.#mayHave(line) ? undefined : line;
    }
    const rest = messages.filter((message) => !this.#has(message));
    if (rest.length === messages.length && (proven || !line.includes(this.#trajectoryId))) return line;
    // A line that was damaged and can be read is not written as if it were whole.
    return rest.length === 0 || !proven ? undefined : writeJson(rest);
  }

  #has(message: RecordingMessage): boolean {
    if (message.type === 'begin') {
      if (message.trajectoryId === this.#trajectoryId) this.#recordings.add(message.recording);
      else this.#recordings.delete(message.recording);
    }
    return this.#recordings.has(message.recording);
  }

  /** Nobody can say of what cannot be read whose it is: it goes where it names the trajectory or a recording of it. */
  #mayHave(line: string): boolean {
    if (line.includes(this.#trajectoryId)) {
      for (const [, number = ''] of line.matchAll(RECORDING)) this.#recordings.add(Number(number));
      return true;
    }
    const numbers = [...line.matchAll(RECORDING)].map(([, number = '']) => Number(number));
    return numbers.length === 0 ? this.#recordings.size > 0 : numbers.some((number) => this.#recordings.has(number));
  }
}

const RECORDING = /"(?:recording|thread)":(\d+)/g;
