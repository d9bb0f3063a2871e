/** Groups: the actions that were drawn at one state in one cycle, and what came of them. */
import type { Sample } from './sample.js';

/** Informative groups that an update takes at least: Adam does not know that one of two is less than one of eight. */
export const LEAST_GROUPS = 8;

/** From being drawn to being trained on, or left out. */
export type GroupOutcome =
  /** Actions were drawn; what they are worth is not known yet. */
  | 'drawn'
  /** Some are worth more than others: it says which way to go. What no batch has taken is carried over. */
  | 'informative'
  /** All are worth the same. */
  | 'zero_spread'
  /** No judge could tell of two of them what they are worth. */
  | 'no_reward'
  /** The user's own bound cut so many that fewer than two are left. */
  | 'cut'
  /** The engine renders the state to other tokens than were logged. */
  | 'drift'
  /** The log or the engine has no token ids of it. */
  | 'no_token_ids'
  /** The engine refused the state: the reason says why. */
  | 'refused'
  /** It was informative, and no batch took it while the policy was still near the one that drew it. */
  | 'stale'
  /** It was in a batch that the trainer tried and refused: the same again would be refused again. */
  | 'update_refused'
  /** Its state may not be learned from any more. */
  | 'withheld'
  /** Its state asks what has become a held-out question. */
  | 'heldout';

/** What is written when actions were drawn, or could not be. */
export type DrawnOutcome = Extract<GroupOutcome, 'drawn' | 'drift' | 'no_token_ids' | 'refused'>;

export interface Group {
  readonly cycleId: string;
  /** The step whose state it was drawn at. */
  readonly stepId: string;
  readonly policyVersion: number;
  readonly outcome: GroupOutcome;
  /** What the engine said of a state it refused; else empty. */
  readonly reason: string;
  /** Actions that were drawn and are kept. */
  readonly drawn: number;
  /** Actions that are not kept, because they spell what is to be redacted. */
  readonly redacted: number;
  readonly createdAt: number;
}

/** A group with its actions. */
export interface NewGroup extends Group {
  readonly outcome: DrawnOutcome;
  readonly samples: readonly Sample[];
}

/** A group that no batch has taken. */
export interface OpenGroup extends Group {
  readonly trajectoryId: string;
  readonly samples: readonly Sample[];
}

/** What a group is worth, as the newest batch that was made of it, or without it, has found. */
export interface SettledGroup extends Pick<Group, 'cycleId' | 'stepId' | 'outcome'> {
  /** Actions that are worth something, if only 0. */
  readonly rewarded: number;
  /** Of those; absent where there are none. */
  readonly mean?: number | undefined;
  /** Between the best and the worst of them. */
  readonly spread?: number | undefined;
}
