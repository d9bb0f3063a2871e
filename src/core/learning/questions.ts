/**
 * Questions that must not be learned from, and whether a text asks one of them, in whatever way it is written: in other
 * case, spacing and punctuation, within a longer text, with a few words more or less. Words are compared as in
 * `src/filter/alike.ts`: numbers and signs must be the same in the same order, since a template with other numbers is
 * another question. Whoever says it in other words is not known.
 */
const LETTERS_ALONE =
  '\\p{Script=Han}\\p{Script=Hiragana}\\p{Script=Katakana}\\p{Script=Thai}\\p{Script=Lao}\\p{Script=Khmer}';
/** A number, a letter of a script that has no spaces, a word, a sign. */
const WORD = new RegExp(
  `\\p{N}+(?:\\.\\p{N}+)*|[${LETTERS_ALONE}]\\p{M}*|(?:(?![${LETTERS_ALONE}])[\\p{L}\\p{M}])+|` +
    '[\\p{Sm}\\p{Sc}*/%&@#\\\\^|(){}[\\]-]',
  'gu',
);
/** So much of the longer of two forms of a question the shorter one must be. */
const RESEMBLANCE = 0.8;
/** A question of fewer words is found in texts that do not ask it. A number counts for one more. */
const FEWEST = 4;
/** One of fewer than these says nothing by itself after something else was said. */
const FEWEST_LATER = 3;

interface Words {
  readonly all: readonly string[];
  /** Positions of the last words of sentences. */
  readonly ends: ReadonlySet<number>;
}

export class Questions {
  /** By the word of each that the fewest of them have. */
  readonly #byRarest = new Map<string, Words[]>();
  /** By how many words they have. */
  readonly #byLength = new Map<number, Words[]>();
  readonly #short = new Set<string>();

  constructor(texts: Iterable<string>) {
    const long: Words[] = [];
    const counts = new Map<string, number>();
    for (const text of texts) {
      const words = wordsOf(text);
      if (words.all.length === 0) continue;
      if (isShort(words)) this.#short.add(words.all.join(' '));
      else {
        long.push(words);
        for (const word of new Set(words.all)) counts.set(word, (counts.get(word) ?? 0) + 1);
      }
    }
    for (const words of long) {
      const count = (word: string): number => counts.get(word) ?? 0;
      put(
        this.#byRarest,
        words.all.reduce((rarest, word) => (count(word) < count(rarest) ? word : rarest)),
        words,
      );
      put(this.#byLength, words.all.length, words);
    }
  }

  /** Whether the text has one of them in it, or is one of them without a few words. */
  isIn(text: string): boolean {
    if (this.#byLength.size === 0) return false;
    const said = wordsOf(text);
    const there = new Set(said.all);
    for (const word of there)
      for (const question of this.#byRarest.get(word) ?? [])
        if (question.all.every((each) => there.has(each)) && has(said, question)) return true;
    for (let length = said.all.length + 1; length <= said.all.length / RESEMBLANCE; length += 1)
      for (const question of this.#byLength.get(length) ?? []) if (takes(question.all, 0, said.all) >= 0) return true;
    return false;
  }

  /**
   * Whether the text is one of those that are too short to be looked for in others. `first`: nothing was asked before;
   * else "Why?" is another question each time.
   */
  isShort(text: string, first: boolean): boolean {
    if (this.#short.size === 0) return false;
    const words = wordsOf(text);
    return (first || weightOf(words) >= FEWEST_LATER) && this.#short.has(words.all.join(' '));
  }
}

function put<K>(map: Map<K, Words[]>, key: K, words: Words): void {
  const known = map.get(key);
  if (known === undefined) map.set(key, [words]);
  else known.push(words);
}

function isShort(words: Words): boolean {
  return weightOf(words) < FEWEST;
}

function weightOf({ all }: Words): number {
  return all.length + (all.some((word) => /\p{N}/u.test(word)) ? 1 : 0);
}

/** What of Markdown, HTML and TeX is not said, or said otherwise. */
const MARKUP: readonly (readonly [written: RegExp, said: string])[] = [
  // Quotes, headings, points of lists; a sum in a column has a number after its sign.
  [/^[^\S\n]*(?:>[^\S\n]*)+/gmu, ''],
  [/^[^\S\n]*(?:#{1,6}[^\S\n]+|[-*+][^\S\n]+(?=\p{L}))/gmu, ''],
  [/\\[()[\]]|\\(?=[*_+#.!{}-])|\*\*|`/gu, ''],
  // Between single stars: not 2 * 3, nor 2*3.
  [/(?<![\p{L}\p{N}*])\*(?=\S)((?:[^*\n]|(?<=\s)\*(?=\s))*\S)\*(?![\p{L}\p{N}*])/gu, '$1'],
  [/<\/?[a-z][a-z\d]*(?:\s[^<>\n]*)?>/giu, ''],
  [/&nbsp;/gu, ' '],
  [/\\(?:times|cdot)\b|&times;/gu, '*'],
  [/\\div\b|&divide;/gu, '/'],
  // A formula, and not two prices.
  [/\$\$?(?=\S)([^$\n]*\S)\$\$?(?!\p{N})/gu, '$1'],
];

/** Invisible characters, markup and the commas of thousands say nothing; some signs have several forms. */
function wordsOf(text: string): Words {
  const said = text.normalize('NFKC').replace(/\p{Cf}/gu, '');
  const plain = MARKUP.reduce((words, [written, instead]) => words.replace(written, instead), said)
    .replace(/(?<=\p{N})[,'’_](?=\p{N}{3}(?!\p{N}))/gu, '')
    .replace(/[×·∙]/gu, '*')
    .replace(/÷/gu, '/')
    .replace(/[−–—]/gu, '-')
    .toLowerCase();
  const all: string[] = [];
  const ends = new Set<number>();
  for (const sentence of plain.split(/[!?…。！？\n\r]+|\.(?=\s|$)/u)) {
    for (const word of sentence.match(WORD) ?? []) all.push(word);
    ends.add(all.length - 1);
  }
  return { all, ends };
}

/** Whether the question stands in what was said, with a few words in between at most. */
function has(said: Words, question: Words): boolean {
  for (let from = said.all.indexOf(question.all[0] ?? ''); from >= 0;) {
    const end = takes(said.all, from, question.all);
    if (end >= 0 && !isPartOfMore(said, from, end)) return true;
    from = said.all.indexOf(question.all[0] ?? '', from + 1);
  }
  return false;
}

/**
 * The position after the last word of `wanted`, of which the first stands at `from`; -1 where something is missing, or
 * more is in between than a few words.
 */
function takes(all: readonly string[], from: number, wanted: readonly string[]): number {
  let spare = Math.floor(wanted.length / RESEMBLANCE) - wanted.length;
  let found = 0;
  let at = from;
  for (; found < wanted.length && at < all.length; at += 1) {
    const word = all[at] ?? '';
    if (word === wanted[found]) found += 1;
    else if (spare > 0 && /^[\p{L}\p{M}]/u.test(word)) spare -= 1;
    else return -1;
  }
  return found === wanted.length ? at : -1;
}

const NUMBER = /^\p{N}/u;
const SIGN = /^[\p{Sm}*/%^-]$/u;

/** `12 + 7` is another question in `12 + 7 * 3`, and in `4 * 12 + 7`. */
function isPartOfMore({ all, ends }: Words, from: number, end: number): boolean {
  const reads = (at: number, kind: RegExp): boolean => kind.test(all[at] ?? '');
  const after = NUMBER.test(all[end - 1] ?? '') && !ends.has(end - 1) && reads(end, SIGN) && !ends.has(end);
  const before = NUMBER.test(all[from] ?? '') && !ends.has(from - 1) && reads(from - 1, SIGN) && !ends.has(from - 2);
  return (after && (reads(end + 1, NUMBER) || all[end + 1] === '(')) || (before && reads(from - 2, NUMBER));
}
