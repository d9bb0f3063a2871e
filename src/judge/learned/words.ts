/**
 * The pair of words that a judge says, each one token of the engine's model where it stands. Which pair it is, is asked
 * of the engine's own tokenizer.
 */
import { GyreError } from '../../core/errors.js';
import type { JudgeWord } from '../../core/judging/learned.js';
import { promptOf } from './material.js';

/** The first pair that fits is taken. */
const PAIRS = [
  [' good', ' bad'],
  [' right', ' wrong'],
  [' yes', ' no'],
  ['good', 'bad'],
  ['yes', 'no'],
  [' A', ' B'],
  ['1', '0'],
] as const;

export interface JudgeWords {
  readonly good: JudgeWord;
  readonly bad: JudgeWord;
}

/** Throws an error of the judge's side where no pair is two tokens. */
export async function wordsOf(tokens: (text: string) => Promise<readonly number[]>): Promise<JudgeWords> {
  const prompt = promptOf({ messages: [{ role: 'user', content: 'Hello' }], text: 'Hello!', calls: [] });
  const before = await tokens(prompt);
  const wordOf = async (text: string): Promise<JudgeWord | undefined> => {
    const ids = await tokens(prompt + text);
    const id = ids[before.length];
    // What stands before it is read as if it were not there: the word follows those very tokens.
    const single = ids.length === before.length + 1 && before.every((token, at) => ids[at] === token);
    return single && id !== undefined ? { text, id } : undefined;
  };
  for (const pair of PAIRS) {
    const [good, bad] = await Promise.all(pair.map(wordOf));
    if (good !== undefined && bad !== undefined && good.id !== bad.id) return { good, bad };
  }
  throw new GyreError({
    side: 'judge',
    status: 501,
    code: 'judge_words',
    message:
      'the model has no two words that a learned judge could say: none of ' +
      `${PAIRS.map((pair) => pair.map((word) => JSON.stringify(word)).join('/')).join(', ')} is two single tokens ` +
      `after "${prompt.slice(-24).replaceAll('\n', ' ')}". ` +
      'Take "kind: learned" out of "judges", or serve another model.',
  });
}
