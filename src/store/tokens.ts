/**
 * Token ids and log-probabilities as bytes: u32 and f32, little endian, so that a row means the same on
 * every machine. A value that does not fit is refused: what is stored is what was sampled.
 */
import { endianness } from 'node:os';

import { internal } from '../core/errors.js';

const BIG_ENDIAN = endianness() === 'BE';

/** Throws when an id is not a whole number from 0 to 2^32 - 1. */
export function packU32(ids: ArrayLike<number>): Buffer {
  const typed = typedIds(ids);
  return bytesOf(typed === ids ? typed.slice() : typed);
}

export function unpackU32(bytes: Buffer): number[] {
  return Array.from(viewU32(bytes));
}

export function packF32(values: ArrayLike<number>): Buffer {
  return bytesOf(new Float32Array(values));
}

export function unpackF32(bytes: Buffer): number[] {
  return Array.from(new Float32Array(aligned(bytes)));
}

/** {@link packU32}'s check and narrowing without the bytes. */
export function typedIds(ids: ArrayLike<number>): Uint32Array {
  if (ids instanceof Uint32Array) return ids;
  const typed = new Uint32Array(ids);
  for (let at = 0; at < typed.length; at += 1) {
    if (typed[at] !== ids[at]) throw internal(`token id ${String(ids[at])} at position ${at} is not a 32-bit whole number`);
  }
  return typed;
}

export function viewU32(bytes: Buffer): Uint32Array {
  return new Uint32Array(aligned(bytes));
}

/** `a` and then `b`. */
export function joined(a: Uint32Array, b: Uint32Array): Uint32Array {
  const both = new Uint32Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}

/** How many leading ids two lists share. */
export function sharedPrefix(a: Uint32Array, b: Uint32Array): number {
  const most = Math.min(a.length, b.length);
  let at = 0;
  while (at < most && a[at] === b[at]) at += 1;
  return at;
}

function bytesOf(typed: Uint32Array | Float32Array): Buffer {
  const bytes = Buffer.from(typed.buffer, typed.byteOffset, typed.byteLength);
  return BIG_ENDIAN ? bytes.swap32() : bytes;
}

/** A copy of its own: SQLite's buffers start anywhere, typed arrays only at multiples of four. */
function aligned(bytes: Buffer): ArrayBuffer {
  const copy = new Uint8Array(bytes.length);
  copy.set(bytes);
  if (BIG_ENDIAN) Buffer.from(copy.buffer).swap32();
  return copy.buffer;
}
