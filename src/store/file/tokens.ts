/**
 * Token ids and log-probabilities as bytes: u32 and f32, little endian, so that a row means the same on
 * every machine. A value that does not fit is refused: what is stored is what was sampled.
 */
import { endianness } from 'node:os';

import { internal } from '../../core/errors.js';

const BIG_ENDIAN = endianness() === 'BE';

/** The ids from position `from` on. Throws when one is not a whole number from 0 to 2^32 - 1. */
export function packU32(ids: ArrayLike<number>, from = 0): Buffer {
  if (ids instanceof Uint32Array && !BIG_ENDIAN)
    return Buffer.from(ids.buffer, ids.byteOffset + 4 * from, 4 * (ids.length - from));
  const bytes = Buffer.allocUnsafe(4 * (ids.length - from));
  fill(new Uint32Array(bytes.buffer, bytes.byteOffset, ids.length - from), ids, from);
  return BIG_ENDIAN ? bytes.swap32() : bytes;
}

/** Two lists of ids and one of log-probabilities, one after the other: {@link unpackStep} takes them apart. */
export function packStep(prompt: ArrayLike<number>, ids: ArrayLike<number>, logprobs: ArrayLike<number>): Buffer {
  const whole = prompt.length + ids.length;
  const bytes = Buffer.allocUnsafe(4 * (whole + logprobs.length));
  const typed = new Uint32Array(bytes.buffer, bytes.byteOffset, whole);
  fill(typed, prompt);
  fill(typed, ids, 0, prompt.length);
  new Float32Array(bytes.buffer, bytes.byteOffset + 4 * whole, logprobs.length).set(logprobs);
  return BIG_ENDIAN ? bytes.swap32() : bytes;
}

/** Views into the bytes of {@link packStep}, by the lengths of the first two lists. */
export function unpackStep(
  bytes: Buffer,
  prompt: number,
  ids: number,
): { readonly prompt: Uint32Array; readonly ids: Uint32Array; readonly logprobs: Float32Array } {
  const { buffer, byteOffset, byteLength } = aligned(bytes);
  const whole = prompt + ids;
  const logprobs = new Float32Array(buffer, byteOffset + 4 * whole, byteLength / 4 - whole);
  return {
    prompt: new Uint32Array(buffer, byteOffset, prompt),
    ids: new Uint32Array(buffer, byteOffset + 4 * prompt, ids),
    logprobs,
  };
}

function fill(typed: Uint32Array, ids: ArrayLike<number>, from = 0, to = 0): void {
  for (let at = from; at < ids.length; at += 1) {
    const id = ids[at] ?? Number.NaN;
    const place = to + at - from;
    typed[place] = id;
    if (typed[place] !== id) throw internal(`token id ${id} at position ${at} is not a 32-bit whole number`);
  }
}

export function unpackU32(bytes: Buffer): number[] {
  return Array.from(viewU32(bytes));
}

export function packF32(values: ArrayLike<number>): Buffer {
  if (values instanceof Float32Array && !BIG_ENDIAN)
    return Buffer.from(values.buffer, values.byteOffset, values.byteLength);
  const bytes = Buffer.allocUnsafe(4 * values.length);
  new Float32Array(bytes.buffer, bytes.byteOffset, values.length).set(values);
  return BIG_ENDIAN ? bytes.swap32() : bytes;
}

export function unpackF32(bytes: Buffer): number[] {
  return Array.from(viewF32(bytes));
}

/** {@link unpackF32} without a list of its own. */
function viewF32(bytes: Buffer): Float32Array {
  const { buffer, byteOffset, byteLength } = aligned(bytes);
  return new Float32Array(buffer, byteOffset, byteLength / 4);
}

/** {@link unpackU32} without a list of its own. */
export function viewU32(bytes: Buffer): Uint32Array {
  const { buffer, byteOffset, byteLength } = aligned(bytes);
  return new Uint32Array(buffer, byteOffset, byteLength / 4);
}

/**
 * The very bytes where typed arrays can look at them, else a copy: buffers start anywhere, typed arrays only at
 * multiples of four.
 */
function aligned(bytes: Buffer): Uint8Array {
  if (bytes.byteOffset % 4 === 0 && !BIG_ENDIAN) return bytes;
  const copy = new Uint8Array(bytes.length);
  copy.set(bytes);
  if (BIG_ENDIAN) Buffer.from(copy.buffer).swap32();
  return copy;
}
