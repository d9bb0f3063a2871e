/**
 * The reward of a subject, of who decides about it (`src/core/learning/deciding.ts`). Pure.
 *
 * A reward comes of the word of a judge that knows right from wrong, and of no other's: that an action is well formed,
 * or says what its tool found, does not make it right, and a policy that is paid for it learns to be plausible. Where
 * no such judge could tell, or one that has to be heard was not, there is no reward, which is not the same as 0: the
 * step or sample is left out. Within a group where one of them could tell, form counts as well: what is well formed and
 * not right is worth a little, and what is no action at all is worth 0, also where it heard of that one and could not
 * tell. Where it failed, or has not come so far, there is no reward in any group.
 */
import { deciding, type DeclaredJudge, JUDGES, needsCalibration, type Ruling } from '../core/learning/deciding.js';
import type { Reward, Verdict } from '../core/learning/judging.js';

/**
 * The reward of an action that is wrong but well formed. Above 0, so that a group without a right sample still teaches
 * the form of a call; far below 1, so that form never outweighs a right answer.
 */
const WELL_FORMED_REWARD = 0.1;

/**
 * 1 for a right action, 0.1 for a wrong but well-formed one, 0 for a malformed one; undefined if no judge can tell.
 * `unheard`: judges that were to look at it and have said nothing.
 */
export function rewardOf(
  verdicts: readonly Verdict[],
  judges: readonly DeclaredJudge[] = JUDGES,
  unheard?: ReadonlySet<string>,
): Reward | undefined {
  return rewardIn(deciding(verdicts, judges, unheard));
}

/** The rewards of a group of samples, in its order, as `unheard` is. */
export function rewardsOf(
  group: readonly (readonly Verdict[])[],
  judges: readonly DeclaredJudge[] = JUDGES,
  unheard: readonly (ReadonlySet<string> | undefined)[] = [],
): readonly (Reward | undefined)[] {
  const rulings = group.map((verdicts, at) => deciding(verdicts, judges, unheard[at]));
  const told = rulings.some(({ right }) => right !== undefined);
  return rulings.map((ruling) => rewardIn(ruling) ?? (told ? formIn(ruling) : undefined));
}

function formIn({ vetoed, wellFormed, heard }: Ruling): Reward | undefined {
  if (!heard) return undefined;
  if (vetoed) return { value: 0, source: 'rule' };
  return wellFormed ? { value: WELL_FORMED_REWARD, source: 'rule' } : undefined;
}

function rewardIn({ right, rightKind, vetoed, wellFormed }: Ruling): Reward | undefined {
  if (right?.score === undefined) return undefined;
  const source =
    rightKind === 'person'
      ? 'feedback'
      : rightKind !== undefined && needsCalibration({ kind: rightKind })
        ? 'judge'
        : 'rule';
  // A malformed call is worth nothing whatever else it seems to get right. The engine's parser did not match it, so no
  // tool would run; a reward would teach the policy to write calls as text.
  if (vetoed) return { value: 0, source };
  return { value: Math.max(right.score, wellFormed ? WELL_FORMED_REWARD : 0), source };
}
