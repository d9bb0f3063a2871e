/**
 * Which verdict decides about a subject, and the reward it gives. Pure.
 *
 * Of the judges that could tell, the first of {@link JUDGE_ORDER} decides alone: verdicts are never averaged. A person
 * goes before a model, and a model before the rules. Of the rules, `reference` knows right from wrong; where it is
 * absent, `follows_observation` knows at least whether the answer says what its tool found; where that is absent too,
 * `well_formed` only knows that an action is one. It also has a veto: whatever else decides, a malformed action is
 * worth 0. Where no judge could tell there is no reward, which is not the same as 0: the step or sample is left out.
 */
import { JUDGE_ORDER, type Reward, type Verdict } from '../core/learning/judging.js';

/**
 * The reward of an action that is wrong but well formed. Above 0, so that a group without a right sample still teaches
 * the form of a call; far below 1, so that form never outweighs a right answer.
 */
const WELL_FORMED_REWARD = 0.1;

/** The verdict that decides about a subject; undefined where every judge was absent. */
export function decidingVerdict(verdicts: readonly Verdict[]): Verdict | undefined {
  const last = lastWords(verdicts);
  return JUDGE_ORDER.map((judge) => last.get(judge)).find((verdict) => verdict?.good !== undefined);
}

/** The newest verdict of each judge: what an earlier version of it said is withdrawn, also where it cannot tell now. */
function lastWords(verdicts: readonly Verdict[]): ReadonlyMap<string, Verdict> {
  const last = new Map<string, Verdict>();
  for (const verdict of verdicts)
    if (verdict.createdAt >= (last.get(verdict.judge)?.createdAt ?? 0)) last.set(verdict.judge, verdict);
  return last;
}

/** 1 for a good action, 0.1 for a wrong but well-formed one, 0 for a malformed one; undefined if no judge can tell. */
export function rewardOf(verdicts: readonly Verdict[]): Reward | undefined {
  const verdict = decidingVerdict(verdicts);
  if (verdict?.score === undefined) return undefined;
  const source = verdict.judge === 'person' ? 'feedback' : verdict.judge === 'model' ? 'judge' : 'rule';
  const wellFormed = lastWords(verdicts).get('well_formed')?.good;
  // A malformed call is worth nothing whatever else it seems to get right. The engine's parser did not match it, so no
  // tool would run; a reward would teach the policy to write calls as text.
  if (wellFormed === false) return { value: 0, source };
  if (verdict.judge === 'well_formed') return { value: WELL_FORMED_REWARD, source };
  return { value: Math.max(verdict.score, wellFormed === true ? WELL_FORMED_REWARD : 0), source };
}
