/**
 * What papers count of an answer to a question: exact match and F1 of words, as the scripts of SQuAD and HotPotQA do.
 * Both take the answer as it is given, so a sentence around a right name costs.
 */

/** Lower case, without punctuation and articles. */
function words(text: string): readonly string[] {
  return text
    .toLowerCase()
    .replace(/[!-/:-@[-`{-~]/g, '')
    .replace(/\b(?:a|an|the)\b/g, ' ')
    .split(/\s+/)
    .filter((word) => word !== '');
}

export function exactMatch(answer: string, accepted: readonly string[]): number {
  const said = words(answer).join(' ');
  return accepted.some((each) => words(each).join(' ') === said) ? 1 : 0;
}

/** The best over the accepted answers. Yes and no are right or wrong. */
export function f1(answer: string, accepted: readonly string[]): number {
  return Math.max(0, ...accepted.map((each) => overlap(words(answer), words(each))));
}

function overlap(said: readonly string[], wanted: readonly string[]): number {
  const closed = [said, wanted].map((list) => list.join(' ')).filter((each) => /^(?:yes|no|noanswer)$/.test(each));
  if (closed.length > 0) return said.join(' ') === wanted.join(' ') ? 1 : 0;
  const left = [...wanted];
  let common = 0;
  for (const word of said) {
    const at = left.indexOf(word);
    if (at < 0) continue;
    left.splice(at, 1);
    common += 1;
  }
  return common === 0 ? 0 : (2 * common) / (said.length + wanted.length);
}
