/** Which letter of several an answer chooses. Pure; it never knows the right one. */
import { type Stated, sentencesOf } from './marks.js';
import { plain } from './writing.js';

/** Text of a choice by its letter. */
export type Choices = ReadonlyMap<string, string>;

const LABEL = /(?:^|[\n\s])\(?([A-J])[).:]\s+/gu;

/** The choices a question offers, in the order of the alphabet; none where it offers fewer than two. */
export function choicesIn(question: string): Choices {
  const labels = [...question.matchAll(LABEL)];
  const start = labels.findLastIndex(({ 1: letter }) => letter === 'A');
  const choices = new Map<string, string>();
  if (start < 0) return choices;
  for (let at = start; at < labels.length; at += 1) {
    const label = labels[at];
    if (label?.[1] !== String.fromCharCode(65 + at - start)) break;
    const end = labels[at + 1]?.index ?? question.length;
    const written = question.slice(label.index + label[0].length, end).split('\n', 1)[0] ?? '';
    choices.set(label[1], written.trim());
  }
  return choices.size < 2 ? new Map() : choices;
}

/** The letter, where `reference` is one, bare or as `(B)` and `B.`. */
export function asChoice(reference: string): string | undefined {
  return /^\(?([A-J])[).:]?$/u.exec(reference.trim())?.[1];
}

/** A letter that stands as one: in brackets or with one, after "option", alone; A and I never as words. */
const LETTER = new RegExp(
  [
    String.raw`\(([A-Ja-j])\)`,
    String.raw`(?<![\p{L}\p{N}'])([A-Ja-j])\)`,
    String.raw`(?<![\p{L}\p{N}])(?:option|choice|answer)\s+\(?([A-Ja-j])(?![\p{L}\p{N}'])`,
    String.raw`(?<![\p{L}\p{N}'.])([B-HJ])(?![\p{L}\p{N}'])`,
    String.raw`(?<![\p{L}\p{N}'.])(A|I)(?=\s*(?:$|[.,:;)\n]|and\s|or\s|because|since|is\s+(?:the|right|correct|in)))`,
  ].join('|'),
  'gu',
);
const NOT =
  /(?:\b(?:not|never|nor|neither|none of|rather than|instead of)|n't)\s+(?:be\s+)?(?:option\s+|choice\s+)?\(?$/iu;
const WRONG = /^[).:]?\s*(?:is|are|was)\s+(?:wrong|incorrect|not|false)|^[).:]?\s*isn't/iu;

/** Every letter that is chosen: one, or several where none is; none where no letter is said. */
export function lettersStated({ text, marked }: Stated): readonly string[] {
  const written = plain(text).trim();
  const alone = /^[("'[]*([A-Ja-j])[)\]."':]*$/u.exec(written)?.[1];
  if (alone !== undefined) return [alone.toUpperCase()];
  if (marked) return chosen(written);
  const lines = written.split('\n').filter((line) => /^\s*\(?[A-J][).:]/u.test(line));
  if (lines.length > 1) return ['A', 'B'];
  const all = lettersOf(written);
  if (new Set(all).size < 2) return [...new Set(all)];
  const last = sentencesOf(written).findLast((sentence) => lettersOf(sentence).length > 0) ?? written;
  return [...new Set(lettersOf(last))];
}

function lettersOf(text: string): readonly string[] {
  return found(text).map(({ letter }) => letter);
}

function found(text: string): readonly { readonly letter: string; readonly start: number; readonly end: number }[] {
  let denied = -1;
  return [...text.matchAll(LETTER)].flatMap((match) => {
    const [start, end] = [match.index, match.index + match[0].length];
    // "Not A or B" denies both.
    const joined = denied >= 0 && /^[\s).]*(?:,|or|nor|and|\/)[\s(]*$/iu.test(text.slice(denied, start));
    if (joined || NOT.test(text.slice(0, start)) || WRONG.test(text.slice(end))) {
      denied = end;
      return [];
    }
    return [{ letter: (match.slice(1).find((each) => each !== undefined) ?? '').toUpperCase(), start, end }];
  });
}

/** Behind a mark the first, and those that are joined to it. */
function chosen(text: string): readonly string[] {
  const [first, ...rest] = found(text);
  if (first === undefined) return [];
  const letters = new Set([first.letter]);
  let end = first.end;
  for (const next of rest) {
    if (!/^[\s).]*(?:,|or|and|&|\/|\s)*[\s(]*$/iu.test(text.slice(end, next.start))) break;
    letters.add(next.letter);
    end = next.end;
  }
  return [...letters];
}
