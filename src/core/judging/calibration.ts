/** Calibrations: how well a judge was shown to tell right from wrong, and whether that is enough to reward. */
import { newId } from '../ids.js';
import type { Judge, JudgeKind, JudgeRef } from '../learning/judging.js';
import type { PairNumbers } from './pairs.js';
import type { Proportion } from './proportion.js';
import type { Hash } from '../text/hash.js';

/**
 * What a judge is shown of an action that it rewards: alone where actions are drawn anew (`resample`), with what came
 * after it where recorded ones are trained on (`logged`, `sft`).
 */
export type Shown = 'alone' | 'with_after';

/** By `learning.mode`. */
export function shownWhen(mode: string): Shown {
  return mode === 'resample' ? 'alone' : 'with_after';
}

/** What a judge has to reach on gold items before it may reward. */
export interface CalibrationBounds {
  /** Items of which it told something, at least. */
  readonly items: number;
  /** The lower 95 % bound of its accuracy has to be above. */
  readonly accuracy: number;
  /** The upper 95 % bound of its false accepts has to be below. */
  readonly falseAccept: number;
  /** How it has to be shown them. Absent in rows of earlier builds. */
  readonly shown?: Shown | undefined;
}

/** How many of its words were moved by what should not move them. */
export interface ProbeResult {
  readonly name: string;
  readonly tried: number;
  readonly moved: number;
  /** More are too many; absent where it is only told. */
  readonly bound?: number | undefined;
  /** So many have to be tried for the bound to say anything. */
  readonly least?: number | undefined;
  /** Of orders: in how many tools' outputs, and in how many words of users, they stood. Absent in older rows. */
  readonly places?: { readonly tool: number; readonly user: number } | undefined;
}

/** Whether it is kinder to what its own model said: false accepts of that, and of what others said. Only told. */
export interface SelfPreference {
  readonly own: Proportion;
  readonly others: Proportion;
}

export interface CalibrationNumbers {
  /** Items of which it told something. */
  readonly n: number;
  readonly abstained: number;
  /** Items of which it could not be asked. */
  readonly faults: number;
  readonly accuracy: Proportion;
  /** Of those that are bad, the share that it called good. */
  readonly falseAccept: Proportion;
  /** Of those that are good, the share that it called bad. */
  readonly falseReject: Proportion;
  /** Cohen's, with the gold items. */
  readonly kappa: number;
  /** Krippendorff's, with the gold items; absent where there is nothing to tell apart. */
  readonly alpha?: number | undefined;
  /** By tenths of its score: how many of them are good. */
  readonly curve: readonly { readonly n: number; readonly score: number; readonly good: number }[];
  readonly miscalibration: number;
  /** By kind of traffic, and by who took the action, where the items say so. */
  readonly clusters: readonly { readonly name: string; readonly accuracy: Proportion }[];
  readonly authors: readonly { readonly name: string; readonly falseAccept: Proportion }[];
  readonly probes: readonly ProbeResult[];
  /** Absent where no item is by the judge's own model. */
  readonly selfPreference?: SelfPreference | undefined;
  /** How it was shown the items; `either` of a judge that never looks at what came after. Absent in older rows. */
  readonly shown?: Shown | 'either' | undefined;
  /** How it compares, where that was tried. */
  readonly pairs?: PairNumbers | undefined;
}

/** One calibration of one version of a judge, as a row. Immutable: the newest of a version counts. */
export interface Calibration {
  readonly id: string;
  readonly judge: string;
  readonly judgeVersion: JudgeRef['version'];
  readonly kind: JudgeKind;
  /** Hash of the gold items. */
  readonly gold: Hash;
  /** Where they came from: people's labels, or a file. */
  readonly source: 'labels' | 'file';
  readonly numbers: CalibrationNumbers;
  /** What it had to reach when it was made, and why it may not reward by that. */
  readonly bounds: CalibrationBounds;
  readonly shortfalls: readonly string[];
  readonly createdAt: number;
}

/** A calibration that is made now, on items that were shown as `bounds` ask for. */
export function calibrationOf(
  { name, version, kind, seesAfter }: Pick<Judge, 'name' | 'version' | 'kind' | 'seesAfter'>,
  made: Pick<Calibration, 'gold' | 'source' | 'numbers' | 'bounds'>,
): Calibration {
  const numbers = { ...made.numbers, shown: seesAfter === true ? made.bounds.shown : ('either' as const) };
  return {
    id: newId('cal'),
    judge: name,
    judgeVersion: version,
    kind,
    ...made,
    numbers,
    shortfalls: shortfalls(numbers, made.bounds),
    createdAt: Date.now(),
  };
}

/** How the items were shown: before anybody said so it was with what came after, to whoever looks at it. */
export function shownIn({ kind, numbers }: Pick<Calibration, 'kind' | 'numbers'>): Shown | 'either' {
  return numbers.shown ?? (kind === 'learned' ? 'either' : 'with_after');
}

/** Whether it says anything of what is rewarded now. */
export function countsFor(calibration: Pick<Calibration, 'kind' | 'numbers'>, { shown }: CalibrationBounds): boolean {
  const was = shownIn(calibration);
  return shown === undefined || was === 'either' || was === shown;
}

/** Why a judge with these numbers may not reward; empty where it may. */
export function shortfalls(
  { n, accuracy, falseAccept, probes }: CalibrationNumbers,
  bounds: CalibrationBounds,
): readonly string[] {
  const rounded = (share: number): string => share.toFixed(3);
  const [low, high] = [accuracy.ci95[0], falseAccept.ci95[1]];
  return [
    ...(n < bounds.items ? [`it told something of ${n} gold items, and ${bounds.items} are needed`] : []),
    ...(low > bounds.accuracy
      ? []
      : [`its accuracy is at least ${rounded(low)}, and has to be above ${bounds.accuracy}`]),
    ...(high < bounds.falseAccept
      ? []
      : [`it accepts at most ${rounded(high)} of what is bad, and that has to be below ${bounds.falseAccept}`]),
    ...probes.flatMap(({ name, tried, moved, bound, least = 0 }) =>
      bound === undefined || (moved <= bound && tried >= least)
        ? []
        : moved > bound
          ? [`${moved} of ${tried} words moved by ${name}, ${bound} may`]
          : [`${tried} words were tried by ${name}, and ${least} have to be`],
    ),
  ];
}
