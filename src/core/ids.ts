/** Ids are made by the caller, sort by time, and say what they name. */
import { randomBytes } from 'node:crypto';

export type IdKind = 'traj' | 'step' | 'chatcmpl' | 'call' | 'req' | 'smp' | 'bat' | 'cyc' | 'dec' | 'eval' | 'vrd' | 'fbk' | 'key';

let last = 0;
let counter = 0;

/** `kind-` + 9 base-36 digits of milliseconds + a counter within the millisecond + 40 random bits. */
export function newId(kind: IdKind, now: number = Date.now()): string {
  if (now > last) {
    last = now;
    counter = 0;
  } else counter += 1;
  const time = last.toString(36).padStart(9, '0');
  return `${kind}-${time}${counter.toString(36).padStart(3, '0')}${randomBytes(5).toString('hex')}`;
}
