/**
 * The word of a model judge out of its answer: its last lines, and nothing that stands in the explanation before them.
 * Whatever else it wrote is no verdict: a judge that cannot be understood has abstained. Pure.
 */

export interface Word {
  readonly good: boolean;
  /** From 0 to 1: how likely GOOD was, where that is known, or what it graded. */
  readonly score: number;
  /** How sure it was of the word, from 0 to 1; absent where it did not say how likely the others were. */
  readonly confidence?: number | undefined;
  /** What it wrote before the word. */
  readonly rationale: string;
}

/** A token of the answer, with the likeliest at its place. */
export interface AnswerToken {
  readonly token: string;
  readonly top: readonly { readonly token: string; readonly logprob: number }[];
}

export type Read = { readonly word: Word } | { readonly unclear: string };

const LAST = /^[\s*_#>`"'(-]*(?:verdict\s*:\s*)?[*_`"'(]*(GOOD|BAD)[\s*_`"').!]*$/i;
const SCORE = /^[\s*_#>`-]*score[*_`\s]*[:=][*_`\s]*(\d{1,2}(?:\.\d+)?)(?:\s*\/\s*10)?[\s*_`.]*$/i;
const MAX_RATIONALE = 2_000;

/** `graded`: its last line is to be a grade, and the word stands before that. */
export function wordOf(text: string, graded: boolean, tokens: readonly AnswerToken[] = []): Read {
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  const stated = graded ? SCORE.exec(lines.pop() ?? '')?.[1] : undefined;
  if (graded && stated === undefined) return { unclear: 'the last line of its answer is no SCORE' };
  const line = lines.pop() ?? '';
  const label = LAST.exec(line)?.[1]?.toUpperCase();
  if (label === undefined) return { unclear: 'its answer does not end with GOOD or BAD' };
  const good = label === 'GOOD';
  const grade = stated === undefined ? undefined : Number(stated) / 10;
  if (grade !== undefined && grade > 1) return { unclear: `its score is ${stated}, and 10 is the most` };
  if (grade !== undefined && grade > 0.5 !== good) return { unclear: `its score is ${stated}, and its word ${label}` };
  const likely = likelihoodOfGood(text, text.lastIndexOf(line) + line.toUpperCase().indexOf(label), tokens);
  return {
    word: {
      good,
      score: likely ?? grade ?? Number(good),
      confidence: likely === undefined ? undefined : good ? likely : 1 - likely,
      rationale: lines.join('\n').trim().slice(0, MAX_RATIONALE),
    },
  };
}

/** How likely GOOD was beside BAD where the word begins; undefined where that is not known. */
function likelihoodOfGood(text: string, place: number, tokens: readonly AnswerToken[]): number | undefined {
  let at = 0;
  for (const { token, top } of tokens) {
    const begins = at;
    at += token.length;
    if (at <= place) continue;
    // A token that begins before the word has something else in it than space: what follows it is not known.
    if (text.slice(begins, place).trim() !== '') return undefined;
    const [good, bad] = ['GOOD', 'BAD'].map((word) => likelihoodOf(word, top)) as [number, number];
    return good + bad === 0 ? undefined : good / (good + bad);
  }
  return undefined;
}

/** Of all tokens that the word may begin with. */
function likelihoodOf(word: string, top: AnswerToken['top']): number {
  return top.reduce((sum, { token, logprob }) => {
    const begins = token.trim().toUpperCase();
    return begins !== '' && word.startsWith(begins) ? sum + Math.exp(logprob) : sum;
  }, 0);
}
