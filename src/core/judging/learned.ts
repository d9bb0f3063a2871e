/**
 * A judge that is trained here: its versions as rows, and what it is told apart by. Types, when one is due, and how
 * many of its labels are held out. Pure.
 */
import type { Hash } from '../text/hash.js';

/** How an action is asked for, as far as a judge may know it from others: by hashes, and no word of anybody. */
export interface Likeness {
  /** What kind of action it is: an answer, or a call of these tools; and whether it follows a tool. */
  readonly kind: string;
  /** Hashes of pairs of words of the question, numbers aside; ascending. */
  readonly marks: readonly number[];
}

/** A cluster of what it was labelled for, by its first; and how it did there where that is too badly to speak of it. */
export interface KnownCluster extends Likeness {
  readonly wrong?: { readonly n: number; readonly accuracy: number } | undefined;
}

/**
 * Which labels are not trained on. Every question has a place between 0 and 1, the same for ever: below `gold` its
 * labels are gold items, from there to below `fit` they are for the scaling, and above they are trained on.
 */
export interface HeldOut {
  readonly gold: number;
  readonly fit: number;
}

/** One of the two words that a judge says: a single token of the model. */
export interface JudgeWord {
  readonly text: string;
  readonly id: number;
}

/** P(good) = sigmoid(scale * logit + bias): one for all clusters, fitted on labels that were not trained on. */
export interface Scaling {
  readonly scale: number;
  readonly bias: number;
}

export type LearnedState =
  /** Its labels are chosen; the trainer may be at it, or may have been ended. */
  | 'training'
  /** In the engine, and asked. */
  | 'serving'
  /** A newer one is asked. */
  | 'replaced'
  /** Nothing came of it, and of the same labels nothing would again. */
  | 'failed'
  /** Nothing is left of it; another is made of whatever labels there are. */
  | 'lost';

export interface LearnedVersion {
  readonly judge: string;
  /** From 1, of this judge alone: never one of a policy's. */
  readonly version: number;
  readonly state: LearnedState;
  /** How many labels it is made of, and of which. */
  readonly labels: number;
  readonly labelsHash: Hash;
  /** Of what else it is made by: another recipe is another judge. */
  readonly recipe: Hash;
  readonly good: JudgeWord;
  readonly bad: JudgeWord;
  /** What it was labelled for. */
  readonly known: readonly KnownCluster[];
  /** Steps whose labels it was neither trained nor calibrated on. */
  readonly gold: readonly string[];
  /** How these were chosen; absent of versions of earlier builds. */
  readonly heldOut?: HeldOut | undefined;
  /** Of the trainer: accuracy, AUC, reliability on labels that were held out. Absent until it is trained. */
  readonly report?: Readonly<Record<string, unknown>> | undefined;
  readonly scaling?: Scaling | undefined;
  /** Hash of its weights. */
  readonly adapter?: Hash | undefined;
  /** What its verdicts name. */
  readonly judgeVersion?: string | undefined;
  /** When its calibration on `gold` was on record; absent until then. */
  readonly calibratedAt?: number | undefined;
  readonly note: string;
  readonly createdAt: number;
  readonly updatedAt: number;
}

/** A new one, before anything came of it. */
export type NewLearnedVersion = Pick<
  LearnedVersion,
  'judge' | 'labels' | 'labelsHash' | 'recipe' | 'good' | 'bad' | 'known' | 'gold' | 'heldOut'
>;

/** What the trainer made of it. */
export type TrainedJudge = Required<Pick<LearnedVersion, 'report' | 'scaling' | 'adapter' | 'judgeVersion'>>;

/** The word of a judge that labels, on a step. */
export interface Label {
  readonly stepId: string;
  readonly good: boolean;
  /** Whose it is. */
  readonly by: string;
  /** Which model took the step: `gyre`, or an upstream's by name. */
  readonly author: string;
}

/** Who may label. */
export const LABELLERS = ['person', 'feedback', 'reference'] as const;

/** Of few labels so many are held out at most, for gold and for the scaling. */
const MOST = { gold: 0.45, fit: 0.15 };
/** Labels that are enough for one scale and one bias. */
const FIT_LABELS = 100;
/** Gold items beyond those that are needed: how many fall to a side is chance. */
const SPARE = 1.15;
/** However often it abstains, so many of its gold items are counted as told. */
const LEAST_TOLD = 0.25;
/** Of what `heldout` fixes so much is gold. */
const GOLD_OF_FIXED = 2 / 3;
/** What versions of earlier builds held out, as far as nobody had said otherwise. */
const EARLIER: HeldOut = { gold: 0.2, fit: 0.3 };

/**
 * What is held out follows from how many labels there are: nearly all of the gold that is needed as soon as that can be
 * had, and of many labels no more than that. Never is more held out than any version before held out, however many
 * labels were taken back since: what one was trained on tells nothing of the next.
 *
 * `items`: gold items that are needed, of which it has to tell something; `told`: the share of its gold that it told
 * something of, as far as that was found; `fixed`: `heldout` of the configuration.
 */
export function heldOutOf(
  { labels, items, told = 1, fixed }: HoldingOut,
  earlier: readonly Pick<LearnedVersion, 'heldOut'>[],
): HeldOut {
  const gold =
    fixed === undefined
      ? Math.min(MOST.gold, (SPARE * items) / Math.max(told, LEAST_TOLD) / labels)
      : GOLD_OF_FIXED * fixed;
  const fit = fixed ?? gold + Math.min(MOST.fit, FIT_LABELS / labels);
  return earlier.reduce<HeldOut>(
    (held, { heldOut: before = EARLIER }) => ({
      gold: Math.min(held.gold, before.gold),
      fit: Math.min(held.fit, before.fit),
    }),
    { gold, fit },
  );
}

interface HoldingOut {
  readonly labels: number;
  readonly items: number;
  readonly told?: number | undefined;
  readonly fixed?: number | undefined;
}

/** How far one that is trained here has come, by its rows. */
export interface Labelling {
  readonly trained: boolean;
  /** Labels that its version is made of; of one that was never trained, those that there are, as far as `least`. */
  readonly labels: number;
  /** Without so many none is trained. */
  readonly least: number;
  /** `heldout` of the configuration. */
  readonly fixed?: number | undefined;
}

/** How many labels one lacks that was never trained. */
export function labelsToTrain({ labels, least, fixed }: Labelling, items: number): string {
  const share = fixed === undefined ? MOST.gold : GOLD_OF_FIXED * fixed;
  const whole = `it may reward with about ${tens(Math.max(least, (SPARE * items) / share))} at the earliest`;
  return labels < least
    ? `it is not trained yet: it has ${labels} labels of ${least}, and ${whole}`
    : `it is not trained yet, though it has ${labels} labels or more: ${whole}`;
}

/** How many labels one lacks whose version told something of too few gold items. */
export function lackingLabels({ labels }: Labelling, items: number, told: number): string {
  const more = told === 0 ? labels : labels * (items / told - 1);
  // With fewer no other version is made.
  const lacking = tens(Math.max(more, (GROWTH - 1) * labels));
  return `it has ${told} gold items of ${items}: about ${lacking} more labels are needed`;
}

function tens(count: number): number {
  return 10 * Math.ceil(count / 10);
}

/** A version is made anew when there are so many times as many labels as it is made of. */
export const GROWTH = 1.25;

/** The engine's name of a version of a judge. */
export function judgeAdapterName(judge: string, version: number): string {
  return `judge-${judge}-v${version}`;
}

/** Which judge's and version's adapter it is; undefined of any other name. */
export function judgeOfAdapter(name: string): { readonly judge: string; readonly version: number } | undefined {
  const [, judge, version] = /^judge-([a-z][a-z0-9_]*)-v([1-9]\d*)$/.exec(name) ?? [];
  return judge === undefined || version === undefined ? undefined : { judge, version: Number(version) };
}

/** Whether a version is to be made: there are enough labels, and many more than the newest is made of. */
export function isJudgeDue(
  labels: number,
  recipe: Hash,
  newest: Pick<LearnedVersion, 'labels' | 'recipe'> | undefined,
  least: number,
): boolean {
  if (labels < least) return false;
  return newest === undefined || newest.recipe !== recipe || labels >= GROWTH * newest.labels;
}
