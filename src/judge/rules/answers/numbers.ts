/** Which number an answer states. Pure; it never knows the right one. */
import { type Stated, sentencesOf } from './marks.js';
import { withDigits } from './number_words.js';
import { type Quantity, quantitiesIn, sameNumber } from './quantities.js';
import { plain } from './writing.js';

const NOT =
  /(?:\b(?:not|never|nor|neither|rather than|instead of|unlike)|n't)\s+(?:(?:be|just|only|quite)\s+)?[$€£]?$/iu;
const WRONG = /^\s*\S{0,12}\s*(?:is|was|would be)\s+(?:wrong|incorrect|not\b|false)/iu;
/** A number behind these says of what, not how much. */
const OF_WHAT =
  /\b(?:in|from|at|for|per|by|with|on|as of|since|until|after|before|within|among|out of|every|each)\s+\S?$/iu;
const OFFER =
  /\b(?:let me know|feel free|hope (?:this|that)|anything else|would you like|do you want|can i help|explain)\b/iu;
const OR = /(?<![\p{L}])(?:or|oder|ou|или)(?![\p{L}])|或|または|もしくは|(?<!\p{L})(?:أو|या)(?!\p{L})/u;
/** Two numbers with nothing but this between them are offered both. */
const ALTERNATIVE = /^\s*(?:[,;/、،]|-|to|and|–|~|&)\s*(?:and|maybe|perhaps|even)?\s*$/iu;
const VAGUE = /\b(?:between|either|possibl[ey]|might be|could be|may be|maybe|perhaps|from)\b/iu;
const MONTHS =
  'January|February|March|April|May|June|July|August|September|October|November|December|' +
  'Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec';
/** A day beside its month, where its year follows. */
const DAY = new RegExp(
  `(\\b(?:${MONTHS})\\.?\\s+)\\d{1,2}(?:st|nd|rd|th)?(?=,?\\s*\\d{4}\\b)|` +
    `\\b\\d{1,2}(?:st|nd|rd|th)?(?=\\s+(?:of\\s+)?(?:${MONTHS})\\.?,?\\s+\\d{4}\\b)`,
  'giu',
);
/** `Step 3:`, `3.` before a line. */
const LABEL =
  /\b(?:step|part|case|example|method|question|option|equation)\s+\d+\s*[:.)-]|^\s*\d{1,2}[.)]\s+(?=\S)/gimu;

const CENTS = /\b(\d[\d,]*)\s+dollars?\s+and\s+(\d{1,2})\s+cents?\b/giu;
/** What is told of something else for comparison. */
const CONTRAST = /(?<=\d.*?)(?:,\s+(?:while|whereas)|\s+compared (?:to|with)|,?\s+because(?!.*,\s*so\b))\s/iu;
/** "4 cups, or 20 - 4 = 16 cups" works it out; "x = 5 or x = -5" offers two. */
const WORKED = /\bor\s+(?=[^=]*\d\s*%?\s*[-+*/×x]\s*\$?\d[^=]*=)/giu;
const CLOCK = /(?<![\d:])\d{1,2}:\d{2}(?![\d:])(?:\s*[ap]\.?m\b)?/giu;

/**
 * The number that is stated; several where several are offered, of which none is stated; none where there is none.
 * Behind a mark it is the first, else that of the last sentence: behind its last `=`, or, of several, one that the
 * question does not give and that does not only say of what.
 */
export function numbersStated(stated: Stated, question: string): readonly Quantity[] {
  const text = readable(stated.text);
  if (stated.marked) return marked(text);
  const sentences = sentencesOf(text);
  const spoken = sentences.filter((sentence) => !OFFER.test(sentence) && !sentence.endsWith('?'));
  for (const sentence of [...(spoken.length > 0 ? spoken : sentences)].reverse()) {
    const found = said(sentence, given(question));
    if (found.length > 0) return found;
  }
  return [];
}

function readable(text: string): string {
  return plain(text)
    .replace(DAY, '$1')
    .replace(LABEL, ' ')
    .replace(CENTS, '$1.$2')
    .replace(CLOCK, ' ')
    .replace(WORKED, ' = ')
    .replace(/±\s*\d/gu, (at) => `0 or ${at.slice(1)}`);
}

/** Every number that the question gives, words included. */
function given(question: string): readonly number[] {
  const written = plain(question);
  return [...quantitiesIn(written), ...quantitiesIn(withDigits(written))].flatMap(({ values }) => values);
}

/** Numbers in words are read where those in digits say nothing that was not given. */
function inDigits(
  text: string,
  known: readonly number[] = [],
): { readonly text: string; readonly found: readonly Quantity[] } {
  const found = quantitiesIn(text);
  if (found.some((each) => isNew(each, known))) return { text, found };
  const digits = withDigits(text);
  return { text: digits, found: quantitiesIn(digits) };
}

function isNew({ values }: Quantity, known: readonly number[]): boolean {
  return !values.some((value) => known.some((each) => sameNumber(each, value)));
}

/** Behind the last `=`, where a number follows. */
function behindEquals(text: string): string {
  const at = Math.max(text.lastIndexOf('='), text.lastIndexOf('≈'), text.lastIndexOf('→'));
  if (at < 0 || OR.test(text)) return text;
  const behind = text.slice(at + 1);
  const restated = /^.*?\b(?:that is|i\.e\.|which is|which means|so)\b(?=.*\d)/iu.exec(behind)?.[0] ?? '';
  return quantitiesIn(behind).length > 0 ? behind.slice(restated.length) : text;
}

function marked(segment: string): readonly Quantity[] {
  const { text, found } = inDigits(behindEquals(segment));
  const told = found.filter((each) => !denied(text, each));
  const [first, ...rest] = told;
  if (first === undefined) return [];
  const offered = [first];
  for (const next of rest) {
    const between = text.slice((offered.at(-1) ?? first).end, next.start);
    if (/[([]/u.test(between) || isOfAnother(text, next)) break;
    if (!(ALTERNATIVE.test(between) || OR.test(between) || (VAGUE.test(text) && /\band\b/iu.test(between)))) break;
    offered.push(next);
  }
  return differing(offered);
}

function said(sentence: string, known: readonly number[]): readonly Quantity[] {
  const whole = inDigits(sentence.split(CONTRAST, 1)[0] ?? sentence, known);
  const told = whole.found.filter((each) => !denied(whole.text, each));
  if (told.length < 2) return told;
  if (told.some((each, at) => offersAnother(whole.text, each, told[at + 1])) && differing(told).length > 1) return told;
  const equated = behindEquals(whole.text);
  if (equated !== whole.text) return marked(equated);
  const colon = /^([^:]*\d[^:]*):(?!\d)/u.exec(whole.text)?.[1];
  const before = colon === undefined ? [] : told.filter(({ end }) => end <= colon.length);
  const outside = (before.some((each) => isNew(each, known)) ? before : told).filter(
    ({ start }) => !inBrackets(whole.text, start),
  );
  const choice = outside.length > 0 ? outside : told;
  const fresh = choice.filter((each) => isNew(each, known) && !ofEach(whole.text, each));
  const of = fresh.length > 0 ? fresh : choice;
  const howMuch = of.filter(({ start }) => !OF_WHAT.test(whole.text.slice(0, start)));
  const one = fresh.length > 0 ? (howMuch.at(-1) ?? of.at(-1)) : (howMuch[0] ?? of.at(-1));
  return one === undefined ? [] : [one];
}

/** "With 8 rolls each" says of what. */
function ofEach(text: string, { start, end }: Quantity): boolean {
  return /\bwith\s+\S?$/iu.test(text.slice(0, start)) && /^\s*\p{L}+\s+each\b/iu.test(text.slice(end));
}

function denied(text: string, { start, end }: Quantity): boolean {
  return NOT.test(text.slice(0, start)) || WRONG.test(text.slice(end));
}

function offersAnother(text: string, here: Quantity, next: Quantity | undefined): boolean {
  if (next === undefined || isOfAnother(text, next)) return false;
  const between = text.slice(here.end, next.start);
  if (OR.test(between)) return true;
  if (/^\s*(?:-|to|–|~)\s*$/iu.test(between)) return !text.slice(next.end).includes('=');
  if (/^\s*[,、،;/]\s*(?:and\s*)?$/iu.test(between)) return !text.includes('=');
  return VAGUE.test(text) && /^\s*(?:\p{L}+\s+)?(?:and|to)\s*$/iu.test(between);
}

/** "12, or 15 % of 80" is one number. */
function isOfAnother(text: string, { end, percent }: Quantity): boolean {
  return percent && /^\s*of\b/iu.test(text.slice(end));
}

function inBrackets(text: string, at: number): boolean {
  const before = text.slice(0, at);
  return (
    before.trim() !== '' &&
    before.lastIndexOf('(') > before.lastIndexOf(')') &&
    /[^(\s]/u.test(before.split('(')[0] ?? '')
  );
}

/** One of each value. */
function differing(offered: readonly Quantity[]): readonly Quantity[] {
  return offered.filter(
    ({ values }, at) =>
      !offered.slice(0, at).some((before) => before.values.some((value) => sameNumber(value, values[0] ?? Number.NaN))),
  );
}
