/**
 * Group-relative advantage. Pure. A = reward - group mean, no division by the deviation; groups without spread say
 * nothing.
 */

export interface Scored<T> {
  readonly item: T;
  readonly reward: number;
}

export interface Weighed<T> {
  readonly item: T;
  readonly advantage: number;
}

/** Smallest difference between best and worst of a group that counts as spread. */
const SPREAD = 1e-9;

/** Advantages of one group, or undefined when it has fewer than two rewards or no spread. */
export function groupAdvantages<T>(group: readonly Scored<T>[]): Weighed<T>[] | undefined {
  if (group.length < 2) return undefined;
  const rewards = group.map((scored) => scored.reward);
  if (Math.max(...rewards) - Math.min(...rewards) <= SPREAD) return undefined;
  const mean = rewards.reduce((sum, reward) => sum + reward, 0) / rewards.length;
  return group.map(({ item, reward }) => ({ item, advantage: reward - mean }));
}
