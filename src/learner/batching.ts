/** From judged samples, or from kept logged steps, to one batch row. */
import { GYRE_POLICY } from '../core/learning/policy_name.js';
import { isObjectJson } from '../core/text/arguments.js';
import { groupAdvantages, type Scored } from '../batch/advantage.js';
import { assemble, type Example, hyperDefaults } from '../batch/assemble.js';
import type { Batch, BatchRow } from '../core/learning/batch.js';
import type { Cycle } from '../core/learning/cycle.js';
import { newId } from '../core/ids.js';
import { shareOut } from '../filter/shares.js';
import { rewardOf } from '../judge/decide.js';
import { allVersions } from '../store/learning/versions.js';
import { batchOf, promisedVersion, saveBatch } from '../store/learning/batches.js';
import { claimed } from '../store/learning/claims.js';
import { consented } from '../store/learning/consent.js';
import { giversOf, heardLately } from '../store/learning/givers.js';
import { heldOutOf } from '../store/learning/held_out.js';
import { samplesOf } from '../store/learning/samples.js';
import { verdictsOf } from '../store/learning/verdicts.js';
import { stateOf } from '../store/read/state.js';
import { giversAmong } from './choosing.js';
import type { Learner } from './deps.js';

export interface Batched {
  /** Undefined when nothing with an advantage was left. */
  readonly row?: BatchRow | undefined;
  readonly counts: Readonly<Record<string, number>>;
}

/** Makes the cycle's batch, or returns the one that is a row already. */
export function batch(learner: Learner, cycle: Cycle): Batched {
  for (;;) {
    const known = batchOf(learner.db, GYRE_POLICY, cycle.id);
    if (known !== undefined) return { row: known, counts: {} };
    const made = assembled(learner, cycle);
    if (made.batch === undefined) return { counts: made.counts };
    const items = made.examples.map(({ id, stepId, advantage }) => ({ itemId: id, stepId, advantage }));
    // Where something of it was deleted meanwhile it is made again, without that.
    if (saveBatch(learner.db, GYRE_POLICY, cycle.id, made.batch, items))
      return { row: batchOf(learner.db, GYRE_POLICY, cycle.id), counts: made.counts };
  }
}

function assembled(
  learner: Learner,
  cycle: Cycle,
): { batch?: Batch | undefined; examples: readonly Example[]; counts: Readonly<Record<string, number>> } {
  const found = cycle.mode === 'resample' ? fromSamples(learner, cycle) : fromLog(learner, cycle);
  const { examples, over } = shared(learner, found.examples);
  const counts = over === 0 ? found.counts : { ...found.counts, key_share: over };
  if (examples.length === 0) return { examples, counts };
  const target =
    Math.max(
      promisedVersion(learner.db, GYRE_POLICY),
      ...allVersions(learner.db, GYRE_POLICY).map((version) => version.version),
    ) + 1;
  const made = assemble(
    {
      batchId: newId('bat'),
      mode: cycle.mode,
      baseVersion: cycle.baseVersion,
      targetVersion: target,
      templateHash: learner.templateHash ?? '',
      hyper: hyperDefaults(cycle.mode, learner.config['learning.rate'], target),
    },
    examples,
  );
  const { distinct_tokens, logical_tokens } = made.counts;
  return { batch: made, examples, counts: { ...counts, examples: examples.length, distinct_tokens, logical_tokens } };
}

interface Examples {
  readonly examples: Example[];
  readonly counts: Record<string, number>;
}

/**
 * Not every state that was taken up gives examples: where those of others gave none, a key's share is less than it was.
 * Counts the states that are left out.
 */
function shared({ db, config }: Learner, examples: readonly Example[]): { examples: readonly Example[]; over: number } {
  const givers = giversOf(
    db,
    examples.map(({ stepId }) => stepId),
  );
  const states = [...new Set(examples.map(({ stepId }) => stepId))].map((stepId) => ({
    stepId,
    giver: givers.get(stepId),
  }));
  const { taken, over } = shareOut(
    states.reverse(),
    states.length,
    config['learning.key_share'],
    giversAmong(heardLately(db), states),
  );
  const kept = new Set(taken.map(({ stepId }) => stepId));
  return { examples: examples.filter(({ stepId }) => kept.has(stepId)), over };
}

/**
 * The claimed states that may be learned from now: drawing takes minutes, in which consent may have been withdrawn, and
 * a question may have become one that is held out.
 */
function willing({ db }: Learner, { id }: Cycle): ReturnType<typeof claimed> {
  const states = claimed(db, GYRE_POLICY, id);
  const may = consented(
    db,
    states.map(({ stepId }) => stepId),
  );
  const heldOut = heldOutOf(db);
  return states.filter(({ stepId, stateAt }) => may.has(stepId) && !heldOut.isIn(stateAt));
}

/** The samples of each state are one group; a sample's advantage is relative to its group. */
function fromSamples(learner: Learner, cycle: Cycle): Examples {
  const trajectories = new Map(willing(learner, cycle).map((state) => [state.stepId, state.trajectoryId]));
  const samples = samplesOf(learner.db, GYRE_POLICY, cycle.id);
  const verdicts = verdictsOf(
    learner.db,
    'sample',
    samples.map((sample) => sample.id),
  );
  const groups = new Map<string, Scored<Example>[]>();
  const counts: Record<'cut' | 'no_reward' | 'zero_spread' | 'rewards', number> & { malformed_call?: number } = {
    cut: 0,
    no_reward: 0,
    zero_spread: 0,
    rewards: 0,
  };
  let rewardSum = 0;
  for (const sample of samples) {
    const trajectoryId = trajectories.get(sample.stepId);
    if (trajectoryId === undefined) continue;
    const reward = rewardOf(verdicts.get(sample.id) ?? []);
    if (sample.cut) counts.cut += 1;
    else if (sample.calls.some((call) => !isObjectJson(call.arguments)))
      counts.malformed_call = (counts.malformed_call ?? 0) + 1;
    else if (reward === undefined) counts.no_reward += 1;
    else {
      counts.rewards += 1;
      rewardSum += reward.value;
      const { id, stepId, promptTokenIds, tokenIds, logprobs, temperature } = sample;
      const item: Example = { id, stepId, trajectoryId, promptTokenIds, tokenIds, logprobs, temperature, advantage: 0 };
      groups.set(stepId, [...(groups.get(stepId) ?? []), { item, reward: reward.value }]);
    }
  }
  const examples: Example[] = [];
  for (const group of groups.values()) {
    const advantages = groupAdvantages(group);
    if (advantages === undefined) counts.zero_spread += 1;
    else for (const { item, advantage } of advantages) if (advantage !== 0) examples.push({ ...item, advantage });
  }
  return {
    examples,
    counts: counts.rewards === 0 ? counts : { ...counts, mean_reward: rounded(rewardSum / counts.rewards) },
  };
}

/** To six decimals: people read it in JSON, where 0.4 is not to be 0.39999999999999997. */
function rounded(value: number): number {
  return Math.round(value * 1e6) / 1e6;
}

/** Recorded actions as they were sampled: reward minus the batch mean (`logged`), or imitation of kept ones (`sft`). */
function fromLog(learner: Learner, cycle: Cycle): Examples {
  const states = willing(learner, cycle);
  const verdicts = verdictsOf(
    learner.db,
    'step',
    states.map((state) => state.stepId),
  );
  const counts = { no_reward: 0, not_trainable: 0, not_good: 0 };
  const scored: Scored<Example>[] = [];
  for (const { stepId, trajectoryId } of states) {
    const state = stateOf(learner.db, stepId);
    const reward = rewardOf(verdicts.get(stepId) ?? []);
    if (
      state?.promptTokenIds === undefined ||
      state.tokenIds === undefined ||
      state.logprobs === undefined ||
      state.tokenIds.length === 0
    )
      counts.not_trainable += 1;
    else if (reward === undefined) counts.no_reward += 1;
    else if (cycle.mode === 'sft' && reward.value < 1) counts.not_good += 1;
    else {
      const { promptTokenIds, tokenIds, logprobs } = state;
      const item: Example = {
        id: `${cycle.mode}:${stepId}`,
        stepId,
        trajectoryId,
        promptTokenIds,
        tokenIds,
        temperature: state.temperature,
        advantage: 1,
        ...(cycle.mode === 'sft' ? { temperature: 1 } : { logprobs }),
      };
      scored.push({ item, reward: reward.value });
    }
  }
  if (cycle.mode === 'sft') return { examples: scored.map(({ item }) => item), counts };
  const advantages = groupAdvantages(scored) ?? [];
  return {
    examples: advantages
      .filter(({ advantage }) => advantage !== 0)
      .map(({ item, advantage }) => ({ ...item, advantage })),
    counts,
  };
}
