/** Somebody who labels what the queue shows, by answers that the gateway is never told, and errs at some of them. */
import { answersOf, type Task } from '../../src/core/learning/task.js';
import type { QueuedStep } from '../../src/core/judging/labels.js';
import { textOf } from '../../src/core/message.js';
import { states } from '../../src/judge/rules/answers/states.js';
import { api, type Gateway } from '../demo/gateway.js';

/** Steps that are asked for at once. */
const AT_ONCE = 90;

export interface Labelled {
  readonly labels: number;
  readonly good: number;
  /** Of these labels the other word was said. */
  readonly wrong: number;
}

/** Labels until there are `most`, or the queue shows nothing new of these tasks. */
export async function label(
  gateway: Gateway,
  tasks: readonly Task[],
  most: number,
  { wrongShare, random }: { readonly wrongShare: number; readonly random: () => number },
): Promise<Labelled> {
  const byQuestion = new Map(tasks.map((task) => [questionOf(task.messages), task]));
  const seen = new Set<string>();
  let [labels, good, wrong] = [0, 0, 0];
  while (labels < most) {
    const { data } = await api<{ data: QueuedStep[] }>(gateway, 'GET', `/gyre/v1/labels/next?count=${AT_ONCE}`);
    const fresh = data.filter(({ step_id: id }) => !seen.has(id)).slice(0, most - labels);
    const said = fresh.flatMap((step) => {
      seen.add(step.step_id);
      const task = byQuestion.get(questionOf(step.messages));
      const truth = task === undefined ? undefined : isGood(step, task);
      if (truth === undefined) return [];
      const errs = random() < wrongShare;
      good += Number(truth);
      wrong += Number(errs);
      return [{ step_id: step.step_id, good: truth !== errs }];
    });
    if (said.length === 0) break;
    await api(gateway, 'POST', '/gyre/v1/labels', said);
    labels += said.length;
  }
  return { labels, good, wrong };
}

/** A call is good that gives the answer, and an answer that states it. */
function isGood({ messages, action, after }: QueuedStep, task: Task): boolean {
  const accepted = answersOf(task.reference ?? []);
  const given = action.role === 'assistant' && (action.tool_calls ?? []).length > 0;
  const question = questionOf(messages);
  if (!given) return states(textOf(action.content ?? ''), accepted, question);
  return after.some(({ role, content }) => role === 'tool' && states(textOf(content ?? ''), accepted, question));
}

function questionOf(messages: readonly { readonly role: string; readonly content: unknown }[]): string {
  const last = messages.findLast(({ role }) => role === 'user');
  return typeof last?.content === 'string' ? last.content : '';
}
