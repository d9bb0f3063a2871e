/**
 * Nobody teaches alone: one key gives at most a share of a batch (`learning.key_share`), so that whoever floods the log
 * with one thing does not choose what everyone's answers become. Pure.
 */

export interface Given {
  /** Whose share it counts towards; undefined for the operator's own, which has no bound. */
  readonly giver: string | undefined;
}

export interface SharedOut<T> {
  readonly taken: readonly T[];
  /** How many were passed over because their key had given its share. */
  readonly over: number;
}

/** How many keys share a batch: those that give to it, and those that were heard lately. */
export function giversAmong(heardLately: readonly string[], given: readonly Given[]): number {
  const givers = new Set(heardLately);
  for (const { giver } of given) if (giver !== undefined) givers.add(giver);
  return givers.size;
}

/**
 * The part of a batch that one of `givers` keys gives at most. Where there are few keys each gives its equal part, so
 * that one alone, from whom nobody is to be protected, gives all.
 */
export function partOf(share: number, givers: number): number {
  return Math.max(share, 1 / Math.max(1, givers));
}

/** How many of `size` one of `givers` keys may give: its part, and always one. */
export function mostOf(size: number, share: number, givers: number): number {
  const part = partOf(share, givers);
  // 0.2 * 5 is 1, and 0.07 * 100 is 7.000000000000001: neither may be rounded to another number.
  return Math.max(1, Math.floor(part * size + 1e-9));
}

/** How many of all these could be taken such that no key has given more than its share, and how many are left over. */
export function shareOfCounts(
  counts: readonly { readonly giver: string | undefined; readonly states: number }[],
  share: number,
  givers: number,
): { readonly states: number; readonly over: number } {
  const all = counts.reduce((sum, { states }) => sum + states, 0);
  const states = sizeOf(counts, all, share, givers);
  return { states, over: all - states };
}

/** The most that can be taken of these, up to `max`. */
function sizeOf(
  counts: readonly { readonly giver: string | undefined; readonly states: number }[],
  max: number,
  share: number,
  givers: number,
): number {
  const reach = (size: number): number => {
    const most = mostOf(size, share, givers);
    return counts.reduce((sum, { giver, states }) => sum + (giver === undefined ? states : Math.min(states, most)), 0);
  };
  // What is left is reached by a size that is no larger, so that this ends, and soon.
  let size = Math.min(max, reach(max));
  while (size > 0 && reach(size) < size) size = reach(size);
  return size;
}

/**
 * Takes as many as it can, at most `max`, the first first, such that no key has given more than its share of what was
 * taken.
 */
export function shareOut<T extends Given>(
  items: readonly T[],
  max: number,
  share: number,
  givers: number,
): SharedOut<T> {
  const counts = new Map<string | undefined, number>();
  for (const { giver } of items) counts.set(giver, (counts.get(giver) ?? 0) + 1);
  const size = sizeOf(
    [...counts].map(([giver, states]) => ({ giver, states })),
    Math.min(max, items.length),
    share,
    givers,
  );
  const most = mostOf(size, share, givers);
  const given = new Map<string, number>();
  const taken: T[] = [];
  let passed = 0;
  for (const item of items) {
    if (taken.length === size) break;
    const { giver } = item;
    const before = giver === undefined ? 0 : (given.get(giver) ?? 0);
    if (giver !== undefined && before >= most) passed += 1;
    else {
      taken.push(item);
      if (giver !== undefined) given.set(giver, before + 1);
    }
  }
  // Where there is room left, nothing but the shares keeps the others out.
  return { taken, over: size < max ? items.length - size : passed };
}
