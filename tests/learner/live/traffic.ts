/** Live conversations on a bench, and a judge that compares by rule. */
import type { Task } from '../../../src/core/learning/task.js';
import type { JudgeError, LiveJudge, Preference } from '../../../src/core/judging/live.js';
import type { Judge, Judgement, Subject } from '../../../src/core/learning/judging.js';
import { GYRE_POLICY } from '../../../src/core/learning/policy_name.js';
import { wordComparer } from '../../../src/judge/by_words.js';
import { oneByOne } from '../../../src/judge/one_by_one.js';
import { attempt } from '../../../src/learner/attempt.js';
import { ruleIn } from '../../../src/learner/states.js';
import { fold } from '../../../src/store/states/fold.js';
import { type Bench } from '../bench.js';

const ERROR: JudgeError = { by: 'pairs', right: 0.9, wrong: 0.1, n: 100 };
const WORD_ERROR: JudgeError = { by: 'words', falseAccept: 0.1, falseReject: 0.1, n: 400 };
export const UNCALIBRATED = 'the judge "critic" would compare, and no calibration has shown that it can judge';

/** Each in a conversation of its own, answered by version 0 as a client's request. */
export async function converse(made: Bench, questions: readonly string[]): Promise<void> {
  for (const question of questions) {
    const task: Task = {
      id: `live ${question}`,
      messages: [{ role: 'user', content: question }],
      split: 'train',
      tools: ['calculator'],
      metadata: {},
    };
    await attempt(made.learner, task, { version: 0, origin: 'live', sampling: { temperature: 0.7 } });
  }
  await made.learner.log.flush();
  count(made);
}

export function count(made: Bench): void {
  while (fold(made.store.db, GYRE_POLICY, ruleIn(made.learner.config, 0)));
}

export function questions(count: number, word = 'number'): string[] {
  return Array.from({ length: count }, (_, at) => `Tell me about ${word} ${at}.`);
}

export interface Asked extends LiveJudge {
  readonly shown: { readonly first: string; readonly second: string }[];
}

/** `word`: undefined where it cannot be asked. */
export function judgeBy(
  word: (first: string, second: string) => Preference | undefined,
  error: JudgeError | undefined = ERROR,
): Asked {
  const shown: Asked['shown'] = [];
  const comparer = {
    by: 'pairs',
    name: 'critic',
    judgeVersion: '1',
    version: 'c1',
    compare({ first, second }: { readonly first: string; readonly second: string }) {
      shown.push({ first, second });
      const preference = word(first, second);
      if (preference === undefined) return Promise.resolve({ fault: 'it is away' });
      return Promise.resolve({ preference, cost: { promptTokens: 10, completionTokens: 1, ms: 1, money: 0.5 } });
    },
  } as const;
  return { shown, chosen: () => Promise.resolve(error === undefined ? UNCALIBRATED : { comparer, error }) };
}

/** A judge that says of each action alone what `word` does; undefined where it cannot tell. */
export function opinion(
  kind: Judge['kind'],
  word: (subject: Subject) => boolean | undefined,
  name = 'critic',
): Judge & { readonly asked: Subject[] } {
  const asked: Subject[] = [];
  return {
    asked,
    ...{ name, version: '1', kind },
    judge: oneByOne((subject): Judgement => {
      asked.push(subject);
      const good = word(subject);
      if (good === undefined) return { kind: 'absent', reason: 'nothing like it was labelled' };
      return { kind: 'verdict', good, score: Number(good), rationale: '' };
    }),
  };
}

/** It compares by its words. */
export function byWords(judge: Judge): LiveJudge {
  return { chosen: () => Promise.resolve({ comparer: wordComparer(judge), error: WORD_ERROR }) };
}

/** The answer with `good` in it is better. */
export const honest = judgeBy((first, second) => {
  const [a, b] = [first.includes('good'), second.includes('good')];
  return a === b ? 'tie' : a ? 'first' : 'second';
});
