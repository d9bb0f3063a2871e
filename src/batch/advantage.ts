/**
 * Group-relative advantage, as in GRPO (DeepSeekMath, arXiv 2402.03300): reward minus the mean of the group, which is
 * all samples of one state. It is not divided by the group's standard deviation, because that would weigh up groups
 * that are nearly all right or all wrong (Dr. GRPO, arXiv 2503.20783). Pure.
 */

export interface Scored<T> {
  readonly item: T;
  readonly reward: number;
}

export interface WithAdvantage<T> {
  readonly item: T;
  readonly advantage: number;
}

/** Smallest difference between best and worst of a group that counts as spread. */
const SPREAD = 1e-9;

/** Undefined when the group has fewer than two rewards or no spread: then no sample is better than another. */
export function groupAdvantages<T>(group: readonly Scored<T>[]): WithAdvantage<T>[] | undefined {
  if (group.length < 2) return undefined;
  const rewards = group.map((scored) => scored.reward);
  if (Math.max(...rewards) - Math.min(...rewards) <= SPREAD) return undefined;
  const mean = rewards.reduce((sum, reward) => sum + reward, 0) / rewards.length;
  return group.map(({ item, reward }) => ({ item, advantage: reward - mean }));
}
