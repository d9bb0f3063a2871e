/** Whether a text states one of the accepted answers: lenient in form, strict in value. Pure. */
import { asChoice, choicesIn, lettersStated } from './choices.js';
import { isExpression, statesExpression } from './expressions.js';
import { type Stated, statedIn } from './marks.js';
import { numbersStated } from './numbers.js';
import { asQuantity, sameQuantity } from './quantities.js';
import { folded, statesSpan } from './spans.js';
import { asClock, clockStated } from './times.js';
import { asTruth, truthStated } from './truths.js';

const ASKS_PERCENT = /\b(?:what|which|how (?:many|much)|find|express)\b[^.?]*(?:\bper\s?cent|%)|\bpercentage\b/iu;

/** A long prompt asks at its end. */
const LONGEST_QUESTION = 4_000;

/**
 * A number by its value, a choice by its letter or its words, yes and no by which is said, a phrase as a whole. Where
 * several answers are offered none is stated. `asked` is the question: it has the choices, and the numbers that
 * are given.
 */
export function states(text: string, accepted: readonly string[], asked = ''): boolean {
  const question = asked.slice(-LONGEST_QUESTION);
  const stated = statedIn(text);
  const choices = choicesIn(question);
  return accepted.some((answer) => {
    const letter = letterOf(answer, choices);
    return letter !== undefined && choices.size > 0
      ? choosesLetter(stated, letter, choices)
      : statesOne(stated, answer, accepted, question);
  });
}

/** The letter of a reference that is one, or that is the text of a choice. */
function letterOf(answer: string, choices: ReadonlyMap<string, string>): string | undefined {
  const letter = asChoice(answer);
  if (letter !== undefined) return choices.size === 0 || choices.has(letter) ? letter : undefined;
  const wanted = folded(answer).toLowerCase().trim();
  return [...choices].find(([, words]) => folded(words).toLowerCase().trim() === wanted)?.[0];
}

function choosesLetter(stated: Stated, letter: string, choices: ReadonlyMap<string, string>): boolean {
  const letters = lettersStated(stated);
  const [only, ...more] = letters;
  if (more.length > 0) return false;
  const named = [...choices].filter(([, words]) => statesOne(stated, words, [words], '')).map(([each]) => each);
  if (only === undefined) return named.length === 1 && named[0] === letter;
  return only === letter && (named.length !== 1 || named[0] === letter || !isLabelled(stated, letter));
}

/** `B) Bergen` names another choice than its letter does. */
function isLabelled({ text }: Stated, letter: string): boolean {
  return new RegExp(String.raw`(?<![\p{L}])${letter}[).:]+\s*\S`, 'u').test(text);
}

function statesOne(stated: Stated, answer: string, accepted: readonly string[], question: string): boolean {
  const truth = asTruth(answer);
  if (truth !== undefined) return truthStated(stated) === truth;
  const clock = asClock(answer);
  if (clock !== undefined) return clockStated(stated, clock);
  const wanted = asQuantity(answer);
  if (wanted !== undefined) {
    const others = accepted.map(asQuantity).filter((each) => each !== undefined);
    const asksPercent = question === '' || ASKS_PERCENT.test(question);
    const told = numbersStated(stated, question);
    const is = (each: (typeof told)[number]): boolean => others.some((other) => sameQuantity(each, other, asksPercent));
    return told.length > 0 && told.every(is) && told.some((each) => sameQuantity(each, wanted, asksPercent));
  }
  if (isExpression(answer)) return statesExpression(stated, answer);
  const letter = asChoice(answer);
  if (letter !== undefined) {
    const letters = lettersStated(stated);
    return letters.length === 1 && letters[0] === letter;
  }
  return statesSpan(
    stated,
    accepted.filter((each) => asQuantity(each) === undefined && asTruth(each) === undefined),
    question,
  );
}
