/** Whether what a tool gave is, or has in it, one of the accepted answers. Pure. */
import { asChoice } from './choices.js';
import { isExpression, statesExpression } from './expressions.js';
import { asQuantity, quantitiesIn, sameQuantity } from './quantities.js';
import { mentions } from './spans.js';
import { asTruth } from './truths.js';
import { plain } from './writing.js';

/** A shorter number stands in many a passage by chance. */
const TELLING_DIGITS = 3;
/** Characters; a passage is no term. */
const LONGEST_TERM = 200;

/**
 * A result that is a number is compared by value; a passage has the answer where it stands in it as a whole. That "no"
 * or "B" stand in a passage says nothing.
 */
export function contains(result: string, accepted: readonly string[]): boolean {
  const value = asQuantity(result);
  return accepted.some((answer) => {
    const wanted = asQuantity(answer);
    if (value !== undefined && wanted !== undefined) return sameQuantity(value, wanted, true);
    if (wanted !== undefined && isListOfNumbers(result))
      return quantitiesIn(plain(result)).every((each) => sameQuantity(each, wanted, true));
    if (wanted !== undefined)
      return (
        (answer.match(/\p{N}/gu) ?? []).length >= TELLING_DIGITS &&
        quantitiesIn(plain(result)).some((each) => sameQuantity(each, wanted, true))
      );
    if (isExpression(answer)) return statesExpression({ text: result.slice(0, LONGEST_TERM), marked: true }, answer);
    return asTruth(answer) === undefined && asChoice(answer) === undefined && mentions(result, answer);
  });
}

/** Whether one of the accepted answers is named in a text, however short it is. */
export function names(text: string, accepted: readonly string[]): boolean {
  return accepted.some((answer) => {
    const wanted = asQuantity(answer);
    if (wanted !== undefined) return quantitiesIn(plain(text)).some((each) => sameQuantity(each, wanted, true));
    return asTruth(answer) === undefined && asChoice(answer) === undefined && mentions(text, answer);
  });
}

/** Whoever lists every number there is has found none of them. */
function isListOfNumbers(result: string): boolean {
  return !/\p{L}/u.test(result) && quantitiesIn(plain(result)).length > 1;
}
