/** Candidates as a row has them: yes and no in bits, absence as a bit that is not set. */
import type { Candidate } from '../../core/learning/candidate.js';
import { UPSTREAM_STEP } from '../file/policy_version.js';

/** The columns of `candidates` that a rule looks at. */
export interface FactsRow {
  readonly policyVersion: number;
  readonly facts: number;
  readonly notTrainable: string | null;
}

/** The first is counted by triggers. */
const BITS = ['told', 'consent', 'heldout', 'evaluated', 'finished', 'hasState'] as const;
/** Each in two bits: whether there is a verdict, and whether it is good. */
const VERDICTS = ['good', 'earlierGood', 'allGood', 'outcomeGood'] as const;
const WITHDRAWN = BITS.length + 2 * VERDICTS.length;
const TAUGHT = WITHDRAWN + 1;

export function packed(candidate: Candidate): FactsRow {
  let facts = 0;
  BITS.forEach((name, at) => {
    if (candidate[name]) facts |= 1 << at;
  });
  VERDICTS.forEach((name, at) => {
    const good = candidate[name];
    if (good !== undefined) facts |= (good ? 3 : 1) << (BITS.length + 2 * at);
  });
  if (candidate.withdrawn) facts |= 1 << WITHDRAWN;
  if (candidate.taught === true) facts |= 1 << TAUGHT;
  return {
    policyVersion: candidate.policyVersion ?? UPSTREAM_STEP,
    facts,
    notTrainable: candidate.notTrainable ?? null,
  };
}

export function unpacked({ policyVersion, facts, notTrainable }: FactsRow): Candidate {
  const is = (at: number): boolean => (facts & (1 << at)) !== 0;
  const said = (at: number): boolean | undefined => {
    const from = BITS.length + 2 * at;
    return is(from) ? is(from + 1) : undefined;
  };
  return {
    policyVersion: policyVersion === UPSTREAM_STEP ? undefined : policyVersion,
    told: is(0),
    consent: is(1),
    heldout: is(2),
    evaluated: is(3),
    finished: is(4),
    hasState: is(5),
    withdrawn: is(WITHDRAWN),
    ...(is(TAUGHT) ? { taught: true } : {}),
    notTrainable: notTrainable ?? undefined,
    good: said(0),
    earlierGood: said(1),
    allGood: said(2),
    outcomeGood: said(3),
  };
}
