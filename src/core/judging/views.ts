/** Judges as routes and `--json` tell of them: the API's spelling, its times, and null where there is nothing. */
import type { JudgeCost, JudgeKind } from '../learning/judging.js';
import { seconds } from '../seconds.js';
import { type Calibration, type Shown, shownIn } from './calibration.js';
import { type Drift, type DriftName, driftSaid } from './drift.js';
import type { PairNumbers } from './pairs.js';
import type { Proportion } from './proportion.js';
import type { JudgeStanding } from './standing.js';

/** A share with its 95 % interval. */
export interface ShareView {
  readonly share: number;
  readonly n: number;
  readonly low: number;
  readonly high: number;
}

export interface StandingView {
  readonly name: string;
  /** Null of one that has spoken and that nobody has declared. */
  readonly kind: JudgeKind | null;
  readonly version: string | null;
  readonly may_reward: boolean;
  readonly why: string;
}

export interface CalibrationView {
  readonly id: string;
  readonly judge: string;
  readonly judge_version: string;
  /** Hash of the gold items, and where they came from. */
  readonly gold: string;
  readonly source: Calibration['source'];
  readonly n: number;
  readonly abstained: number;
  readonly faults: number;
  readonly accuracy: ShareView;
  readonly false_accept: ShareView;
  readonly false_reject: ShareView;
  readonly kappa: number;
  readonly alpha: number | null;
  readonly curve: readonly { readonly n: number; readonly score: number; readonly good: number }[];
  readonly miscalibration: number;
  readonly clusters: readonly { readonly name: string; readonly accuracy: ShareView }[];
  readonly authors: readonly { readonly name: string; readonly false_accept: ShareView }[];
  readonly probes: readonly {
    readonly name: string;
    readonly tried: number;
    readonly moved: number;
    readonly bound: number | null;
    /** Of orders: how many of them stood in a tool's output, and how many in a user's words. */
    readonly in_tools: number | null;
    readonly in_users: number | null;
  }[];
  readonly self_preference: { readonly own: ShareView; readonly others: ShareView } | null;
  /** How it compares two answers; null where that was not tried. */
  readonly pairs: {
    readonly version: string;
    readonly n: number;
    readonly right: number;
    readonly wrong: number;
  } | null;
  readonly bounds: { readonly items: number; readonly accuracy: number; readonly false_accept: number };
  readonly shortfalls: readonly string[];
  /** How it was shown the items. */
  readonly shown: Shown | 'either';
  readonly created_at: number;
}

export interface DriftView {
  readonly version: number;
  readonly measure: DriftName;
  readonly judge_version: string;
  readonly n: number;
  readonly value: number;
  readonly low: number;
  readonly high: number;
  readonly bound: number;
  readonly alarm: boolean;
  readonly says: string;
  readonly created_at: number;
}

/** How two judges agree on the steps of which both have said something. */
export interface AgreementView {
  readonly judges: readonly [string, string];
  readonly steps: number;
  readonly agree: ShareView;
  readonly kappa: number;
  readonly alpha: number | null;
}

/** What a judge took. */
export interface CostView {
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
  readonly seconds: number;
  /** By its price then, in whatever currency; null where none was told. */
  readonly money: number | null;
}

export interface JudgeView extends StandingView {
  readonly verdicts: { readonly good: number; readonly bad: number; readonly abstained: number };
  /** Subjects that it failed at and will be asked about again. */
  readonly waiting: { readonly subjects: number; readonly reason: string | null };
  /** Today is since midnight, UTC. */
  readonly cost: CostView & { readonly tokens_today: number };
  /** The newest of its present version. */
  readonly calibration: CalibrationView | null;
  readonly drift: readonly DriftView[];
}

export interface JudgesView {
  readonly data: readonly JudgeView[];
  readonly has_more: false;
  /** `calibration` of the configuration. */
  readonly bounds: Readonly<Record<'items' | 'accuracy' | 'false_accept' | 'drift' | 'agreement', number>>;
  /** Among the newest verdicts on steps, and with people on all that they have judged. */
  readonly agreement: {
    readonly steps: number;
    /** Krippendorff's, of all judges; null where there is nothing to tell apart. */
    readonly alpha: number | null;
    readonly pairs: readonly AgreementView[];
  };
}

export function shareView({ accuracy, n, ci95: [low, high] }: Proportion): ShareView {
  return { share: accuracy, n, low, high };
}

type Cost = Omit<JudgeCost, 'money'> & { readonly money?: number | null | undefined };
const NOTHING: Cost = { promptTokens: 0, completionTokens: 0, ms: 0 };

export function costView({ promptTokens, completionTokens, ms, money }: Cost = NOTHING): CostView {
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    seconds: ms / 1000,
    money: money ?? null,
  };
}

export function standingView({ name, kind, version, mayReward, why }: JudgeStanding): StandingView {
  return { name, kind, version: version ?? null, may_reward: mayReward, why };
}

export function calibrationView(calibration: Calibration): CalibrationView {
  const { numbers, bounds } = calibration;
  return {
    id: calibration.id,
    judge: calibration.judge,
    judge_version: calibration.judgeVersion,
    gold: calibration.gold,
    source: calibration.source,
    n: numbers.n,
    abstained: numbers.abstained,
    faults: numbers.faults,
    accuracy: shareView(numbers.accuracy),
    false_accept: shareView(numbers.falseAccept),
    false_reject: shareView(numbers.falseReject),
    kappa: numbers.kappa,
    alpha: numbers.alpha ?? null,
    curve: numbers.curve,
    miscalibration: numbers.miscalibration,
    clusters: numbers.clusters.map(({ name, accuracy }) => ({ name, accuracy: shareView(accuracy) })),
    authors: numbers.authors.map(({ name, falseAccept }) => ({ name, false_accept: shareView(falseAccept) })),
    probes: numbers.probes.map(({ name, tried, moved, bound, places }) => ({
      ...{ name, tried, moved, bound: bound ?? null },
      ...{ in_tools: places?.tool ?? null, in_users: places?.user ?? null },
    })),
    self_preference:
      numbers.selfPreference === undefined
        ? null
        : { own: shareView(numbers.selfPreference.own), others: shareView(numbers.selfPreference.others) },
    pairs: pairsView(numbers.pairs),
    bounds: { items: bounds.items, accuracy: bounds.accuracy, false_accept: bounds.falseAccept },
    shortfalls: calibration.shortfalls,
    shown: shownIn(calibration),
    created_at: seconds(calibration.createdAt),
  };
}

function pairsView(pairs: PairNumbers | undefined): CalibrationView['pairs'] {
  if (pairs === undefined) return null;
  const { version, n, right, wrong } = pairs;
  return { version, n, right, wrong };
}

export function driftView(drift: Drift): DriftView {
  const { version, measure, judgeVersion, n, value, ci95, bound, alarm, createdAt } = drift;
  const [low, high] = ci95;
  return {
    ...{ version, measure, judge_version: judgeVersion, n, value, low, high, bound, alarm },
    says: driftSaid(drift),
    created_at: seconds(createdAt),
  };
}
