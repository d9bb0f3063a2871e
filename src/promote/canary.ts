/**
 * What a canary shows: some conversations, by lot, are answered by the candidate and the rest by what serves, and each
 * is read once. Pure, and out of the rows alone, in their order.
 *
 * A conversation of the candidate's is compared with the mean of the last few of the rest that were read before it and
 * compared with none. Whose turn it was, and not how it went, decides who is compared with whom, so where the candidate
 * is no better the difference is at most 0 on average, whatever came before: what `src/promote/betting.ts` needs. What
 * changes with the hour changes both.
 */
import type { CanaryOutcome } from '../core/judging/live.js';
import { Bets } from './betting.js';
import { levelOf } from './evidence.js';

/** Of the rest, so many at most are compared with one of the candidate's. */
const MATCHED = 8;
/** What all candidates together may spend on being promoted; and each one on being withdrawn. */
const TOTAL = 0.05;
const HARM = 0.05;
/** Where hardly anybody says how a conversation went, so many times as many end it. */
const UNTOLD = 4;
/** Conversations of the candidate's before a first look. */
const FIRST = 8;

export interface CanaryPlan {
  readonly candidate: number;
  readonly alphaTotal: number;
  readonly alpha: number;
  /** For what is worse, and for what fails more often, each. */
  readonly alphaHarm: number;
  /** Conversations of the candidate's that are compared at most. */
  readonly most: number;
  /** Whether the gate has passed it: then it is enough that its conversations go no worse. */
  readonly gatePassed: boolean;
}

export function canaryPlan(candidate: number, most: number, gatePassed: boolean): CanaryPlan {
  return {
    candidate,
    alphaTotal: TOTAL,
    alpha: levelOf(TOTAL, candidate),
    alphaHarm: HARM / 2,
    most,
    gatePassed,
  };
}

/** Why a canary ends. */
type CanaryEnding =
  /** The candidate is shown to be better. */
  | 'evidence'
  /** It is shown to be worse. */
  | 'worse'
  /** It is shown to fail more often. */
  | 'failing'
  /** As many as were to be compared are. */
  | 'max';

/** A type, since a row takes any record. */
type CanaryNumbers = {
  readonly test: 'canary-e/1';
  readonly candidate_number: number;
  readonly alpha_total: number;
  readonly alpha: number;
  readonly alpha_harm: number;
  readonly max_conversations: number;
  readonly gate_passed: boolean;
  /** In the order in which they were read: 1 where the candidate answered; how it went; 1 where something failed. */
  readonly outcomes: readonly (readonly [candidate: 0 | 1, score: number | null, failed: 0 | 1])[];
  /** How many have their score by whose word. */
  readonly sources: Readonly<Record<string, number>>;
  readonly conversations: { readonly candidate: number; readonly serving: number };
  readonly compared: number;
  /** Mean of the differences that were compared; 0 where there is none. */
  readonly difference: number;
  /** Means over the conversations of which somebody said something; null where there are none. */
  readonly mean: { readonly candidate: number | null; readonly serving: number | null };
  readonly failed: { readonly candidate: number; readonly serving: number };
  /** In nats: what speaks for better, for worse, and for failing more often. */
  readonly better: number;
  readonly worse: number;
  readonly failing: number;
  readonly threshold: number;
  readonly threshold_harm: number;
  readonly alarms: readonly string[];
  readonly stopped: CanaryEnding | 'alarm';
};

export type CanaryResult =
  | {
      readonly decided: true;
      readonly passed: boolean;
      readonly reason: string;
      readonly numbers: CanaryNumbers;
    }
  | { readonly decided: false; readonly compared: number };

type Went = Pick<CanaryOutcome, 'arm' | 'score' | 'failed' | 'source'>;

/** Nothing is decided while it goes on. What was read after the first look that ends it says nothing more. */
export function canaryResult(plan: CanaryPlan, all: readonly Went[], alarms: readonly string[]): CanaryResult {
  const [better, worse, failing] = [new Bets(), new Bets(), new Bets()];
  const [scores, faults] = [new Matching(), new Matching()];
  const [threshold, thresholdHarm] = [-Math.log(plan.alpha), -Math.log(plan.alphaHarm)];
  let [read, seen, compared, sum] = [0, 0, 0, 0];
  let ending: CanaryEnding | undefined;
  for (const went of all) {
    read += 1;
    const fault = faults.difference(went.arm, Number(went.failed));
    if (fault !== undefined) {
      failing.add(fault);
      seen += 1;
    }
    const difference = went.score === undefined ? undefined : scores.difference(went.arm, went.score);
    if (difference !== undefined) {
      better.add(difference);
      worse.add(-difference);
      compared += 1;
      sum += difference;
    }
    if (seen < FIRST || (fault === undefined && difference === undefined)) continue;
    if (failing.reaches(thresholdHarm)) ending = 'failing';
    else if (worse.reaches(thresholdHarm)) ending = 'worse';
    else if (better.reaches(threshold)) ending = 'evidence';
    else if (compared >= plan.most || seen >= UNTOLD * plan.most) ending = 'max';
    if (ending !== undefined) break;
  }
  if (ending === undefined) return { decided: false, compared };
  const isBetter = ending === 'evidence' || (ending === 'max' && plan.gatePassed && sum >= 0);
  const looked = all.slice(0, read);
  const [candidate, serving] = (['candidate', 'serving'] as const).map((arm) =>
    looked.filter((went) => went.arm === arm),
  ) as [Went[], Went[]];
  const numbers: CanaryNumbers = {
    test: 'canary-e/1',
    candidate_number: plan.candidate,
    alpha_total: plan.alphaTotal,
    alpha: plan.alpha,
    alpha_harm: plan.alphaHarm,
    max_conversations: plan.most,
    gate_passed: plan.gatePassed,
    outcomes: looked.map(({ arm, score, failed }) => [arm === 'candidate' ? 1 : 0, score ?? null, failed ? 1 : 0]),
    sources: counted(looked),
    conversations: { candidate: candidate.length, serving: serving.length },
    compared,
    difference: compared === 0 ? 0 : sum / compared,
    mean: { candidate: meanOf(candidate), serving: meanOf(serving) },
    failed: { candidate: failedOf(candidate), serving: failedOf(serving) },
    better: better.evidence,
    worse: worse.evidence,
    failing: failing.evidence,
    threshold,
    threshold_harm: thresholdHarm,
    alarms,
    stopped: isBetter && alarms.length > 0 ? 'alarm' : ending,
  };
  return { decided: true, passed: isBetter && alarms.length === 0, reason: worded(numbers), numbers };
}

/** Comes to a decision again from its own row. Undefined for numbers of another kind. */
export function recomputeCanary(numbers: Readonly<Record<string, unknown>>): CanaryResult | undefined {
  if (numbers['test'] !== 'canary-e/1') return undefined;
  const made = numbers as CanaryNumbers;
  const sources = Object.entries(made.sources).flatMap(([source, count]) => Array<string>(count).fill(source));
  let told = 0;
  const all = made.outcomes.map(([candidate, score, failed]): Went => {
    // Whose word each was is not kept, only of how many.
    const source = score === null ? undefined : sources[told++];
    return {
      arm: candidate === 1 ? 'candidate' : 'serving',
      failed: failed === 1,
      ...(score === null ? {} : { score, source }),
    };
  });
  return canaryResult(
    {
      candidate: made.candidate_number,
      alphaTotal: made.alpha_total,
      alpha: levelOf(made.alpha_total, made.candidate_number),
      alphaHarm: made.alpha_harm,
      most: made.max_conversations,
      gatePassed: made.gate_passed,
    },
    all,
    made.alarms,
  );
}

/** Who is compared with whom. */
class Matching {
  readonly #rest: number[] = [];
  /** Of the candidate's, which came when there was none of the rest. */
  #waiting: number | undefined;

  /** The difference that is known with this one, if one is. */
  difference(arm: Went['arm'], value: number): number | undefined {
    if (arm === 'serving') {
      if (this.#waiting === undefined) {
        this.#rest.push(value);
        return undefined;
      }
      const waited = this.#waiting;
      this.#waiting = undefined;
      return waited - value;
    }
    const taken = this.#rest.splice(-MATCHED);
    if (taken.length > 0) return value - taken.reduce((sum, each) => sum + each, 0) / taken.length;
    // Of several that wait the first is compared; whoever comes while one waits is with none.
    this.#waiting ??= value;
    return undefined;
  }
}

function meanOf(list: readonly Went[]): number | null {
  const scores = list.flatMap(({ score }) => score ?? []);
  return scores.length === 0 ? null : scores.reduce((sum, score) => sum + score, 0) / scores.length;
}

function failedOf(list: readonly Went[]): number {
  return list.filter(({ failed }) => failed).length;
}

function counted(list: readonly Went[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { score, source } of list)
    if (score !== undefined) counts[source ?? 'unknown'] = (counts[source ?? 'unknown'] ?? 0) + 1;
  return counts;
}

function worded(numbers: CanaryNumbers): string {
  const { stopped, compared, mean, failed, conversations, gate_passed: passed } = numbers;
  const went = (share: number | null): string =>
    share === null ? 'nothing known' : `${(100 * share).toFixed(1)} % good`;
  const means = `${went(mean.candidate)} with the candidate, ${went(mean.serving)} with what serves`;
  const of = `of ${compared} conversations that were compared`;
  const odds = (nats: number): string => (nats > 14 ? 'over a million' : Math.exp(nats).toFixed(1));
  switch (stopped) {
    case 'evidence':
      return `canary: better ${of}: ${means}; odds of ${odds(numbers.better)} to 1 against luck`;
    case 'worse':
      return `canary withdrawn: worse ${of}: ${means}; odds of ${odds(numbers.worse)} to 1 against luck`;
    case 'failing':
      return (
        `canary withdrawn: ${failed.candidate} of ${conversations.candidate} conversations failed with the ` +
        'candidate, ' +
        `${failed.serving} of ${conversations.serving} with what serves`
      );
    case 'alarm':
      return `canary withdrawn: held back by an alarm: ${numbers.alarms.join(', ')}`;
    case 'max':
      if (passed && numbers.difference >= 0) return `canary: no worse ${of}, and the gate had passed it: ${means}`;
      return `canary withdrawn: ${passed ? 'it went worse' : 'not shown to be better'} ${of}: ${means}`;
  }
}
