/** Whether an answer says yes or no. Pure; it never knows the right one. */
import type { Stated } from './marks.js';
import { plain } from './writing.js';

const YES = [
  'yes',
  'yeah',
  'yep',
  'true',
  'correct',
  'oui',
  'sí',
  'ja',
  'да',
  '是的',
  '是',
  '对',
  'はい',
  'نعم',
  'हाँ',
  'हां',
];
const NO = ['no', 'nope', 'false', 'incorrect', 'non', 'nein', 'нет', '不是', '否', '不对', 'いいえ', 'لا', 'नहीं'];
const REFERENCES: ReadonlyMap<string, boolean> = new Map([
  ...['yes', 'true', 'oui', 'sí', 'ja', 'да', '是', '对', 'はい', 'نعم', 'हाँ'].map((word): [string, boolean] => [
    word,
    true,
  ]),
  ...['no', 'false', 'non', 'nein', 'нет', '否', '不是', 'いいえ', 'لا', 'नहीं'].map((word): [string, boolean] => [
    word,
    false,
  ]),
]);

/** A reference that is a yes or a no. */
export function asTruth(reference: string): boolean | undefined {
  return REFERENCES.get(
    reference
      .trim()
      .toLowerCase()
      .replace(/[.。]$/u, ''),
  );
}

/**
 * A word of them that stands for the whole: at the beginning, or before a sign or the end. "No way", "no laptop" and
 * "true north" are other words.
 */
const SAID = new RegExp(
  `(?<![\\p{L}\\p{M}\\p{N}])(${[...NO, ...YES].sort((a, b) => b.length - a.length).join('|')})(?![\\p{L}\\p{M}\\p{N}])`,
  'giu',
);
const ENDS =
  /^\s*(?:$|[.,;:!?)"'\]\n。,、!؟।-]|(?:and|or|yes|no|because|since|as|it|he|she|they|we|this|that's)(?!\p{L}))/iu;
const NOT = /(?:\b(?:not|neither|nor|never|cannot say|can't say)|n't)\s+(?:a\s+|simply\s+)?["'(]?$/iu;
const IDIOM = /\bno (?:doubt|way|one|longer|idea|problem|matter)\b/giu;

/** Undefined where neither is said, where both are, and where one is only denied. */
export function truthStated({ text }: Stated): boolean | undefined {
  const written = plain(text).trim().replace(IDIOM, ' ');
  const heard = new Set<boolean>();
  for (const match of written.matchAll(SAID)) {
    const [before, behind] = [written.slice(0, match.index), written.slice(match.index + match[0].length)];
    const opens = !/[\p{L}\p{N}]/u.test(before);
    if (NOT.test(before)) return undefined;
    if (opens || ENDS.test(behind)) heard.add(!NO.includes((match[1] ?? '').toLowerCase()));
  }
  return heard.size === 1 ? [...heard][0] : undefined;
}
