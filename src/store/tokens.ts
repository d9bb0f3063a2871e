/**
 * Token ids and log-probabilities as bytes: u32 and f32, little endian, so that a row means the same on
 * every machine. A value that does not fit is refused: what is stored is what was sampled.
 */
import { endianness } from 'node:os';

import { internal } from '../core/errors.js';

const BIG_ENDIAN = endianness() === 'BE';

/** The ids from position `from` on. Throws when one is not a whole number from 0 to 2^32 - 1. */
export function packU32(ids: ArrayLike<number>, from = 0): Buffer {
  const bytes = Buffer.allocUnsafe(4 * (ids.length - from));
  const typed = new Uint32Array(bytes.buffer, bytes.byteOffset, ids.length - from);
  for (let at = 0; at < typed.length; at += 1) {
    const id = ids[from + at] ?? Number.NaN;
    typed[at] = id;
    if (typed[at] !== id) throw internal(`token id ${id} at position ${from + at} is not a 32-bit whole number`);
  }
  return BIG_ENDIAN ? bytes.swap32() : bytes;
}

export function unpackU32(bytes: Buffer): number[] {
  return Array.from(viewU32(bytes));
}

export function packF32(values: ArrayLike<number>): Buffer {
  const bytes = Buffer.allocUnsafe(4 * values.length);
  new Float32Array(bytes.buffer, bytes.byteOffset, values.length).set(values);
  return BIG_ENDIAN ? bytes.swap32() : bytes;
}

export function unpackF32(bytes: Buffer): number[] {
  return Array.from(viewF32(bytes));
}

/** {@link unpackF32} without a list of its own. */
export function viewF32(bytes: Buffer): Float32Array {
  return new Float32Array(aligned(bytes));
}

/** {@link unpackU32} without a list of its own. */
export function viewU32(bytes: Buffer): Uint32Array {
  return new Uint32Array(aligned(bytes));
}

/** A copy of its own: SQLite's buffers start anywhere, typed arrays only at multiples of four. */
function aligned(bytes: Buffer): ArrayBuffer {
  const copy = new Uint8Array(bytes.length);
  copy.set(bytes);
  if (BIG_ENDIAN) Buffer.from(copy.buffer).swap32();
  return copy.buffer;
}
