/** One comparison out of what a judge says in both orders. Pure. */
import type { Comparison, Preference } from '../core/judging/live.js';
import type { Pair } from './look.js';

/**
 * `words`: with the candidate's answer first, and with it second. Only who is preferred in both orders has won: a judge
 * that likes what stands first, or last, says nothing of either.
 */
export function preferred(words: readonly [Preference, Preference]): 'won' | 'lost' | 'tied' {
  const [candidateFirst, candidateSecond] = words;
  if (candidateFirst === 'first' && candidateSecond === 'second') return 'won';
  return candidateFirst === 'second' && candidateSecond === 'first' ? 'lost' : 'tied';
}

/** As the sequential test has it: one that was won or lost has changed. */
export function pairOf(taskId: string, outcome: Comparison['outcome']): Pair {
  return { taskId, candidate: outcome !== 'lost', serving: outcome !== 'won' };
}
