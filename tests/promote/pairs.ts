/** Pairs of a test by how many of each kind there are, evenly mixed. */
import type { Pair } from '../../src/promote/look.js';

export interface Kinds {
  readonly won?: number;
  readonly lost?: number;
  readonly both?: number;
  readonly neither?: number;
  /** The candidate did not answer, and serving was right. */
  readonly silent?: number;
  /** Serving did not answer, and the candidate was right. */
  readonly unserved?: number;
  /** Nobody answered. */
  readonly unanswered?: number;
}

export function pairs(kinds: Kinds, name = 'task'): Pair[] {
  const of = (count: number | undefined, candidate: boolean | undefined, serving: boolean | undefined): Pair[] =>
    Array.from({ length: count ?? 0 }, () => ({ taskId: '', candidate, serving }));
  const all = [
    ...of(kinds.won, true, false),
    ...of(kinds.lost, false, true),
    ...of(kinds.both, true, true),
    ...of(kinds.neither, false, false),
    ...of(kinds.silent, undefined, true),
    ...of(kinds.unserved, true, undefined),
    ...of(kinds.unanswered, undefined, undefined),
  ];
  // A stride that shares no factor with the count visits each once.
  const common = (a: number, b: number): number => (b === 0 ? a : common(b, a % b));
  let stride = Math.max(1, Math.floor(all.length * 0.382));
  while (common(stride, all.length) > 1) stride += 1;
  return all.map((_, at) => ({ ...(all[(at * stride) % all.length] ?? { taskId: '' }), taskId: `${name}-${at}` }));
}
