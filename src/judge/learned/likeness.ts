/**
 * How near an action is to what a judge was labelled for. Actions are of one kind where they call the same tools in the
 * same place; of one kind two resemble each other as far as their questions are worded alike: Broder's resemblance of
 * sets of pairs of words (1997), without numbers, of which there are always new ones. Kept are hashes only. Pure.
 */
import type { Likeness } from '../../core/judging/learned.js';
import type { Subject } from '../../core/learning/judging.js';
import { questionOf } from './material.js';

/** Raised with every change of what resembles what. */
export const LIKENESS = 1;
/** Of one cluster are questions that resemble its first so much. */
const CLUSTER = 0.5;
/** Words of a long question: as many from its beginning as from its end. */
const WORDS = 64;
/** Clusters with fewer labels say nothing of what is like them; of many the largest are kept. */
const LEAST_LABELS = 3;
const MOST_CLUSTERS = 500;

const NUMBER = '#';
/** A number; a sign of a script that has no spaces; a word. */
const WORD = new RegExp(
  [
    String.raw`(?<number>\p{N}+(?:[.,:/]\p{N}+)*)`,
    String.raw`[\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}\p{sc=Thai}\p{sc=Lao}\p{sc=Khmer}]`,
    String.raw`[\p{L}\p{M}]+`,
  ].join('|'),
  'gu',
);

export function likenessOf({ messages, calls }: Pick<Subject, 'messages' | 'calls'>): Likeness {
  const tools = [...new Set(calls.map(({ name }) => name))].sort();
  const after = messages.at(-1)?.role === 'tool' ? ', after a tool' : '';
  return {
    kind: `${tools.length === 0 ? 'answer' : `calls ${tools.join(' ')}`}${after}`,
    marks: marksOf(questionOf(messages)),
  };
}

function marksOf(text: string): readonly number[] {
  const all = [...text.normalize('NFKC').toLowerCase().matchAll(WORD)].map(({ 0: word, groups }) =>
    groups?.['number'] === undefined ? word : NUMBER,
  );
  const words = all.length <= 2 * WORDS ? all : [...all.slice(0, WORDS), ...all.slice(-WORDS)];
  const line = ['^', ...words, '$'];
  const marks = new Set<number>();
  for (let at = 1; at < line.length; at += 1) {
    const pair = [line[at - 1] as string, line[at] as string] as const;
    if (pair.some((word) => word !== NUMBER && word !== '^' && word !== '$')) marks.add(hashed(pair.join(' ')));
  }
  return [...marks].sort((a, b) => a - b);
}

/** 0 of different kinds; of the same kind the share of their marks that both have. */
export function resemblance(a: Likeness, b: Likeness): number {
  if (a.kind !== b.kind) return 0;
  if (a.marks.length === 0 && b.marks.length === 0) return 1;
  let [i, j, both] = [0, 0, 0];
  while (i < a.marks.length && j < b.marks.length) {
    const [x, y] = [a.marks[i] as number, b.marks[j] as number];
    both += Number(x === y);
    i += Number(x <= y);
    j += Number(y <= x);
  }
  return both / (a.marks.length + b.marks.length - both);
}

/** The nearest, the first of several as near, and how near it is; 0 and none where nothing is like it at all. */
export function nearest<K extends Likeness>(
  likeness: Likeness,
  known: readonly K[],
): { readonly nearness: number; readonly cluster?: K } {
  return known.reduce<{ readonly nearness: number; readonly cluster?: K }>(
    (best, cluster) => {
      const nearness = resemblance(likeness, cluster);
      return nearness > best.nearness ? { nearness, cluster } : best;
    },
    { nearness: 0 },
  );
}

/** By item its cluster's number; and the first of each cluster. */
export function clustered(list: readonly Likeness[]): {
  readonly of: readonly number[];
  readonly firsts: readonly Likeness[];
} {
  const firsts: Likeness[] = [];
  const of = list.map((each) => {
    let [best, at] = [CLUSTER, -1];
    firsts.forEach((first, number) => {
      const near = resemblance(each, first);
      if (near >= best && (at < 0 || near > best)) [best, at] = [near, number];
    });
    return at >= 0 ? at : firsts.push(each) - 1;
  });
  return { of, firsts };
}

/** The clusters that a judge may speak of, by the clusters of what it was trained on. */
export function knownOf(firsts: readonly Likeness[], trained: readonly number[]): readonly Likeness[] {
  const counts = new Map<number, number>();
  for (const cluster of trained) counts.set(cluster, (counts.get(cluster) ?? 0) + 1);
  return [...counts]
    .filter(([, count]) => count >= LEAST_LABELS)
    .sort(([a, many], [b, more]) => more - many || a - b)
    .slice(0, MOST_CLUSTERS)
    .map(([cluster]) => firsts[cluster] as Likeness);
}

/** FNV-1a, 32 bits. */
function hashed(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at += 1) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  return hash >>> 0;
}
