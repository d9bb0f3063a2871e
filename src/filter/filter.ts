/**
 * Filters: which logged steps become states (resampling) or examples (logged, supervised). Pure rules over
 * what the log and the verdicts say; the same log can be filtered in every way at any time, and every drop
 * has a counted reason.
 */
import type { FilterName, TrainMode } from '../core/learning/cycle.js';

/** One logged step with everything a rule may look at. `good` is undefined where no judge has spoken. */
export interface Candidate {
  readonly stepId: string;
  readonly trajectoryId: string;
  readonly index: number;
  /** Absent where an upstream sampled. */
  readonly policyVersion?: number | undefined;
  readonly consent: boolean;
  readonly heldout: boolean;
  readonly evaluated: boolean;
  readonly finished: boolean;
  readonly used: boolean;
  readonly hasState: boolean;
  readonly notTrainable?: string | undefined;
  readonly good?: boolean | undefined;
  /** Whether every earlier step of the trajectory was judged good; undefined when one has no verdict. */
  readonly earlierGood?: boolean | undefined;
  /** Whether every step of the trajectory was judged good. */
  readonly allGood?: boolean | undefined;
  /** The trajectory's outcome verdict. */
  readonly outcomeGood?: boolean | undefined;
}

type Drop =
  | 'upstream'
  | 'no_consent'
  | 'heldout'
  | 'evaluation'
  | 'unfinished'
  | 'used'
  | 'stale'
  | 'no_state'
  | 'unjudged'
  | 'filtered'
  | `not_trainable:${string}`;

export type Kept = { readonly keep: true } | { readonly keep: false; readonly reason: Drop };

const KEEP: Kept = { keep: true };
const drop = (reason: Drop): Kept => ({ keep: false, reason });

/** Largest version lag at which a logged action is still corrected rather than dropped (field notes, learning 4). */
export const MAX_LAG = 8;

export function keep(candidate: Candidate, filter: FilterName, mode: TrainMode, head: number): Kept {
  if (candidate.policyVersion === undefined) return drop('upstream');
  if (!candidate.consent) return drop('no_consent');
  if (candidate.heldout) return drop('heldout');
  if (candidate.evaluated) return drop('evaluation');
  if (!candidate.finished) return drop('unfinished');
  if (candidate.used) return drop('used');
  // Neither its state nor its action is on record as it was.
  if (candidate.notTrainable === 'redacted') return drop('not_trainable:redacted');
  if (mode === 'resample' && !candidate.hasState) return drop('no_state');
  if (mode !== 'resample' && candidate.notTrainable !== undefined)
    return drop(`not_trainable:${candidate.notTrainable}`);
  if (mode === 'logged' && head - candidate.policyVersion > MAX_LAG) return drop('stale');
  if (mode !== 'resample' && candidate.good === undefined) return drop('unjudged');
  return byFilter(candidate, filter);
}

function byFilter(candidate: Candidate, filter: FilterName): Kept {
  switch (filter) {
    case 'none':
      return KEEP;
    case 'process':
      return verdict(candidate.allGood);
    case 'outcome':
      return verdict(candidate.outcomeGood);
    case 'both': {
      const process = verdict(candidate.allGood);
      return process.keep ? verdict(candidate.outcomeGood) : process;
    }
    case 'prefix':
      return verdict(candidate.earlierGood);
    default:
      return filter satisfies never;
  }
}

function verdict(good: boolean | undefined): Kept {
  if (good === undefined) return drop('unjudged');
  return good ? KEEP : drop('filtered');
}
