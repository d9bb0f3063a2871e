/**
 * What a judge that errs does to a comparison. Pure.
 *
 * Of two answers to one state, each is good or bad, and the judge does not know whose they are. By its words it
 * mistakes a bad one for good with a probability fa, and a good one for bad with fr. Then the share of answers of a
 * version that it calls good is fa + (1 - fa - fr) times the share that is good, so wins exceed losses by 1 - fa - fr
 * of what the candidate is truly better by. Shown both, it prefers the good one of a good and a bad one with a
 * probability r, the bad one with w, and of two that are alike it prefers neither's more often than the other's: wins
 * exceed losses by r - w of what the candidate is truly better by. (By words r is (1 - fa)(1 - fr) and w is fa fr: the
 * same.)
 *
 * So errors make gains look smaller, and never make one of none. Where the candidate is no better it still wins at most
 * half of what changes, and the test holds its level whatever they are. What they change is how large a gain is, and so
 * what a margin means.
 */
import type { CalibrationNumbers } from '../core/judging/calibration.js';
import type { JudgeError } from '../core/judging/live.js';
import { LEAST_PAIRS } from '../core/judging/pairs.js';

/** By its words a judge errs as it does of any action. */
export function wordError({ n, falseAccept, falseReject }: CalibrationNumbers): JudgeError {
  return { by: 'words', falseAccept: falseAccept.accuracy, falseReject: falseReject.accuracy, n };
}

/** Undefined where the calibration does not tell how that version of the comparison errs. */
export function pairError({ pairs }: CalibrationNumbers, version: string): JudgeError | undefined {
  if (pairs?.version !== version || pairs.n < LEAST_PAIRS) return undefined;
  return { by: 'pairs', right: pairs.right / pairs.n, wrong: pairs.wrong / pairs.n, n: pairs.n };
}

/** So much of a true gain is seen. */
export function seenOf(error: JudgeError): number {
  return error.by === 'words' ? 1 - error.falseAccept - error.falseReject : error.right - error.wrong;
}

/** Below this a judge sees so little that a comparison is of no use. */
export const LEAST_SEEN = 0.2;

const Z = 1.644854;

/** As much as may be seen, one-sided at 95 %: a margin must not be made smaller by the luck of a calibration. */
export function mostSeen(error: JudgeError): number {
  return Math.min(1, seenOf(error) + Z * Math.sqrt(varianceOf(error)));
}

function varianceOf(error: JudgeError): number {
  if (error.by === 'pairs') {
    const each = Math.max(1, error.n);
    return (error.right + error.wrong - seenOf(error) ** 2 + 1 / each) / each;
  }
  // Half of the gold items are taken for good: it is not said how many are.
  const each = Math.max(1, error.n / 2);
  const variance = (share: number): number => (share * (1 - share) + 1 / each) / each;
  return variance(error.falseAccept) + variance(error.falseReject);
}
