/** One comparison out of what a judge says of two answers: in both orders, or of each alone. Pure. */
import type { AnswerWord, Comparison, Preference } from '../core/judging/live.js';
import type { Pair } from './look.js';

type Won = 'won' | 'lost' | 'tied';

/**
 * `words`: with the candidate's answer first, and with it second. Only who is preferred in both orders has won: a judge
 * that likes what stands first, or last, says nothing of either.
 */
export function preferred(words: readonly [Preference, Preference]): Won {
  const [candidateFirst, candidateSecond] = words;
  if (candidateFirst === 'first' && candidateSecond === 'second') return 'won';
  return candidateFirst === 'second' && candidateSecond === 'first' ? 'lost' : 'tied';
}

/**
 * `words`: of the candidate's answer, and of the other, each judged alone. Good against bad has won. Where it could not
 * tell of one of them it has preferred none.
 */
export function betterBy(words: readonly [AnswerWord, AnswerWord]): Won {
  const [candidate, serving] = words;
  if (candidate === 'good' && serving === 'bad') return 'won';
  return candidate === 'bad' && serving === 'good' ? 'lost' : 'tied';
}

/** As the sequential test has it: one that was won or lost has changed. */
export function pairOf(taskId: string, outcome: Comparison['outcome'], words: Comparison['words'] = []): Pair {
  const [candidate, serving] = words.map((word) => word === 'untold');
  const untold = candidate === true ? (serving === true ? 'both' : 'candidate') : serving === true ? 'serving' : null;
  return {
    taskId,
    candidate: outcome !== 'lost',
    serving: outcome !== 'won',
    ...(untold === null ? {} : { untold }),
  };
}
