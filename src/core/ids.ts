/**
 * Ids are made by whoever makes the row, not by the database; they sort by time, and their prefix says what they name.
 */
import { randomBytes } from 'node:crypto';

/** Prefixes of ids. Some stand in files of earlier versions: they may be added to, not changed. */
export type IdKind =
  | 'traj'
  | 'step'
  /** Answers, in the form of their protocol: chat completions, completions, responses, messages. */
  | 'chatcmpl'
  | 'cmpl'
  | 'resp'
  | 'msg'
  | 'call'
  | 'req'
  /** The learning clock's rows: sample, batch, cycle, decision, evaluation, verdict, calibration, canary, fault. */
  | 'smp'
  | 'bat'
  | 'cyc'
  | 'dec'
  | 'eval'
  | 'vrd'
  | 'can'
  | 'cal'
  | 'flt'
  /** A pruning. */
  | 'prn'
  /** Feedback, and labels. */
  | 'fbk'
  | 'lbl'
  | 'key';

/** Kinds whose ids are `kind_...`, as clients know them; earlier versions wrote them with a hyphen. */
const UNDERSCORED: ReadonlySet<IdKind> = new Set<IdKind>(['resp', 'msg']);

let last = 0;
let time = '';
let counter = 0;

const RANDOM_DIGITS = 10;
/** Random digits of 512 ids are fetched at once: a system call for each would be a large part of a short request. */
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

/** `kind-` or `kind_` + 9 base-36 digits of milliseconds + a counter within the millisecond + 40 random bits. */
export function newId(kind: IdKind, now: number = Date.now()): string {
  if (now > last) {
    last = now;
    time = now.toString(36).padStart(9, '0');
    counter = 0;
  } else counter += 1;
  return `${kind}${UNDERSCORED.has(kind) ? '_' : '-'}${time}${counter.toString(36).padStart(3, '0')}${randomHex()}`;
}

/** No id of this kind that was made at a time or later sorts before this. */
export function idsFrom(kind: IdKind, at: number): string {
  return `${kind}${UNDERSCORED.has(kind) ? '_' : '-'}${Math.max(0, at).toString(36).padStart(9, '0')}`;
}

/** When an id was made; undefined where that cannot be told. */
export function timeOf(id: string): number | undefined {
  const digits = /^[a-z]+[-_]([0-9a-z]{9})/.exec(id)?.[1];
  return digits === undefined ? undefined : parseInt(digits, 36);
}
