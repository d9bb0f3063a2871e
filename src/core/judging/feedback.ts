/** What users' ratings of an answer mean for one step of it. Pure. */
import type { Judgement } from '../learning/judging.js';

/** A rating as its row has it. */
export interface Rating {
  readonly keyId: string;
  /** From -1 to 1. */
  readonly value: number;
  /** The step of the response it is about; undefined for the whole answer. */
  readonly step?: number | undefined;
}

/** Where a step stands in its response. */
export interface RatedStep {
  readonly at: number;
  /** Whether the response ends with it, in an answer. */
  readonly isAnswer: boolean;
  /** Whether it is one of several choices: a rating of the whole does not say of which. */
  readonly isChoice: boolean;
}

/** How sure a rating is: of the answer itself, and of a step on the way there when only the whole was rated. */
const OF_THE_ANSWER = 0.8;
const ON_THE_WAY = 0.4;

/**
 * The newest rating of each key counts, one of the step before one of the whole; `ratings` are oldest first. Undefined
 * where nobody has rated it. Keys that are not of one mind have told nothing.
 */
export function ratingOf(ratings: readonly Rating[], { at, isAnswer, isChoice }: RatedStep): Judgement | undefined {
  const own = newest(ratings.filter(({ step }) => step === at));
  const whole = newest(isChoice ? [] : ratings.filter(({ step }) => step === undefined));
  const values = [...new Map([...whole, ...own]).values()];
  if (values.length === 0) return undefined;
  const good = values.filter((value) => value > 0).length;
  const bad = values.filter((value) => value < 0).length;
  if (good > 0 && bad > 0) return { kind: 'absent', reason: `rated good by ${good} and bad by ${bad}` };
  if (good + bad === 0) return { kind: 'absent', reason: 'rated neither good nor bad' };
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const way = own.size === 0 && !isAnswer ? ', the answer as a whole' : '';
  return {
    kind: 'verdict',
    good: mean > 0,
    score: (mean + 1) / 2,
    confidence: isAnswer || own.size > 0 ? OF_THE_ANSWER : ON_THE_WAY,
    rationale: `rated ${Math.round(mean * 1_000) / 1_000}${way}`,
  };
}

/** By key. */
function newest(ratings: readonly Rating[]): ReadonlyMap<string, number> {
  return new Map(ratings.map(({ keyId, value }) => [keyId, value]));
}
