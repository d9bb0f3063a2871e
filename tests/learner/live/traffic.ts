/** Live conversations on a bench, and a judge that compares by rule. */
import type { Task } from '../../../src/core/learning/task.js';
import type { Comparer, LiveJudge, Preference } from '../../../src/core/judging/live.js';
import { GYRE_POLICY } from '../../../src/core/learning/policy_name.js';
import { attempt } from '../../../src/learner/attempt.js';
import { ruleIn } from '../../../src/learner/states.js';
import { fold } from '../../../src/store/states/fold.js';
import { type Bench } from '../bench.js';

export const ERROR = { falseAccept: 0.1, falseReject: 0.1, n: 400 } as const;

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
  readonly comparer: Comparer;
  readonly shown: { readonly first: string; readonly second: string }[];
}

/** `word`: undefined where it cannot be asked. */
export function judgeBy(
  word: (first: string, second: string) => Preference | undefined,
  error: typeof ERROR | undefined = ERROR,
): Asked {
  const shown: Asked['shown'] = [];
  return {
    shown,
    comparer: {
      name: 'critic',
      judgeVersion: '1',
      version: 'c1',
      compare({ first, second }) {
        shown.push({ first, second });
        const preference = word(first, second);
        if (preference === undefined) return Promise.resolve({ fault: 'it is away' });
        return Promise.resolve({ preference, cost: { promptTokens: 10, completionTokens: 1, ms: 1, money: 0.5 } });
      },
    },
    error: () => Promise.resolve(error),
  };
}

/** The answer with `good` in it is better. */
export const honest = judgeBy((first, second) => {
  const [a, b] = [first.includes('good'), second.includes('good')];
  return a === b ? 'tie' : a ? 'first' : 'second';
});
