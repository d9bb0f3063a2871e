/** A judge that is trained here: its versions as rows, and what it is told apart by. Types, and the rule of growth. */
import type { Hash } from '../text/hash.js';

/** How an action is asked for, as far as a judge may know it from others: by hashes, and no word of anybody. */
export interface Likeness {
  /** What kind of action it is: an answer, or a call of these tools; and whether it follows a tool. */
  readonly kind: string;
  /** Hashes of pairs of words of the question, numbers aside; ascending. */
  readonly marks: readonly number[];
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
  readonly known: readonly Likeness[];
  /** Steps whose labels it was neither trained nor calibrated on. */
  readonly gold: readonly string[];
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
  'judge' | 'labels' | 'labelsHash' | 'recipe' | 'good' | 'bad' | 'known' | 'gold'
>;

/** What the trainer made of it. */
export type TrainedJudge = Required<Pick<LearnedVersion, 'report' | 'scaling' | 'adapter' | 'judgeVersion'>>;

/** The word of a judge that labels, on a step. */
export interface Label {
  readonly stepId: string;
  readonly good: boolean;
  /** Whose it is. */
  readonly by: string;
}

/** Who may label. */
export const LABELLERS = ['person', 'feedback', 'reference'] as const;

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
