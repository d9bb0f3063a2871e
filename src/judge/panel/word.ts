/** The word of several judges as one. Pure. */
import type { Judgement } from '../../core/learning/judging.js';

export type PanelRule = 'mean' | 'majority' | 'all' | 'weighted';

/** What one of them has said; without a word where it could not tell. */
export interface Voice {
  readonly judge: string;
  readonly good?: boolean | undefined;
  readonly score?: number | undefined;
  /** How often it is right, by its calibration; undefined where nothing is known. */
  readonly accuracy?: number | undefined;
}

interface Told {
  readonly judge: string;
  readonly good: boolean;
  readonly score: number;
  readonly accuracy: number | undefined;
}

/** Nobody is right more often than this, as far as a few hundred items can show. */
const SURE = 0.99;
const EVEN = 1e-9;

/**
 * `confidence` is the share of those that told that agree with what comes of it. At least half of them have to tell.
 * By weight each counts as the logarithm of its odds to be right, which is the best there is for judges that err
 * independently (Nitzan and Paroush, International Economic Review 23, 1982); one that is right no more often than
 * chance, or of which nothing is known, counts nothing.
 */
export function together(voices: readonly Voice[], rule: PanelRule): Judgement {
  const told = voices.flatMap(({ judge, good, score, accuracy }): Told[] =>
    good === undefined ? [] : [{ judge, good, score: score ?? Number(good), accuracy }],
  );
  if (2 * told.length < voices.length || told.length === 0)
    return { kind: 'absent', reason: `${told.length} of ${voices.length} judges could tell` };
  const result = ruled(told, voices.length, rule);
  if (typeof result === 'string') return { kind: 'absent', reason: result };
  const { good, score } = result;
  const agreeing = told.filter((each) => each.good === good).length;
  return {
    kind: 'verdict',
    good,
    score,
    confidence: agreeing / told.length,
    rationale: `${agreeing} of ${told.length} agree: ${told.map(spelt).join(', ')}`,
  };
}

/** What comes of it, or why nothing does. */
function ruled(told: readonly Told[], of: number, rule: PanelRule): { good: boolean; score: number } | string {
  const goods = told.filter(({ good }) => good).length;
  const mean = told.reduce((sum, { score }) => sum + score, 0) / told.length;
  switch (rule) {
    case 'mean':
      if (Math.abs(mean - 0.5) < EVEN) return 'the mean of their scores is 0.5';
      return { good: mean > 0.5, score: mean };
    case 'majority':
      if (2 * goods === told.length) return `${goods} of them say good, and as many bad`;
      return { good: 2 * goods > told.length, score: goods / told.length };
    case 'all':
      if (goods < told.length) return { good: false, score: Math.min(...told.map(({ score }) => score)) };
      if (told.length < of) return `${of - told.length} of ${of} judges could not tell`;
      return { good: true, score: Math.min(...told.map(({ score }) => score)) };
    case 'weighted': {
      const weights = told.map(({ accuracy = 0.5 }) => logit(Math.min(SURE, Math.max(0.5, accuracy))));
      if (weights.every((weight) => weight < EVEN)) return 'none of those that could tell is calibrated';
      const sum = told.reduce((total, { good }, at) => total + (good ? 1 : -1) * (weights[at] ?? 0), 0);
      if (Math.abs(sum) < EVEN) return 'their weights are even';
      return { good: sum > 0, score: 1 / (1 + Math.exp(-sum)) };
    }
    default:
      return rule satisfies never;
  }
}

function logit(share: number): number {
  return Math.log(share / (1 - share));
}

function spelt({ judge, good, score }: Told): string {
  return `${judge} ${good ? 'good' : 'bad'} ${score.toFixed(2)}`;
}
