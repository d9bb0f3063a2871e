/** One file of the intake: lines are added at its end, each with a hash over the one before. */
import { createHash } from 'node:crypto';
import { ftruncateSync, openSync, read, writeSync, writev, writevSync } from 'node:fs';
import { promisify } from 'node:util';

import { turnFor } from '../../core/running/turns.js';
import { hashOf, sha256, type Hash } from '../../core/text/hash.js';
import { hashAfter } from '../intake/lines.js';

const LONG_LINE = 64 * 1024;
/** Bytes that are hashed in one turn of the event loop. */
const HASHED_BYTES = 4 * 1024 * 1024;
/** Bytes of a line that are read at once. */
const READ_BYTES = 1024 * 1024;
const NEWLINE = Buffer.from('\n');

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

export function newFile(path: string): IntakeFile {
  return { path, fd: openSync(path, 'w+'), bytes: 0, carried: 0, hash: '', newest: 0 };
}

/** What was added to a file, or nothing where that is less than what it began with: that is not copied again for it. */
export function grown({ bytes, carried }: IntakeFile): number {
  return bytes - carried < carried ? 0 : bytes - carried;
}

/** Throws where it cannot be written; then nothing of it is there. */
export function write(file: IntakeFile, line: string): void {
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
  put(file, hash, lengthOf(parts), () => writevSync(file.fd, parts, file.bytes));
}

/** Leaves nothing of what could not be written whole. */
function put(file: IntakeFile, hash: Hash, length: number, writing: () => number): void {
  let written = 0;
  try {
    written = writing();
  } finally {
    if (written < length) ftruncateSync(file.fd, file.bytes);
  }
  added(file, hash, length, written);
}

/**
 * The same for a line so large that it is hashed in turns of the event loop, and the thread pool writes it. Nothing
 * else is done with the file meanwhile.
 */
export async function writeLarge(file: IntakeFile, line: readonly Buffer[]): Promise<void> {
  const sum = createHash('sha256').update(`${file.hash}\n`);
  let unhashed = 0;
  for (const part of line) {
    if (unhashed >= HASHED_BYTES) {
      await turnFor(unhashed);
      unhashed = 0;
    }
    sum.update(part);
    unhashed += part.length;
  }
  const hash = hashOf(sum);
  const parts = [Buffer.from(`${hash} `), ...line, NEWLINE];
  const length = lengthOf(parts);
  let written = 0;
  try {
    written = (await promisify(writev)(file.fd, parts, file.bytes)).bytesWritten;
  } finally {
    if (written < length) ftruncateSync(file.fd, file.bytes);
  }
  added(file, hash, length, written);
}

/** A line as it stands in another file, without its hash. */
export async function lineAt({ file, from, to }: Place): Promise<readonly Buffer[]> {
  const parts: Buffer[] = [];
  for (let at = from; at < to;) {
    const part = Buffer.allocUnsafe(Math.min(READ_BYTES, to - at));
    const { bytesRead } = await promisify(read)(file.fd, part, 0, part.length, at);
    if (bytesRead === 0) throw new Error(`the intake ends before its byte ${to}`);
    parts.push(part.subarray(0, bytesRead));
    at += bytesRead;
  }
  const [first = NEWLINE] = parts;
  parts[0] = first.subarray(first.indexOf(' ') + 1);
  const last = parts.at(-1) ?? NEWLINE;
  parts[parts.length - 1] = last.subarray(0, -1);
  return parts;
}

export function empty(file: IntakeFile): void {
  ftruncateSync(file.fd, 0);
  file.bytes = 0;
  file.carried = 0;
  file.hash = '';
}

function added(file: IntakeFile, hash: Hash, length: number, written: number): void {
  if (written < length) throw new Error(`only ${written} of ${length} bytes could be written`);
  file.bytes += length;
  file.hash = hash;
}

function lengthOf(parts: readonly Buffer[]): number {
  return parts.reduce((sum, part) => sum + part.length, 0);
}
