/**
 * Four users of a gateway that learns while they ask: one asks one question at a time, one streams, one goes on in the
 * same conversation, one asks in bursts. Each has a key of its own, and knows nothing of learning.
 */
import OpenAI from 'openai';

import type { Task } from '../../src/core/learning/task.js';

/** What a user was given so far. */
interface Served {
  answers: number;
  readonly faults: string[];
}

export interface User {
  readonly name: string;
  readonly served: Served;
  /** Begins nothing more; resolves when the last answer has come. */
  stop(): Promise<void>;
}

type Messages = OpenAI.ChatCompletionMessageParam[];
type Habit = (openai: OpenAI, next: () => Task) => Promise<number>;

/** Milliseconds between two turns of a user. */
const PAUSE_MS = 2_000;

const HABITS: Readonly<Record<string, Habit>> = {
  steady: async (openai, next) => {
    await asked(openai, next());
    return 1;
  },
  streaming: async (openai, next) => {
    const task = next();
    const stream = await openai.chat.completions.create({ ...request(task), stream: true });
    let finish: string | null = null;
    for await (const chunk of stream) finish = chunk.choices[0]?.finish_reason ?? finish;
    if (finish === null) throw new Error('the stream ended without a finish_reason');
    return 1;
  },
  returning: async (openai, next) => {
    const task = next();
    const text = await asked(openai, task);
    const messages = [...(task.messages as Messages), { role: 'assistant' as const, content: text }];
    await asked(openai, task, [...messages, { role: 'user', content: 'Thank you. Please say the number again.' }]);
    return 2;
  },
  bursting: async (openai, next) => {
    await Promise.all([next(), next(), next(), next()].map((task) => asked(openai, task)));
    return 4;
  },
};
export const USERS = Object.keys(HABITS);

/** Asks until stopped, each question in its turn and again when all were asked. */
export function user(name: string, url: string, key: string, questions: readonly Task[]): User {
  const habit = HABITS[name];
  if (habit === undefined) throw new Error(`there is no user ${name}`);
  const openai = new OpenAI({ baseURL: `${url}/v1`, apiKey: key, maxRetries: 0, timeout: 180_000 });
  const served: Served = { answers: 0, faults: [] };
  let [at, stopped] = [0, false];
  const next = (): Task => {
    const task = questions[at % questions.length];
    if (task === undefined) throw new Error(`the user ${name} has no questions`);
    at += 1;
    return task;
  };
  const running = (async () => {
    while (!stopped) {
      try {
        served.answers += await habit(openai, next);
      } catch (fault) {
        served.faults.push(fault instanceof Error ? fault.message : String(fault));
      }
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  })();
  return {
    name,
    served,
    async stop() {
      stopped = true;
      await running;
    },
  };
}

function request(
  task: Task,
  messages: Messages = task.messages as Messages,
): OpenAI.ChatCompletionCreateParamsNonStreaming {
  const tools = (task.tools ?? []).map((name) => ({ type: `gyre:${name}` }));
  return {
    model: 'gyre',
    messages,
    temperature: 0.7,
    max_tokens: 64,
    metadata: { gyre_task: task.id },
    tools: tools as unknown as OpenAI.ChatCompletionTool[],
  };
}

async function asked(openai: OpenAI, task: Task, messages?: Messages): Promise<string> {
  const answer = await openai.chat.completions.create(request(task, messages));
  return answer.choices[0]?.message.content ?? '';
}
