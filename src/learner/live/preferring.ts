/** What a judge says of two versions' answers to one state: of each alone, or of both in both orders. */
import type { Comparer, Comparison, LiveAnswer, PairComparer, WordComparer } from '../../core/judging/live.js';
import type { JudgeCost } from '../../core/learning/judging.js';
import type { LoggedState } from '../../core/learning/state.js';
import { betterBy, preferred } from '../../promote/preference.js';

export interface Answers {
  readonly candidate: LiveAnswer;
  readonly serving: LiveAnswer;
}

type Heard = Pick<Comparison, 'outcome' | 'words' | 'promptTokens' | 'completionTokens'>;

/** Throws where the judge could not be asked. Answers that are alike word for word are a tie unseen. */
export async function heard(
  comparer: Comparer,
  state: Pick<LoggedState, 'stepId' | 'messages' | 'tools'>,
  answers: Answers,
  signal: AbortSignal,
): Promise<Heard> {
  if (answers.candidate.said.trim() === answers.serving.said.trim())
    return { outcome: 'same', words: [], promptTokens: 0, completionTokens: 0 };
  return comparer.by === 'words' ? eachAlone(comparer, answers, signal) : bothOrders(comparer, state, answers, signal);
}

async function eachAlone(comparer: WordComparer, { candidate, serving }: Answers, signal: AbortSignal): Promise<Heard> {
  const said = await Promise.all([comparer.wordOf(candidate, signal), comparer.wordOf(serving, signal)]);
  const words = [said[0].word, said[1].word] as const;
  return { outcome: betterBy(words), words, ...tokensOf(said) };
}

async function bothOrders(
  comparer: PairComparer,
  { stepId, messages, tools }: Pick<LoggedState, 'stepId' | 'messages' | 'tools'>,
  { candidate, serving }: Answers,
  signal: AbortSignal,
): Promise<Heard> {
  const shown = { id: stepId, messages, tools };
  const said = await Promise.all([
    comparer.compare({ ...shown, first: candidate.said, second: serving.said }, signal),
    comparer.compare({ ...shown, first: serving.said, second: candidate.said }, signal),
  ]);
  const words = [said[0].preference, said[1].preference] as const;
  return { outcome: preferred(words), words, ...tokensOf(said) };
}

function tokensOf(
  said: readonly { readonly cost?: JudgeCost | undefined }[],
): Pick<Comparison, 'promptTokens' | 'completionTokens'> {
  const sum = (of: 'promptTokens' | 'completionTokens'): number =>
    said.reduce((total, { cost }) => total + (cost?.[of] ?? 0), 0);
  return { promptTokens: sum('promptTokens'), completionTokens: sum('completionTokens') };
}
