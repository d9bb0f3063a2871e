/** From verdicts to the number training uses. Pure. No verdict, no reward: absent is not zero. */
import type { Reward, Verdict } from '../core/learning/judging.js';

/** Which judge decides when several spoke, first first. */
export const DECIDING: readonly string[] = ['person', 'model', 'reference', 'follows_observation', 'well_formed'];

/** What an action that is wrong, but at least something the loop can act on, is worth. */
const WELL_FORMED = 0.1;

/** The verdict that decides about a subject: the first present one in deciding order. */
export function deciding(verdicts: readonly Verdict[]): Verdict | undefined {
  const present = verdicts.filter((verdict) => verdict.good !== undefined);
  return DECIDING.map((judge) => present.find((verdict) => verdict.judge === judge)).find(
    (verdict) => verdict !== undefined,
  );
}

/** 1 for a good action, 0.1 for a wrong but well-formed one, 0 for a malformed one; undefined where no judge spoke. */
export function rewardOf(verdicts: readonly Verdict[]): Reward | undefined {
  const verdict = deciding(verdicts);
  if (verdict?.score === undefined) return undefined;
  const source = verdict.judge === 'person' ? 'feedback' : verdict.judge === 'model' ? 'judge' : 'rule';
  const formed = verdicts.find((candidate) => candidate.judge === 'well_formed')?.good;
  // A malformed call is a bad step whatever else it seems to get right (field notes: parsers that never matched).
  if (formed === false) return { value: 0, source };
  if (verdict.judge === 'well_formed') return { value: WELL_FORMED, source };
  return { value: Math.max(verdict.score, formed === true ? WELL_FORMED : 0), source };
}
