/**
 * The demo's users: ordinary `openai` clients. One asks tasks; one chats in the background all the while and counts
 * what fails.
 */
import OpenAI from 'openai';

import { answersOf, type Task } from '../../src/core/learning/task.js';
import { textOf } from '../../src/core/message.js';
import { states } from '../../src/judge/rules/answers/states.js';
import { inParallel } from '../../src/learner/pool.js';
import { api, type Gateway } from './gateway.js';

export interface Answer {
  readonly taskId: string;
  /** Undefined of one that failed. */
  readonly responseId?: string;
  readonly text: string;
  readonly right: boolean;
  readonly failed: boolean;
  readonly version: number;
}

function client(gateway: Gateway, retries = 0): OpenAI {
  return new OpenAI({
    baseURL: `${gateway.url}/v1`,
    apiKey: gateway.key ?? 'demo',
    maxRetries: retries,
    timeout: 180_000,
  });
}

export interface Asking {
  readonly model: string;
  readonly temperature: number;
  /** False sends `x-gyre-train: no`: the answer is for measuring only. */
  readonly train: boolean;
  readonly width: number;
  /** False asks without naming the task: the gateway does not know that there is an answer. */
  readonly named?: boolean;
  readonly onAnswer?: ((done: number, total: number) => void) | undefined;
}

/** Asks every task once, in the order given. */
export async function ask(gateway: Gateway, tasks: readonly Task[], asking: Asking): Promise<Answer[]> {
  const openai = client(gateway);
  const answers: Answer[] = [];
  let done = 0;
  await inParallel(tasks, asking.width, async (task, at) => {
    answers[at] = await askOne(openai, task, asking);
    done += 1;
    asking.onAnswer?.(done, tasks.length);
  });
  return answers;
}

async function askOne(openai: OpenAI, task: Task, asking: Asking): Promise<Answer> {
  try {
    const { data, response } = await openai.chat.completions
      .create(
        {
          model: asking.model,
          messages: task.messages as OpenAI.ChatCompletionMessageParam[],
          temperature: asking.temperature,
          max_tokens: 64,
          ...(asking.named === false ? {} : { metadata: { gyre_task: task.id } }),
          ...(task.tools === undefined
            ? {}
            : {
                tools: task.tools.map((name) => ({ type: `gyre:${name}` })) as unknown as OpenAI.ChatCompletionTool[],
              }),
        },
        { headers: asking.train ? {} : { 'x-gyre-train': 'no' } },
      )
      .withResponse();
    const choice = data.choices[0];
    const text = choice?.message.content ?? '';
    const accepted = answersOf(task.reference ?? []);
    const question = textOf(task.messages.findLast(({ role }) => role === 'user')?.content ?? '');
    const right = choice?.finish_reason === 'stop' && states(text, accepted, question);
    return {
      taskId: task.id,
      responseId: data.id,
      text,
      right,
      failed: false,
      version: Number(response.headers.get('x-gyre-policy-version')),
    };
  } catch (fault) {
    return {
      taskId: task.id,
      text: fault instanceof Error ? fault.message : String(fault),
      right: false,
      failed: true,
      version: -1,
    };
  }
}

export interface Background {
  readonly requests: number;
  readonly failed: number;
  /** Answers whose version header was not a version that served between the request's start and end. */
  readonly strayVersions: number;
  readonly versions: readonly number[];
  readonly faults: readonly string[];
}

/**
 * Chats until stopped: one short request at a time, streamed and not in turn, each checked for completeness and
 * version.
 */
export function chatInBackground(gateway: Gateway, pauseMs: number): { stop(): Promise<Background> } {
  const openai = client(gateway);
  const faults: string[] = [];
  const versions = new Set<number>();
  let requests = 0;
  let strayVersions = 0;
  let stopped = false;
  const serving = async (): Promise<number> =>
    (await api<{ serving: number }>(gateway, 'GET', '/gyre/v1/status')).serving;
  const once = async (): Promise<void> => {
    const before = await serving();
    const messages: OpenAI.ChatCompletionMessageParam[] = [
      { role: 'user', content: `Say one friendly sentence about the number ${requests}.` },
    ];
    const asked = { model: 'gyre', messages, max_tokens: 8, tool_choice: 'none' as const };
    let version: number;
    if (requests % 2 === 0) {
      const { data, response } = await openai.chat.completions
        .create({ ...asked, stream: true }, { headers: { 'x-gyre-train': 'no' } })
        .withResponse();
      version = Number(response.headers.get('x-gyre-policy-version'));
      let finish: string | null = null;
      for await (const chunk of data) finish = chunk.choices[0]?.finish_reason ?? finish;
      if (finish === null) throw new Error('the stream ended without a finish_reason');
    } else {
      const { data, response } = await openai.chat.completions
        .create(asked, { headers: { 'x-gyre-train': 'no' } })
        .withResponse();
      version = Number(response.headers.get('x-gyre-policy-version'));
      if (data.choices[0]?.finish_reason === undefined) throw new Error('the answer has no finish_reason');
    }
    versions.add(version);
    const after = await serving();
    if (version < before || version > after) strayVersions += 1;
  };
  const running = (async () => {
    while (!stopped) {
      try {
        await once();
      } catch (fault) {
        faults.push(fault instanceof Error ? fault.message : String(fault));
      }
      requests += 1;
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  })();
  return {
    async stop() {
      stopped = true;
      await running;
      return {
        requests,
        failed: faults.length,
        strayVersions,
        versions: [...versions].sort((a, b) => a - b),
        faults: faults.slice(0, 10),
      };
    },
  };
}
