/** Whether an answer states a name or a phrase, rather than mention it, deny it, or list it among others. Pure. */
import { type Stated, sentencesOf } from './marks.js';
import { plain } from './writing.js';

/** Stands for any accepted answer while a sentence is looked at. */
const HERE = '\uE000';
/** Longer texts are looked at where answers stand: in the first sentence and the last two. */
const LONG_WORDS = 60;
const SCRIPTS =
  '[\\p{Script=Han}\\p{Script=Hiragana}\\p{Script=Katakana}\\p{Script=Thai}\\p{Script=Lao}\\p{Script=Khmer}]';
const UNSPACED = new RegExp(SCRIPTS, 'u');
/** A letter or digit that would make a longer word. */
const LETTER = `(?!${SCRIPTS})[\\p{L}\\p{N}\\p{M}]`;
const MONTH = 'January|February|March|April|May|June|July|August|September|October|November|December';
const MONTH_FIRST = new RegExp(`\\b(${MONTH})\\s+(\\d{1,2})(?:st|nd|rd|th)?(?:,\\s*|\\s+)(\\d{4})\\b`, 'giu');
const DAY_FIRST = new RegExp(`\\b(\\d{1,2})(?:st|nd|rd|th)\\s+(?:of\\s+)?(${MONTH})\\b`, 'giu');

/** `J. K.`, `J.K.` and `JK`, `U.S.` and `US`. */
const INITIALS = /(?<!\p{L})(?:\p{Lu}\.\s?){2,}/gu;

/** One spelling: no accents of Latin letters, dates as day, month, year. */
export function folded(text: string): string {
  return plain(text)
    .normalize('NFD')
    .replace(/[\u0300-\u036f]/gu, '')
    .normalize('NFC')
    .replace(MONTH_FIRST, '$2 $1 $3')
    .replace(DAY_FIRST, '$1 $2')
    .replace(INITIALS, (letters) => `${letters.replace(/[.\s]/gu, '')} `);
}

export function statesSpan({ text, marked }: Stated, accepted: readonly string[], question: string): boolean {
  let shown = folded(marked ? firstClause(text) : text);
  for (const answer of [...accepted].sort((a, b) => b.length - a.length)) shown = withPlace(shown, folded(answer));
  shown = shown.replace(
    new RegExp(`${HERE}(?:[\\s(,]*(?:or|also|aka|also known as)?[\\s(]*${HERE}\\)?)+`, 'giu'),
    HERE,
  );
  if (!shown.includes(HERE)) return false;
  const lines = shown.split('\n').filter((line) => /[\p{L}\p{N}\uE000]/u.test(line));
  if (lines.length > 2 && lines.filter((line) => wordsIn(line) <= 4).length > 2) return false;
  const sentences = sentencesOf(shown.replaceAll(HERE, `${HERE}x`)).map((each) => each.replaceAll(`${HERE}x`, HERE));
  const looked =
    wordsIn(shown) > LONG_WORDS && sentences.length > 3
      ? [...sentences.slice(0, 1), ...sentences.slice(-2)]
      : sentences;
  const last = looked.findLast((sentence) => sentence.includes(HERE));
  return last !== undefined && isStatement(last) && !isOneOfTwo(last, accepted, folded(question));
}

/** Whether `answer` stands in the text as a whole, whatever is said of it. */
export function mentions(text: string, answer: string): boolean {
  return withPlace(folded(text), folded(answer)).includes(HERE);
}

/** Behind a mark, what is said before reasons are given. */
function firstClause(text: string): string {
  return text.split(/\s(?:because|since)\s|,\s(?:as|which|who|while|whereas)\s/iu, 1)[0] ?? text;
}

function wordsIn(text: string): number {
  return text.match(/[\p{L}\p{N}\p{M}'\uE000]+/gu)?.length ?? 0;
}

/** The text with the answer's place in it, wherever it stands as a whole. */
function withPlace(text: string, answer: string): string {
  const words = answer.replace(/^(?:the|an?)\s+/iu, '').match(/[\p{L}\p{N}\p{M}]+/gu);
  if (words === null) return text;
  const phrase = words.join(String.raw`[\s\p{P}]{1,3}`);
  if (!UNSPACED.test(answer)) return text.replace(new RegExp(`(?<!${LETTER})${phrase}(?!${LETTER})`, 'giu'), HERE);
  const edges = new Set<number>([text.length]);
  for (const { index } of new Intl.Segmenter(undefined, { granularity: 'word' }).segment(text)) edges.add(index);
  return text.replace(new RegExp(phrase, 'giu'), (found: string, ...rest: unknown[]) => {
    const at = rest.find((each) => typeof each === 'number') ?? 0;
    return edges.has(at) && edges.has(at + found.length) ? HERE : found;
  });
}

/** Clauses end here: a "not" before does not deny what comes after. */
const CLAUSE = /[,;:，、；]|\bbut\b|而是|لكن|बल्कि/iu;
const DENIES = new RegExp(
  [
    String.raw`(?:(?<!\p{L})(?:not(?! only)|never|nor|neither|without|instead of|than|except|unlike|no)(?!\p{L})`,
    String.raw`|n't(?!\p{L})|不是|并非|不在|ليس|ليست|ليسوا)(?!.*\b(?:until|only)\b)[^\uE000]*$`,
  ].join(''),
  'iu',
);
const DENIED = new RegExp(
  [
    String.raw`^[^,;.，。]{0,3}`,
    String.raw`(?:\s*(?:is|was|are|were|did|does|has|had|could|would|can)(?:\s+(?:not|never)|n't)`,
    String.raw`|\s*(?:is|was) (?:wrong|incorrect|false)`,
    String.raw`|[^。、]{0,3}(?:ではあり|ではな|じゃな|でない|不是|不对)|\s*नहीं)`,
  ].join(''),
  'iu',
);
const OR = /(?<!\p{L})(?:or|oder|ou|o)(?!\p{L})|或|または|もしくは|还是|(?<!\p{L})(?:أو|या)(?!\p{L})/iu;
const SEPARATOR = /[,;、，；/|]|(?<!\p{L})(?:and|or)(?!\p{L})|&/iu;
const NAME = String.raw`\p{Lu}[\p{L}'.-]*(?:\s\p{Lu}[\p{L}'.-]*)*`;
const JOINED = new RegExp(
  `${HERE},?\\s+and\\s+(?:the\\s+)?${NAME}\\s*(?:$|[.,;!]|are\\b|were\\b|both\\b)|` +
    `(?:^|\\b(?:both|are|were|is|by|in)|[:,])\\s*${NAME}\\s+and\\s+(?:the\\s+)?${HERE}`,
  'u',
);

function isStatement(sentence: string): boolean {
  if (sentence.endsWith('?')) return false;
  const [before, behind] = [
    sentence.slice(0, sentence.lastIndexOf(HERE)),
    sentence.slice(sentence.lastIndexOf(HERE) + 1),
  ];
  const clause = before.split(new RegExp(CLAUSE.source, 'giu')).at(-1) ?? '';
  if (DENIES.test(clause) || DENIED.test(behind)) return false;
  if (/\beither\b/iu.test(before) || /\bsome\b.*\bothers\b/iu.test(sentence)) return false;
  const near = [nearest(before, -4), nearest(behind, 4)];
  if (near.some((words) => OR.test(words))) return false;
  // "Rome was a candidate, but Milan won."
  if (/\b(?:but|however)\b|而是/iu.test(behind)) return false;
  return !JOINED.test(sentence) && !isList(sentence);
}

/** The few words next to it, or as many characters of a script without spaces. */
function nearest(text: string, count: number): string {
  if (UNSPACED.test(text)) return count < 0 ? text.slice(count) : text.slice(0, count);
  const words = text.trim().split(/\s+/u);
  return (count < 0 ? words.slice(count) : words.slice(0, count)).join(' ');
}

/** Three or more short items of which it is one. */
function isList(sentence: string): boolean {
  const items = sentence
    .split(new RegExp(SEPARATOR.source, 'giu'))
    .map((item) => item.trim())
    .filter((item) => /[\p{L}\p{N}\uE000]/u.test(item));
  const isShort = (item: string): boolean => (UNSPACED.test(item) ? item.length <= 6 : wordsIn(item) <= 3);
  const others = items.filter((item) => !item.includes(HERE) && isShort(item) && !/^\p{Ll}/u.test(item));
  return others.length > 1 && items.some((item) => item.includes(HERE) && isShort(item));
}

/** "Which is older, A or B?": that A is older than B does not state B. */
function isOneOfTwo(sentence: string, accepted: readonly string[], question: string): boolean {
  const lower = question.toLowerCase();
  if (!/\bor\b/iu.test(question) || !accepted.some((answer) => lower.includes(folded(answer).toLowerCase())))
    return false;
  const before = sentence.slice(0, sentence.indexOf(HERE)).replace(/^between\b[^,]*,/iu, '');
  const asked = new Set(question.match(/(?<!^)\b\p{Lu}[\p{L}'-]+/gu) ?? []);
  for (const answer of accepted) for (const word of folded(answer).split(/\s+/u)) asked.delete(word);
  return (before.match(/\p{Lu}[\p{L}'-]+/gu) ?? []).some((word) => asked.has(word));
}
