/** A share of yes among yes and no, and how far it can be trusted. Pure. */

export interface Proportion {
  readonly accuracy: number;
  readonly n: number;
  /** 95 % Wilson interval. */
  readonly ci95: readonly [number, number];
}

/** Mean of 0/1 scores with its Wilson score interval (Wilson 1927), which stays inside 0..1 at the edges. */
export function proportion(scores: readonly number[], z = 1.959964): Proportion {
  const n = scores.length;
  if (n === 0) return { accuracy: 0, n: 0, ci95: [0, 1] };
  const p = scores.reduce((sum, score) => sum + score, 0) / n;
  const centre = (p + (z * z) / (2 * n)) / (1 + (z * z) / n);
  const half = (z * Math.sqrt((p * (1 - p)) / n + (z * z) / (4 * n * n))) / (1 + (z * z) / n);
  return { accuracy: p, n, ci95: [Math.max(0, centre - half), Math.min(1, centre + half)] };
}
