/**
 * Guarded families: whether a candidate, better on the whole, has kept what it could in a family of tasks. Pure.
 *
 * Kept means that a loss as large as the margin can be ruled out, one-sided at 95 %, by the score test for paired
 * proportions (Tango, Statistics in Medicine 17, 1998), which holds its level also where hardly a task has changed. So
 * a family with few tasks refuses candidates that lost nothing: the power says how many, and how many tasks it takes.
 */
import { normalQuantile, normalShare } from './interval.js';
import type { Tally } from './look.js';

export interface Guarded {
  readonly name: string;
  /** The loss, as a share of the family's tasks, that must be ruled out. */
  readonly margin: number;
}

export interface Kept {
  readonly difference: number;
  /** No less than this, one-sided at 95 %. */
  readonly low: number;
  readonly kept: boolean;
  /** How often a candidate that neither wins nor loses would be found to have kept the family, on so many tasks. */
  readonly power: number;
  /** Tasks for a power of 0.8. */
  readonly needed: number;
}

const Z = normalQuantile(0.95);
const Z_POWER = normalQuantile(0.8);

export function keptBy({ tasks, wins, losses }: Tally, margin: number): Kept {
  if (!(margin > 0 && margin < 1)) throw new RangeError(`a margin is a share between 0 and 1, and this is ${margin}`);
  if (tasks === 0) return { difference: 0, low: -1, kept: false, power: 0, needed: neededFor(margin, margin) };
  const difference = (wins - losses) / tasks;
  const changed = Math.max(wins + losses, 1) / tasks;
  // Of an equal candidate with as many changes; the test's own error is that of one at the margin.
  const spread = Math.sqrt(changed);
  const reach = (Math.sqrt(tasks) * margin - Z * nullSpread(changed / 2, changed / 2, margin)) / spread;
  return {
    difference,
    low: lowerBound(wins / tasks, losses / tasks, tasks),
    kept: score(wins / tasks, losses / tasks, tasks, margin) > Z,
    power: normalShare(reach),
    needed: neededFor(changed, margin),
  };
}

function neededFor(changed: number, margin: number): number {
  const each = Z * nullSpread(changed / 2, changed / 2, margin) + Z_POWER * Math.sqrt(changed);
  return Math.ceil((each / margin) ** 2);
}

/** Standard errors by which the difference lies above a loss of `margin`. */
function score(won: number, lost: number, tasks: number, margin: number): number {
  const above = won - lost + margin;
  const spread = nullSpread(won, lost, margin);
  return spread === 0 ? Math.sign(above) * Infinity : (Math.sqrt(tasks) * above) / spread;
}

/** The standard deviation of one pair where the truth is a loss of `margin`, by its likeliest wins and losses. */
function nullSpread(won: number, lost: number, margin: number): number {
  const b = won + lost + margin * (2 - won + lost);
  const losses = (b + Math.sqrt(Math.max(0, b * b - 8 * lost * margin * (1 + margin)))) / 4;
  return Math.sqrt(Math.max(0, 2 * losses - margin * (1 + margin)));
}

/** The difference at which the score test turns, by halving. */
function lowerBound(won: number, lost: number, tasks: number): number {
  let [low, high] = [-1, won - lost];
  for (let halving = 0; halving < 40; halving += 1) {
    const middle = (low + high) / 2;
    if (score(won, lost, tasks, -middle) > Z) low = middle;
    else high = middle;
  }
  return low;
}
