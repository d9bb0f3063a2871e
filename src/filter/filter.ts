/**
 * Filters: which logged steps become states (resampling) or examples (logged, supervised). Pure rules over steps and
 * their verdicts: the same log can be filtered in every way at any time, and every drop has a reason that is counted.
 */
import type { Candidate, CandidateRule } from '../core/learning/candidate.js';
import type { FilterName, TrainMode } from '../core/learning/cycle.js';

/**
 * Why a step is dropped: the first that holds, in this order. `gyre status` and each cycle count steps by these names.
 */
type Drop =
  /** Its response was deleted by itself. */
  | 'withdrawn'
  /**
   * An upstream sampled it, not the policy. What one did as a teacher (`gyre generate --from`) is a state to draw at in
   * mode `resample`: the actions there are the policy's own.
   */
  | 'upstream'
  /**
   * Its own request, or one that its state is made of, did not consent to learning, or its key withholds it by now.
   */
  | 'no_consent'
  /** Its trajectory answers a held-out task, or asks the question of one, or is a conversation that is held out. */
  | 'heldout'
  /** The learner took it to measure a version. */
  | 'evaluation'
  /** It was cancelled or failed, or its response has no end in the log. */
  | 'unfinished'
  /**
   * Mode `resample`: its state cannot be asked again as it was, because its prompt is not on record. What constrained
   * its action is no part of its state.
   */
  | 'no_state'
  /**
   * Its action is to be trained on (modes `logged` and `sft`) and cannot be, for this reason of `NotTrainable`;
   * `redacted` in every mode, because its state is not on record either.
   */
  | `not_trainable:${string}`
  /** Mode `logged`: more than {@link MAX_LAG} versions older than the head. */
  | 'stale'
  /** The verdict that the mode or the filter asks for has not been given. */
  | 'unjudged'
  /** The verdict that the filter asks for is not good. */
  | 'filtered';

/** Why a step that passed is left out all the same; counted with those of {@link Drop}. */
export type LeftOut =
  /** Its state is that of a step that was taken, or nearly the same: it counts once, and is used up with that step. */
  | 'same_state'
  /** Its key has given its share (`learning.key_share`). It waits for a batch to which others give more. */
  | 'key_share'
  /** Its conversation has given its share of this batch. */
  | 'same_trajectory'
  /** It was drawn from, and is again for another version, or not any more (`learning.reuse`). */
  | 'used'
  /** The engine refused it more than once. */
  | 'set_aside';

export type Kept = { readonly keep: true } | { readonly keep: false; readonly reason: Drop };

const KEEP: Kept = { keep: true };
const drop = (reason: Drop): Kept => ({ keep: false, reason });

/**
 * Mode `logged`: how many versions behind the head an action may be. The importance ratio between the version that
 * sampled it and the head corrects for its age, but its variance grows with each version, which is why PPO clips it
 * (arXiv 1707.06347) and asynchronous training bounds staleness (AReaL, arXiv 2505.24298). 8 is a choice, not measured.
 */
export const MAX_LAG = 8;

/** `head`: the version that would be trained. */
export function ruleOf(filter: FilterName, mode: TrainMode, head: number): CandidateRule {
  return {
    // In the other modes no reason depends on the head.
    name: mode === 'logged' ? `${mode} ${filter} ${head}` : `${mode} ${filter}`,
    mode,
    filter,
    reasonOf(candidate) {
      const kept = keep(candidate, filter, mode, head);
      return kept.keep ? '' : kept.reason;
    },
  };
}

export function keep(candidate: Candidate, filter: FilterName, mode: TrainMode, head: number): Kept {
  if (candidate.withdrawn) return drop('withdrawn');
  if (candidate.policyVersion === undefined && !(candidate.taught === true && mode === 'resample'))
    return drop('upstream');
  if (!candidate.consent) return drop('no_consent');
  if (candidate.heldout) return drop('heldout');
  if (candidate.evaluated) return drop('evaluation');
  if (!candidate.finished) return drop('unfinished');
  if (candidate.notTrainable === 'redacted') return drop('not_trainable:redacted');
  if (mode === 'resample' && !candidate.hasState) return drop('no_state');
  if (mode !== 'resample' && candidate.notTrainable !== undefined)
    return drop(`not_trainable:${candidate.notTrainable}`);
  if (mode === 'logged' && head - (candidate.policyVersion ?? head) > MAX_LAG) return drop('stale');
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
