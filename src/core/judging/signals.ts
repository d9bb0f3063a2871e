/**
 * Signals: what the log shows of an action without anybody being asked. Each is weak, and all that are known of a
 * subject make one verdict, which filters and orders the queue of labels and never rewards. Pure.
 */
import type { Judgement } from '../learning/judging.js';

/**
 * How each speaks for an action (above 0) or against it. Choices, not measured: only their signs and their order are
 * meant, until somebody calibrates them.
 */
const SIGNALS = {
  /** The client asked once more for another answer to the same words. */
  regenerated: -0.5,
  /** The client changed its words and asked again instead of going on. */
  edited: -0.4,
  /** The next words of the user say that it is wrong. */
  corrected: -0.6,
  /** A tool that was called could not do it. */
  tool_failed: -0.4,
  /** The same call was made before in the same answer. */
  called_again: -0.5,
  /** The user went on without a word against it. */
  went_on: 0.3,
} as const;
export type Signal = keyof typeof SIGNALS;

/** Raised whenever the same log could give another verdict. */
export const SIGNALS_VERSION = '1';

/** The version of the verdict that these make: rows are unique by it, and what is known of a subject only grows. */
export function versionOf(signals: Iterable<Signal>): string {
  return [SIGNALS_VERSION, ...[...signals].sort()].join(' ');
}

/** The signals that a verdict of this version was made of; none of one by another version. */
export function signalsIn(version: string): readonly Signal[] {
  const [made, ...names] = version.split(' ');
  return made === SIGNALS_VERSION ? names.filter((name): name is Signal => Object.hasOwn(SIGNALS, name)) : [];
}

/** What they say together. Never surer than 0.9, and nothing where they balance. */
export function wordOf(signals: Iterable<Signal>): Judgement {
  const names = [...signals].sort();
  const sum = names.reduce((total, name) => total + SIGNALS[name], 0);
  const lean = Math.max(-0.9, Math.min(0.9, Math.round(sum * 100) / 100));
  const rationale = names.join(', ');
  if (lean === 0) return { kind: 'absent', reason: `they balance: ${rationale}` };
  return { kind: 'verdict', good: lean > 0, score: 0.5 + lean / 2, confidence: Math.abs(lean), rationale };
}

/** Words by which users say that an answer was wrong, at the beginning of what they say next. */
const CORRECTIONS: readonly RegExp[] = [
  /^(?:no|nope|wrong|incorrect|false|not quite|not right|try again|again)\b/,
  /^(?:that|this|it|your answer)(?:'s| is| was|’s)? (?:not (?:right|correct|what|true)|wrong|incorrect|false)\b/,
  /^(?:i meant|i said|i asked|you(?:'re| are|’re) wrong|you (?:forgot|missed|misunderstood|made a mistake))\b/,
  /^(?:actually|sorry|hmm+|but)[,\s]+(?:no|i (?:meant|said|asked)|(?:that|this|it)(?:'s| is|’s) (?:not|wrong))\b/,
  /^(?:nein|falsch|das (?:ist|war|stimmt) (?:falsch|nicht)|ich meinte|non|faux|c'est faux|incorrecto|eso no)\b/,
];

/** Whether these words of a user correct the answer before them. */
export function corrects(text: string): boolean {
  const begin = text.slice(0, 200).trim().toLowerCase();
  return CORRECTIONS.some((pattern) => pattern.test(begin));
}
