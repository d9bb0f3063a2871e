/** How a judge that is shown two answers in one place was shown to compare them. */

/**
 * On pairs of gold items of one state, a good one and a bad one, each in both orders. Counts: what is neither right nor
 * wrong was a tie.
 */
export interface PairNumbers {
  /** Of the comparison, whose prompt is not the judge's. */
  readonly version: string;
  readonly n: number;
  /** The good one was preferred in both orders. */
  readonly right: number;
  /** The bad one was. */
  readonly wrong: number;
  /** Pairs of which it could not be asked. */
  readonly faults: number;
}

/** With fewer it is not known how a judge compares: the part of a difference that it sees is known to 0.3 then. */
export const LEAST_PAIRS = 50;
