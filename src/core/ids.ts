/** Ids are made by the caller, sort by time, and say what they name. */
import { randomBytes } from 'node:crypto';

export type IdKind =
  | 'traj'
  | 'step'
  | 'chatcmpl'
  | 'resp'
  | 'msg'
  | 'call'
  | 'req'
  | 'smp'
  | 'bat'
  | 'cyc'
  | 'dec'
  | 'eval'
  | 'vrd'
  | 'fbk'
  | 'key';

let last = 0;
let time = '';
let counter = 0;

const RANDOM_DIGITS = 10;
/** Random digits are fetched by the page: one system call per id would be a large part of a short request. */
let page = '';
let used = 0;

function randomHex(): string {
  if (used === page.length) {
    page = randomBytes((RANDOM_DIGITS / 2) * 512).toString('hex');
    used = 0;
  }
  used += RANDOM_DIGITS;
  return page.slice(used - RANDOM_DIGITS, used);
}

/** `kind-` + 9 base-36 digits of milliseconds + a counter within the millisecond + 40 random bits. */
export function newId(kind: IdKind, now: number = Date.now()): string {
  if (now > last) {
    last = now;
    time = now.toString(36).padStart(9, '0');
    counter = 0;
  } else counter += 1;
  return `${kind}-${time}${counter.toString(36).padStart(3, '0')}${randomHex()}`;
}
