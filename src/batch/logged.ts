/** Recorded actions as examples: imitated where they are good, or weighed against each other. Pure. */
import type { TrainMode } from '../core/learning/cycle.js';
import type { LoggedState } from '../core/learning/state.js';
import { groupAdvantages, type Scored } from './advantage.js';
import type { Example } from './assemble.js';

export interface LoggedExamples {
  readonly examples: readonly Example[];
  readonly counts: Readonly<Record<'no_reward' | 'not_trainable' | 'not_good', number>>;
}

/**
 * As they were sampled: reward minus the mean of all (`logged`), or imitation of what is wholly good (`sft`).
 * `rewardOf`: what the judges say the action of a step is worth; undefined where none can tell.
 */
export function loggedExamples(
  states: readonly LoggedState[],
  mode: TrainMode,
  rewardOf: (stepId: string) => number | undefined,
): LoggedExamples {
  const counts = { no_reward: 0, not_trainable: 0, not_good: 0 };
  const scored: Scored<Example>[] = [];
  for (const state of states) {
    const { stepId } = state;
    const action = actionIn(state);
    const reward = rewardOf(stepId);
    if (action === undefined) counts.not_trainable += 1;
    else if (reward === undefined) counts.no_reward += 1;
    else if (mode === 'sft' && reward < 1) counts.not_good += 1;
    else {
      const { logprobs, ...ids } = action;
      const item: Example = {
        id: `${mode}:${stepId}`,
        stepId,
        trajectoryId: state.trajectoryId,
        ...ids,
        advantage: 1,
        ...(mode === 'sft' ? { temperature: 1 } : { temperature: state.temperature, logprobs }),
      };
      scored.push({ item, reward });
    }
  }
  if (mode === 'sft') return { examples: scored.map(({ item }) => item), counts };
  const examples = (groupAdvantages(scored) ?? [])
    .filter(({ advantage }) => advantage !== 0)
    .map(({ item, advantage }) => ({ ...item, advantage }));
  return { examples, counts };
}

/** Undefined where the log has not all the numbers of it. */
function actionIn({
  promptTokenIds,
  tokenIds,
  logprobs,
}: LoggedState): Required<Pick<Example, 'promptTokenIds' | 'tokenIds' | 'logprobs'>> | undefined {
  if (promptTokenIds === undefined || tokenIds === undefined || logprobs === undefined) return undefined;
  return tokenIds.length === 0 ? undefined : { promptTokenIds, tokenIds, logprobs };
}
