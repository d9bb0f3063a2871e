/**
 * How far a judge agrees with the truth, and judges with each other. Pure. Kappa is Cohen's (1960), alpha is
 * Krippendorff's for nominal data (Computing Krippendorff's Alpha-Reliability, 2011).
 */
import { type Proportion, proportion } from '../../core/judging/proportion.js';

/** What a judge said of one subject, and what is true. */
export interface Said {
  /** Undefined where it abstained. */
  readonly good: boolean | undefined;
  readonly score: number | undefined;
  readonly truth: boolean;
}

/** One piece of a reliability curve: subjects whose scores lie close together. */
interface CurvePoint {
  readonly n: number;
  readonly score: number;
  /** How many of them are good, of 1. */
  readonly good: number;
}

export interface Agreement {
  /** Subjects of which it told something. */
  readonly n: number;
  readonly abstained: number;
  readonly accuracy: Proportion;
  /** Of those that are bad, the share that it called good. */
  readonly falseAccept: Proportion;
  /** Of those that are good, the share that it called bad. */
  readonly falseReject: Proportion;
  /** Agreement beyond chance; 0 where one of the two always says the same. */
  readonly kappa: number;
  readonly curve: readonly CurvePoint[];
  /** Mean distance of the curve from the diagonal, by the number of subjects. */
  readonly miscalibration: number;
}

const BINS = 10;

export function agreementOf(list: readonly Said[]): Agreement {
  const told = list.filter((said): said is Said & { readonly good: boolean } => said.good !== undefined);
  const share = (of: readonly (Said & { readonly good: boolean })[], is: boolean): Proportion =>
    proportion(of.map(({ good }) => Number(good === is)));
  const [goods, bads] = [told.filter(({ truth }) => truth), told.filter(({ truth }) => !truth)];
  const curve = curveOf(told);
  return {
    n: told.length,
    abstained: list.length - told.length,
    accuracy: proportion(told.map(({ good, truth }) => Number(good === truth))),
    falseAccept: share(bads, true),
    falseReject: share(goods, false),
    kappa: kappaOf(told.map(({ good, truth }) => [good, truth])),
    curve,
    miscalibration: curve.reduce((sum, { n, score, good }) => sum + (n / told.length) * Math.abs(score - good), 0),
  };
}

function curveOf(told: readonly Said[]): readonly CurvePoint[] {
  const bins = Array.from({ length: BINS }, (): { score: number; truth: boolean }[] => []);
  for (const { score, truth } of told)
    if (score !== undefined) bins[Math.min(BINS - 1, Math.floor(score * BINS))]?.push({ score, truth });
  return bins.flatMap((bin) =>
    bin.length === 0
      ? []
      : [
          {
            n: bin.length,
            score: bin.reduce((sum, { score }) => sum + score, 0) / bin.length,
            good: bin.filter(({ truth }) => truth).length / bin.length,
          },
        ],
  );
}

/** Of two raters, pair by pair. */
export function kappaOf(pairs: readonly (readonly [boolean, boolean])[]): number {
  const n = pairs.length;
  if (n === 0) return 0;
  const share = (is: (pair: readonly [boolean, boolean]) => boolean): number => pairs.filter(is).length / n;
  const [a, b] = [share(([first]) => first), share(([, second]) => second)];
  const chance = a * b + (1 - a) * (1 - b);
  return chance === 1 ? 0 : (share(([first, second]) => first === second) - chance) / (1 - chance);
}

/**
 * Of any number of raters, subject by subject; who said nothing is left out. Undefined where no subject has two words,
 * or where all of them are the same: there is nothing to tell apart then.
 */
export function alphaOf(subjects: readonly (readonly (boolean | undefined)[])[]): number | undefined {
  let [pairable, disagreeing] = [0, 0];
  const counts = [0, 0] as [number, number];
  for (const subject of subjects) {
    const said = subject.filter((word) => word !== undefined);
    if (said.length < 2) continue;
    const good = said.filter(Boolean).length;
    const bad = said.length - good;
    pairable += said.length;
    counts[0] += bad;
    counts[1] += good;
    disagreeing += (2 * good * bad) / (said.length - 1);
  }
  const expected = 2 * counts[0] * counts[1];
  return expected === 0 ? undefined : 1 - ((pairable - 1) * disagreeing) / expected;
}
