/**
 * What the actions of a group are worth, and how each is to be weighed against the others. Pure.
 *
 * What is wrong whatever it says is worth 0, no matter what a judge says: a call that cannot be understood, a call
 * where none is run, an action that does not end within our own bound. A user's own bound is none of the policy's
 * business: what it cuts is left out.
 */
import type { GroupOutcome } from '../core/learning/group.js';
import type { Sample } from '../core/learning/sample.js';
import { isObjectJson } from '../core/text/arguments.js';
import { groupAdvantages, type Scored } from './advantage.js';
import type { Example } from './assemble.js';

/** How actions of a group fared. */
interface GroupCounts {
  /** Cut at the user's own bound, or at one that is not known any more. */
  readonly cut: number;
  /** Cut at ours. */
  readonly overlong: number;
  /** With calls that cannot be understood, or that nobody would run. */
  readonly malformed_call: number;
  readonly no_reward: number;
}

export interface Weighed {
  readonly outcome: Extract<GroupOutcome, 'informative' | 'zero_spread' | 'no_reward' | 'cut'>;
  readonly rewards: readonly number[];
  /** Of an informative group: those with an advantage. */
  readonly examples: readonly Example[];
  readonly counts: GroupCounts;
}

export interface Drawing {
  readonly trajectoryId: string;
  readonly samples: readonly Sample[];
  /** Whether a call is run at its state. */
  readonly callsAllowed: boolean;
}

/** `rewardOf`: what the judges say an action is worth; undefined where none can tell. */
export function weigh(
  { trajectoryId, samples, callsAllowed }: Drawing,
  rewardOf: (sampleId: string) => number | undefined,
): Weighed {
  const counts = { cut: 0, overlong: 0, malformed_call: 0, no_reward: 0 };
  const scored: Scored<Example>[] = [];
  for (const sample of samples) {
    const worth = worthOf(sample, callsAllowed, rewardOf);
    if (worth.count !== undefined) counts[worth.count] += 1;
    if (worth.reward !== undefined) scored.push({ item: exampleOf(sample, trajectoryId), reward: worth.reward });
  }
  const rewards = scored.map(({ reward }) => reward);
  if (rewards.length < 2) return { outcome: counts.cut > 0 ? 'cut' : 'no_reward', rewards, examples: [], counts };
  const advantages = groupAdvantages(scored);
  if (advantages === undefined) return { outcome: 'zero_spread', rewards, examples: [], counts };
  const examples = advantages
    .filter(({ advantage }) => advantage !== 0)
    .map(({ item, advantage }) => ({ ...item, advantage }));
  return { outcome: 'informative', rewards, examples, counts };
}

interface Worth {
  readonly reward?: number | undefined;
  readonly count?: keyof GroupCounts | undefined;
}

function worthOf(sample: Sample, callsAllowed: boolean, rewardOf: (sampleId: string) => number | undefined): Worth {
  if (sample.cut) return sample.bound === 'own' ? { reward: 0, count: 'overlong' } : { count: 'cut' };
  if (sample.calls.some((call) => !callsAllowed || !isObjectJson(call.arguments)))
    return { reward: 0, count: 'malformed_call' };
  const reward = rewardOf(sample.id);
  return reward === undefined ? { count: 'no_reward' } : { reward };
}

function exampleOf(sample: Sample, trajectoryId: string): Example {
  const { id, stepId, promptTokenIds, tokenIds, logprobs, temperature } = sample;
  return { id, stepId, trajectoryId, promptTokenIds, tokenIds, logprobs, temperature, advantage: 0 };
}
