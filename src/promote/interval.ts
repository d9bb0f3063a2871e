/** Confidence intervals of differences. Pure. Scores are per-task numbers in 0..1. */

export interface PairedDifference {
  readonly difference: number;
  readonly n: number;
  readonly low: number;
  readonly high: number;
}

/**
 * Mean of `after[i] - before[i]` with a two-sided normal interval at `z` standard errors. The variance is at least 1/n,
 * as if one task had changed: a few tasks that all changed alike have a sample variance of 0, which proves nothing.
 */
export function paired(before: readonly number[], after: readonly number[], z = 1.959964): PairedDifference {
  const n = before.length;
  if (n !== after.length) throw new RangeError(`paired scores differ in length: ${n} and ${after.length}`);
  if (n < 2) return { difference: n === 1 ? (after[0] ?? 0) - (before[0] ?? 0) : 0, n, low: -1, high: 1 };
  const differences = after.map((score, i) => score - (before[i] ?? 0));
  const difference = mean(differences);
  const variance = differences.reduce((sum, d) => sum + (d - difference) ** 2, 0) / (n - 1);
  const half = z * Math.sqrt(Math.max(variance, 1 / n) / n);
  return { difference, n, low: difference - half, high: difference + half };
}

/**
 * Upper quantile of the standard normal for a one-sided confidence in (0.5, 1): Acklam's rational approximation, error
 * below 1e-8.
 */
export function normalQuantile(confidence: number): number {
  const p = 1 - confidence;
  if (p < 0.02425) {
    const q = Math.sqrt(-2 * Math.log(p));
    return -(
      (((((-7.784894002430293e-3 * q - 0.3223964580411365) * q - 2.400758277161838) * q - 2.549732539343734) * q +
        4.374664141464968) *
        q +
        2.938163982698783) /
      ((((7.784695709041462e-3 * q + 0.3224671290700398) * q + 2.445134137142996) * q + 3.754408661907416) * q + 1)
    );
  }
  const q = p - 0.5;
  const r = q * q;
  return -(
    ((((((-39.69683028665376 * r + 220.9460984245205) * r - 275.9285104469687) * r + 138.357751867269) * r -
      30.66479806614716) *
      r +
      2.506628277459239) *
      q) /
    (((((-54.47609879822406 * r + 161.5858368580409) * r - 155.6989798598866) * r + 66.80131188771972) * r -
      13.28068155288572) *
      r +
      1)
  );
}

/** The share of the standard normal below `z`: Abramowitz and Stegun 7.1.26, error below 1e-7. */
export function normalShare(z: number): number {
  const x = Math.abs(z) / Math.SQRT2;
  const t = 1 / (1 + 0.3275911 * x);
  const series = ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t;
  const tail = (series * Math.exp(-x * x)) / 2;
  return z > 0 ? 1 - tail : tail;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
