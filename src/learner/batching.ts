/** From judged samples, or from kept logged steps, to one batch. A function of what was loaded. */
import { assemble, type Example, hyperDefaults } from '../batch/assemble.js';
import { weigh, type Weighed } from '../batch/groups.js';
import { loggedExamples } from '../batch/logged.js';
import { newId } from '../core/ids.js';
import type { TaughtState } from '../core/judging/demonstrations.js';
import type { Batch, BatchItem } from '../core/learning/batch.js';
import type { Visited } from '../core/learning/candidate.js';
import type { Cycle } from '../core/learning/cycle.js';
import type { OpenGroup, SettledGroup } from '../core/learning/group.js';
import type { DeclaredJudge } from '../core/learning/deciding.js';
import type { Verdict } from '../core/learning/judging.js';
import type { LoggedState } from '../core/learning/state.js';
import { giversAmong, shareOut } from '../filter/shares.js';
import { rewardOf, rewardsOf } from '../judge/decide.js';
import { PER_TRAJECTORY } from './choosing.js';

/**
 * Updates that the head may go on by while a group is carried over: CISPO corrects for the difference, and further on
 * it would mostly cut.
 */
export const STALE_AFTER = 2;

/** What a batch is made of, as the rows are now: drawing takes minutes, in which consent may have been withdrawn. */
export interface Loaded {
  readonly cycle: Pick<Cycle, 'id' | 'mode' | 'baseVersion'>;
  /** Mode `resample`: of this cycle and those that are carried over, oldest first. */
  readonly groups: readonly OpenGroup[];
  /** Of the groups, or of the claimed steps in the other modes. One that is gone has none. */
  readonly states: ReadonlyMap<string, LoggedState>;
  /** By sample, or by step in the other modes. */
  readonly verdicts: ReadonlyMap<string, readonly Verdict[]>;
  /** The same: judges that were to look at it and have said nothing. */
  readonly unheard: ReadonlyMap<string, ReadonlySet<string>>;
  /** Mode `sft`: demonstrations that no batch has taken. */
  readonly taught?: readonly TaughtState[] | undefined;
  readonly declared: readonly DeclaredJudge[];
  readonly consented: ReadonlySet<string>;
  readonly heldOut: ReadonlySet<string>;
  /** Whose share a step counts towards. */
  readonly givers: ReadonlyMap<string, string>;
  readonly heardLately: readonly string[];
  /** Versions whose samples still say what the head would do: {@link STALE_AFTER}. */
  readonly near: ReadonlySet<number>;
}

export interface Making {
  /** Informative groups that an update takes at least. */
  readonly leastGroups: number;
  readonly mostStates: number;
  readonly keyShare: number;
  readonly targetVersion: number;
  readonly templateHash: string;
  readonly learningRate: number | undefined;
}

export interface Made {
  /** Absent where there is too little to learn from: `note` says so. */
  readonly batch?: Batch | undefined;
  readonly items: readonly BatchItem[];
  readonly settled: readonly SettledGroup[];
  /** How the cycle's own groups turned out. */
  readonly visited: readonly Visited[];
  readonly counts: Readonly<Record<string, number>>;
  readonly note: string;
}

export function batchOf(loaded: Loaded, making: Making): Made {
  const found = loaded.cycle.mode === 'resample' ? fromGroups(loaded) : fromLog(loaded);
  const few = fewOfEach(found.states);
  const { taken, over } = shared(few, loaded, making);
  const examples = taken.flatMap((state) => state.examples);
  const again = found.states.length - few.length;
  const counts = {
    ...found.counts,
    ...(again === 0 ? {} : { same_trajectory: again }),
    ...(over === 0 ? {} : { key_share: over }),
  };
  const { settled, visited } = found;
  const none = { items: [], settled, visited, counts };
  if (examples.length === 0)
    return { ...none, note: 'nothing to train on: see the counts for what dropped every state' };
  const { leastGroups } = making;
  if (taken.length < leastGroups)
    return {
      ...none,
      note:
        loaded.cycle.mode === 'resample'
          ? `${taken.length} of ${leastGroups} informative groups; carried`
          : `${taken.length} of ${leastGroups} states that an update takes at least`,
    };
  const { cycle } = loaded;
  const batch = assemble(
    {
      batchId: newId('bat'),
      mode: cycle.mode,
      baseVersion: cycle.baseVersion,
      targetVersion: making.targetVersion,
      templateHash: making.templateHash,
      hyper: hyperDefaults(cycle.mode, making.learningRate, making.targetVersion),
    },
    examples,
  );
  const { distinct_tokens, logical_tokens } = batch.counts;
  return {
    batch,
    items: examples.map(({ id, stepId, advantage }) => ({ itemId: id, stepId, advantage })),
    settled,
    visited,
    counts: { ...counts, examples: examples.length, distinct_tokens, logical_tokens },
    note: '',
  };
}

/** A state that gives examples. */
interface Giving {
  readonly stepId: string;
  readonly examples: readonly Example[];
}

interface Found {
  /** Those that are taken first, first. */
  readonly states: readonly Giving[];
  readonly settled: readonly SettledGroup[];
  readonly visited: readonly Visited[];
  readonly counts: Readonly<Record<string, number>>;
}

/** The samples of each state are one group; a sample's advantage is relative to its group. */
function fromGroups(loaded: Loaded): Found {
  const { cycle, groups, states, verdicts, unheard } = loaded;
  const counts = { cut: 0, overlong: 0, malformed_call: 0, no_reward: 0, zero_spread: 0, rewards: 0 };
  const [settled, visited]: [SettledGroup[], Visited[]] = [[], []];
  const [giving, carried]: [Giving[], Giving[]] = [[], []];
  let sum = 0;
  for (const group of groups) {
    const { cycleId, stepId } = group;
    const state = states.get(stepId);
    const left = leftOut(group, loaded);
    if (state === undefined || left !== undefined) {
      settled.push({ cycleId, stepId, outcome: left ?? 'withheld', rewarded: 0 });
      continue;
    }
    const ids = group.samples.map(({ id }) => id);
    const rewards = rewardsOf(
      ids.map((id) => verdicts.get(id) ?? []),
      loaded.declared,
      ids.map((id) => unheard.get(id)),
    );
    const worth = new Map(group.samples.map(({ id }, at) => [id, rewards[at]?.value]));
    const weighed = weigh({ ...group, callsAllowed: state.callsAllowed }, (id) => worth.get(id));
    settled.push(settledBy(group, weighed));
    const own = cycleId === cycle.id;
    if (weighed.outcome === 'informative') (own ? giving : carried).push({ stepId, examples: weighed.examples });
    // What is carried over was counted in its own cycle.
    if (!own) continue;
    visited.push({ stepId, version: group.policyVersion, rate: rateOf(weighed) });
    for (const reason of ['cut', 'overlong', 'malformed_call', 'no_reward'] as const)
      counts[reason] += weighed.counts[reason];
    if (weighed.outcome === 'zero_spread') counts.zero_spread += 1;
    counts.rewards += weighed.rewards.length;
    sum += weighed.rewards.reduce((all, reward) => all + reward, 0);
  }
  return {
    // What is carried over has waited longest, and the newest says most of what is asked now.
    states: [...carried, ...giving.reverse()],
    settled,
    visited,
    counts: {
      ...counts,
      informative: giving.length,
      ...(carried.length === 0 ? {} : { carried: carried.length }),
      ...(counts.rewards === 0 ? {} : { mean_reward: rounded(sum / counts.rewards) }),
    },
  };
}

function settledBy({ cycleId, stepId }: OpenGroup, { outcome, rewards }: Weighed): SettledGroup {
  const settled = { cycleId, stepId, outcome, rewarded: rewards.length };
  if (rewards.length === 0) return settled;
  return {
    ...settled,
    mean: rewards.reduce((sum, reward) => sum + reward, 0) / rewards.length,
    spread: Math.max(...rewards) - Math.min(...rewards),
  };
}

/** How many actions are rather good than not, of 1. What is well-formed and wrong is worth a little, and not good. */
function rateOf({ rewards }: Weighed): number | undefined {
  return rewards.length === 0 ? undefined : rewards.filter((reward) => reward >= 0.5).length / rewards.length;
}

function leftOut(
  { stepId, policyVersion }: OpenGroup,
  { consented, heldOut, near }: Loaded,
): 'withheld' | 'heldout' | 'stale' | undefined {
  if (!consented.has(stepId)) return 'withheld';
  if (heldOut.has(stepId)) return 'heldout';
  return near.has(policyVersion) ? undefined : 'stale';
}

/** Recorded actions as they were sampled: each state is one of its own. */
function fromLog(loaded: Loaded): Found {
  const { cycle, states, verdicts, unheard, declared, consented, heldOut } = loaded;
  const open = [...states.values()].filter(({ stepId }) => consented.has(stepId) && !heldOut.has(stepId));
  const { examples, counts } = loggedExamples(
    open,
    cycle.mode,
    (stepId) => rewardOf(verdicts.get(stepId) ?? [], declared, unheard.get(stepId))?.value,
  );
  const giving = examples.map((example) => ({ stepId: example.stepId, examples: [example] }));
  const taught = taughtIn(loaded);
  return {
    // What somebody took the trouble to show comes first.
    states: [...taught, ...giving.reverse()],
    settled: [],
    visited: [],
    counts: taught.length === 0 ? counts : { ...counts, demonstrated: taught.length },
  };
}

/** Demonstrated turns, each in its state. */
function taughtIn({ taught = [], consented, heldOut }: Loaded): readonly Giving[] {
  return taught.flatMap(({ id, state, tokenIds }) => {
    const { stepId, trajectoryId, promptTokenIds } = state;
    if (promptTokenIds === undefined || !consented.has(stepId) || heldOut.has(stepId)) return [];
    const example = { id: `demonstration:${id}`, ...{ stepId, trajectoryId, promptTokenIds, tokenIds } };
    return [{ stepId, examples: [{ ...example, temperature: 1, advantage: 1 }] }];
  });
}

/** What cycles have carried over may be of the conversations that this one draws from, too. */
function fewOfEach(states: readonly Giving[]): readonly Giving[] {
  const taken = new Map<string, Set<string>>();
  return states.filter(({ stepId, examples: [example] }) => {
    if (example === undefined) return false;
    const steps = taken.get(example.trajectoryId) ?? new Set();
    if (steps.size >= PER_TRAJECTORY && !steps.has(stepId)) return false;
    taken.set(example.trajectoryId, steps.add(stepId));
    return true;
  });
}

/**
 * Not every state that was taken up gives examples: where those of others gave none, a key's share is less than it was.
 * Counts the states that are left out.
 */
function shared(
  states: readonly Giving[],
  { givers, heardLately }: Loaded,
  { keyShare, mostStates, leastGroups }: Making,
): { readonly taken: readonly Giving[]; readonly over: number } {
  const given = states.map((state) => ({ ...state, giver: givers.get(state.stepId) }));
  const among = giversAmong(heardLately, given);
  // A cycle that takes up few states fills an update with those that are carried over.
  const most = Math.max(mostStates, leastGroups);
  const { taken, over } = shareOut(given, Math.min(most, given.length), keyShare, among);
  return { taken, over };
}

/** To six decimals: people read it in JSON, where 0.4 is not to be 0.39999999999999997. */
function rounded(value: number): number {
  return Math.round(value * 1e6) / 1e6;
}
