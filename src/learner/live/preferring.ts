/** What a judge says of two versions' answers to one state: of each alone, or of both in both orders. */
import { reasonOf } from '../../core/errors.js';
import type { Comparer, Comparison, LiveAnswer, PairComparer, WordComparer } from '../../core/judging/live.js';
import { costOfAll, type JudgeCost } from '../../core/learning/judging.js';
import type { LoggedState } from '../../core/learning/state.js';
import { betterBy, preferred } from '../../promote/preference.js';

export interface Answers {
  readonly candidate: LiveAnswer;
  readonly serving: LiveAnswer;
}

type Heard = Pick<Comparison, 'outcome' | 'words' | 'promptTokens' | 'completionTokens' | 'ms' | 'money'>;
/** The judge could not be asked: it is no word about either, and what was taken was taken. */
interface Unheard {
  readonly fault: string;
  readonly cost: JudgeCost | undefined;
}
type Said<T> = (T | { readonly fault: string }) & { readonly cost?: JudgeCost | undefined };

/** Answers that are alike word for word are a tie unseen. */
export async function heard(
  comparer: Comparer,
  state: Pick<LoggedState, 'stepId' | 'messages' | 'tools'>,
  answers: Answers,
  signal: AbortSignal,
): Promise<Heard | Unheard> {
  if (answers.candidate.said.trim() === answers.serving.said.trim())
    return { outcome: 'same', words: [], ...costOfAll([]) };
  return comparer.by === 'words' ? eachAlone(comparer, answers, signal) : bothOrders(comparer, state, answers, signal);
}

async function eachAlone(
  comparer: WordComparer,
  { candidate, serving }: Answers,
  signal: AbortSignal,
): Promise<Heard | Unheard> {
  const said = await both(
    signal,
    () => comparer.wordOf(candidate, signal),
    () => comparer.wordOf(serving, signal),
  );
  if ('fault' in said[0] || 'fault' in said[1]) return unheard(said);
  const words = [said[0].word, said[1].word] as const;
  return { outcome: betterBy(words), words, ...costOfAll(costsOf(said)) };
}

async function bothOrders(
  comparer: PairComparer,
  { stepId, messages, tools }: Pick<LoggedState, 'stepId' | 'messages' | 'tools'>,
  { candidate, serving }: Answers,
  signal: AbortSignal,
): Promise<Heard | Unheard> {
  const shown = { id: stepId, messages, tools };
  const said = await both(
    signal,
    () => comparer.compare({ ...shown, first: candidate.said, second: serving.said }, signal),
    () => comparer.compare({ ...shown, first: serving.said, second: candidate.said }, signal),
  );
  if ('fault' in said[0] || 'fault' in said[1]) return unheard(said);
  const words = [said[0].preference, said[1].preference] as const;
  return { outcome: preferred(words), words, ...costOfAll(costsOf(said)) };
}

/** What one of them throws is its fault alone, so that what the other took is known. */
async function both<T>(
  signal: AbortSignal,
  first: () => Promise<Said<T>>,
  second: () => Promise<Said<T>>,
): Promise<readonly [Said<T>, Said<T>]> {
  const ask = async (one: () => Promise<Said<T>>): Promise<Said<T>> => {
    try {
      return await one();
    } catch (thrown) {
      signal.throwIfAborted();
      return { fault: reasonOf(thrown) };
    }
  };
  return Promise.all([ask(first), ask(second)]);
}

function unheard(said: readonly Said<object>[]): Unheard {
  const costs = costsOf(said);
  const fault = said.flatMap((each) => ('fault' in each ? [each.fault] : []))[0] ?? '';
  return { fault, cost: costs.length === 0 ? undefined : costOfAll(costs) };
}

function costsOf(said: readonly Said<object>[]): JudgeCost[] {
  return said.flatMap(({ cost }) => cost ?? []);
}
