/**
 * What a judge that errs does to a comparison. Pure.
 *
 * Of two answers to one state, each is good or bad, and the judge mistakes a bad one for good with a probability fa, a
 * good one for bad with fr, whoever gave it: it is blind. Then the share of answers of a version that it calls good is
 * fa + (1 - fa - fr) times the share that is good, so wins exceed losses by 1 - fa - fr of what the candidate is truly
 * better by: errors make gains look smaller, and never make one of none. Where the candidate is no better it still wins
 * at most half of what changes, and the test holds its level whatever fa and fr are. What they change is how large a
 * gain is, and so what a margin means.
 */
import type { JudgeError } from '../core/judging/live.js';

/** So much of a true gain is seen. */
export function seenOf({ falseAccept, falseReject }: Pick<JudgeError, 'falseAccept' | 'falseReject'>): number {
  return 1 - falseAccept - falseReject;
}

/** Below this a judge sees so little that a comparison is of no use. */
export const LEAST_SEEN = 0.2;

const Z = 1.644854;

/** As much as may be seen, one-sided at 95 %: a margin must not be made smaller by the luck of a calibration. */
export function mostSeen(error: JudgeError): number {
  // Half of the gold items are taken for good: it is not said how many are.
  const each = Math.max(1, error.n / 2);
  const variance = (share: number): number => (share * (1 - share) + 1 / each) / each;
  const spread = Math.sqrt(variance(error.falseAccept) + variance(error.falseReject));
  return Math.min(1, seenOf(error) + Z * spread);
}
