/** Means with their intervals, and what several tries are worth. Pure. */
import type { Mean } from '../learning/evaluation.js';
import { proportion } from './proportion.js';

/** Of both sides at 95 %. */
const Z = 1.959964;

/**
 * Of yes and no with Wilson's interval; of other numbers with the normal one, of which a task is one: answers to one
 * task say the same things. Without numbers nothing is known.
 */
export function meanOf(values: readonly number[]): Mean {
  const n = values.length;
  if (values.every((value) => value === 0 || value === 1)) {
    const { accuracy, ci95 } = proportion(values);
    return { mean: accuracy, n, ci95 };
  }
  return normalMean(values);
}

/** Of whatever numbers, of which there is one at least. */
export function normalMean(values: readonly number[]): Mean {
  const n = values.length;
  const mean = values.reduce((sum, value) => sum + value, 0) / n;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / Math.max(1, n - 1);
  const half = Z * Math.sqrt(variance / n);
  return { mean, n, ci95: [mean - half, mean + half] };
}

/** The same of shares, whose interval stays within 0 and 1. */
export function shareOf(values: readonly number[]): Mean {
  const { mean, n, ci95 } = meanOf(values);
  return { mean, n, ci95: [Math.max(0, ci95[0]), Math.min(1, ci95[1])] };
}

/**
 * The probability that one of `k` answers is right, of `n` that were drawn and `right` of them right: 1 less the share
 * of choices of k that miss every right one, which is unbiased (Chen et al., arXiv 2107.03374, equation 1).
 */
export function passAt(k: number, n: number, right: number): number {
  if (n - right < k) return 1;
  let missed = 1;
  for (let of = n - right + 1; of <= n; of += 1) missed *= 1 - k / of;
  return 1 - missed;
}
