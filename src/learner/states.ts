/** Which logged steps a cycle may take up: candidates through the filter, every drop counted by its reason. */
import type { FilterName, TrainMode } from '../core/learning/cycle.js';
import { type Candidate, keep } from '../filter/filter.js';
import { JUDGE_ORDER } from '../judge/decide.js';
import { type CandidateRow, candidateRows, upstreamSteps } from '../store/learning/candidates.js';
import { headVersion } from '../store/learning/decisions.js';
import type { Learner } from './deps.js';

/** How many of the newest steps are considered; cycles have long passed by the older ones. */
const HORIZON = 5_000;

/** A step that passed the filter, and what decides whether a batch has room for it. */
export interface Passed extends Candidate {
  /** Whose share of a batch it counts towards; undefined for the operator's own. */
  readonly giver: string | undefined;
  /** Equal where the state is the same, word for word. */
  readonly state: string;
  readonly stateAt: number;
  readonly toolSet: string;
}

export interface Selection {
  /** Oldest first. */
  readonly kept: readonly Passed[];
  /** How many steps each reason dropped. */
  readonly dropped: Readonly<Record<string, number>>;
}

/** `keyId`: only of this key's steps. */
export function select(learner: Pick<Learner, 'db'>, filter: FilterName, mode: TrainMode, keyId?: string): Selection {
  const head = headVersion(learner.db);
  const kept: Passed[] = [];
  const dropped: Record<string, number> = {};
  for (const row of candidateRows(learner.db, mode, JUDGE_ORDER, HORIZON, keyId)) {
    const candidate = toCandidate(row);
    const verdict = keep(candidate, filter, mode, head);
    if (verdict.keep)
      kept.push({
        ...candidate,
        giver: row.giver ?? undefined,
        state: row.state,
        stateAt: row.stateAt,
        toolSet: row.toolSet,
      });
    else dropped[verdict.reason] = (dropped[verdict.reason] ?? 0) + 1;
  }
  const upstream = upstreamSteps(learner.db, HORIZON, keyId);
  return { kept, dropped: upstream === 0 ? dropped : { ...dropped, upstream } };
}

function toCandidate(row: CandidateRow): Candidate {
  const { notTrainable, good, earlierGood, allGood, outcomeGood } = row;
  return {
    stepId: row.stepId,
    trajectoryId: row.trajectoryId,
    index: row.index,
    policyVersion: row.policyVersion,
    consent: row.consent === 1,
    heldout: row.heldout === 1,
    evaluated: row.evaluated === 1,
    finished: row.finished === 1,
    hasState: row.hasState === 1,
    notTrainable: notTrainable ?? undefined,
    good: good === null ? undefined : good === 1,
    earlierGood: earlierGood === null ? undefined : earlierGood === 1,
    allGood: allGood === null ? undefined : allGood === 1,
    outcomeGood: outcomeGood === null ? undefined : outcomeGood === 1,
  };
}
