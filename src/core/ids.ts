/** Ids are made by the caller, sort by time, and say what they name. */
import { randomBytes } from 'node:crypto';

export type IdKind = 'traj' | 'step' | 'chatcmpl' | 'call' | 'req' | 'smp' | 'bat' | 'cyc' | 'dec' | 'eval' | 'vrd' | 'fbk' | 'key';

let last = 0;
let counter = 0;

const RANDOM_BYTES = 5;
/** Random bytes are fetched by the page: one system call per id would be a large part of a short request. */
let page = Buffer.alloc(0);
let used = 0;

function randomHex(): string {
  if (used + RANDOM_BYTES > page.length) {
    page = randomBytes(RANDOM_BYTES * 512);
    used = 0;
  }
  used += RANDOM_BYTES;
  return page.toString('hex', used - RANDOM_BYTES, used);
}

/** `kind-` + 9 base-36 digits of milliseconds + a counter within the millisecond + 40 random bits. */
export function newId(kind: IdKind, now: number = Date.now()): string {
  if (now > last) {
    last = now;
    counter = 0;
  } else counter += 1;
  const time = last.toString(36).padStart(9, '0');
  return `${kind}-${time}${counter.toString(36).padStart(3, '0')}${randomHex()}`;
}
