/**
 * Scripts that are written without spaces between words, or with endings grown onto them: Chinese, Japanese, Thai,
 * Korean and their like. A tokeniser that looks for spaces takes a whole sentence of them for one word; so the index
 * has each of their characters as a word of its own, and what is looked for is a row of them.
 */

const SCRIPTS = ['Han', 'Hira', 'Kana', 'Hang', 'Bopo', 'Thai', 'Lao', 'Khmr', 'Mymr'];
const LETTER = `[${SCRIPTS.map((script) => `\\p{scx=${script}}`).join('')}]`;
/** A character with the marks that stand above, below or behind it. */
const CHARACTER = new RegExp(`(?=[\\p{L}\\p{N}])${LETTER}\\p{M}*`, 'gu');
/** A run of such characters, or a word of any other script. */
const RUN = new RegExp(
  `(?:(?=[\\p{L}\\p{N}])${LETTER}\\p{M}*)+|(?:(?!(?=[\\p{L}\\p{N}])${LETTER})[\\p{L}\\p{N}\\p{M}])+`,
  'gu',
);

/** A text as the index has it: one form of each character, and spaces around those that stand for themselves. */
export function spaced(text: string): string {
  return text.normalize('NFKC').replace(CHARACTER, ' $& ');
}

export interface Word {
  /** As the index has it. */
  readonly spaced: string;
  /** The characters of a run of an unspaced script; undefined for a word of any other. */
  readonly characters?: readonly string[] | undefined;
}

/** The words of a query, the runs of unspaced scripts whole. */
export function wordsOf(query: string): Word[] {
  return (query.normalize('NFKC').match(RUN) ?? []).map((run) => {
    const characters = run.match(CHARACTER);
    if (characters === null) return { spaced: run.toLowerCase() };
    return { spaced: characters.join(' '), characters };
  });
}
