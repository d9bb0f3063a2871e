/** Which logged steps a cycle may take up: candidates through the filter, every drop counted by its reason. */
import type { FilterName, TrainMode } from '../core/learning/cycle.js';
import type { Candidate, Passed, StateCounts, StateTally } from '../core/learning/candidate.js';
import { keep } from '../filter/filter.js';
import { JUDGE_ORDER } from '../core/learning/judging.js';
import { GYRE_POLICY } from '../core/learning/policy_name.js';
import { type CandidateRow, candidateRows, upstreamSteps } from '../store/learning/candidates.js';
import type { Db } from '../store/file/db.js';
import { headVersion } from '../store/learning/decisions.js';
import { heldOutOf } from '../store/learning/held_out.js';
import { versionsByKey } from '../store/learning/versions.js';
import type { Learner } from './deps.js';

/** How many of the newest steps are considered; cycles have long passed by the older ones. */
const HORIZON = 5_000;

export interface Selection {
  /** Oldest first. */
  readonly kept: readonly Passed[];
  /** How many steps each reason dropped. */
  readonly dropped: Readonly<Record<string, number>>;
}

export function select({ db }: Pick<Learner, 'db'>, filter: FilterName, mode: TrainMode): Selection {
  const kept: Passed[] = [];
  const dropped: Record<string, number> = {};
  for (const { passed, reason, steps } of looked(db, filter, mode)) {
    if (passed !== undefined) kept.push(passed);
    else dropped[reason] = (dropped[reason] ?? 0) + steps;
  }
  return { kept, dropped };
}

/** Steps of a key: one that passed, or so many that were dropped for a reason. */
type Looked =
  | { readonly keyId: string; readonly passed: Passed; readonly reason?: undefined; readonly steps?: undefined }
  | { readonly keyId: string; readonly passed?: undefined; readonly reason: string; readonly steps: number };

/** Oldest first. */
function* looked(db: Db, filter: FilterName, mode: TrainMode): Iterable<Looked> {
  const head = headVersion(db, GYRE_POLICY);
  const heldOut = heldOutOf(db);
  for (const row of candidateRows(db, GYRE_POLICY, mode, JUDGE_ORDER, HORIZON)) {
    const known = toCandidate(row);
    // Only of what would be taken: it takes reading what was said.
    const candidate =
      keep(known, filter, mode, head).keep && heldOut.isIn(row.stateAt, row.stateTip)
        ? { ...known, heldout: true }
        : known;
    const verdict = keep(candidate, filter, mode, head);
    yield verdict.keep
      ? { keyId: row.keyId, passed: passedOf(candidate, row) }
      : { keyId: row.keyId, reason: verdict.reason, steps: 1 };
  }
  for (const [keyId, steps] of upstreamSteps(db, HORIZON)) yield { keyId, reason: 'upstream', steps };
}

export const NO_STATES: StateCounts = { kept: 0, dropped: {}, versions: 0 };

/** `passed`: the steps of all keys that passed, oldest first. */
export function tally(
  db: Db,
  filter: FilterName,
  mode: TrainMode,
): StateTally & { readonly passed: readonly Passed[] } {
  const [all, byKey] = [emptyCount(), new Map<string, Count>()];
  const passing: Passed[] = [];
  const ofKey = (keyId: string): Count => {
    let count = byKey.get(keyId);
    if (count === undefined) byKey.set(keyId, (count = emptyCount()));
    return count;
  };
  for (const { keyId, passed, reason, steps } of looked(db, filter, mode)) {
    if (passed !== undefined) passing.push(passed);
    for (const count of [all, ofKey(keyId)])
      if (passed !== undefined) count.kept += 1;
      else count.dropped[reason] = (count.dropped[reason] ?? 0) + steps;
  }
  const learned = versionsByKey(db, GYRE_POLICY);
  all.versions = learned.all;
  for (const [keyId, versions] of learned.byKey) ofKey(keyId).versions = versions;
  return { all, byKey, passed: passing };
}

interface Count extends StateCounts {
  kept: number;
  readonly dropped: Record<string, number>;
  versions: number;
}

function emptyCount(): Count {
  return { kept: 0, dropped: {}, versions: 0 };
}

function passedOf(candidate: Candidate, { giver, state, stateAt, toolSet }: CandidateRow): Passed {
  return { ...candidate, giver: giver ?? undefined, state, stateAt, toolSet };
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
