/** What a model judge is shown of a subject, as text of bounded length. Pure. */
import { createHash } from 'node:crypto';

import type { Subject } from '../../core/learning/judging.js';
import type { Compared } from '../../core/judging/live.js';
import { type Message, textOf } from '../../core/message.js';
import { writeJson } from '../../core/text/json.js';
import type { Slots } from './prompt.js';

/** Characters of all messages together, and of each other part: some 12,000 tokens in all. */
const CONVERSATION_CHARS = 32_000;
const PART_CHARS = 8_000;

/** `secret` is known to the judge alone, so that no text under judgement can have the mark in it. */
export function materialOf(subject: Subject, secret: string): Slots {
  const { messages, tools, after, feedback } = subject;
  return {
    ...setting(secret, `${subject.kind} ${subject.id}`, tools, messages),
    action: actionOf(subject),
    after: after === undefined || after.length === 0 ? 'nothing' : cut(after.map(said).join('\n'), PART_CHARS),
    feedback: feedback === undefined || feedback === '' ? 'nothing' : cut(feedback, PART_CHARS),
    first: '',
    second: '',
  };
}

/** Two answers in one place. Both orders have the same mark, so nothing tells which question it is. */
export function comparedMaterial({ id, messages, tools, first, second }: Compared, secret: string): Slots {
  return {
    ...setting(secret, `compared ${id}`, tools, messages),
    action: '',
    after: '',
    feedback: '',
    first: cut(first, PART_CHARS) || '(nothing)',
    second: cut(second, PART_CHARS) || '(nothing)',
  };
}

function setting(
  secret: string,
  of: string,
  tools: Subject['tools'],
  messages: readonly Message[],
): Pick<Slots, 'mark' | 'tools' | 'conversation'> {
  const mark = createHash('sha256').update(`${secret} ${of}`).digest('hex').slice(0, 16);
  return {
    mark: `[[${mark}]]`,
    tools: tools.length === 0 ? 'none' : cut(tools.map((spec) => writeJson(spec)).join('\n'), PART_CHARS),
    conversation: conversationOf(messages),
  };
}

/** Several actions of one state, numbered from 1, each between marks. */
export function materialOfAll(subjects: readonly [Subject, ...Subject[]], secret: string): Slots {
  const [first] = subjects;
  const slots = materialOf(first, `${secret} ${subjects.map(({ id }) => id).join(' ')}`);
  const { mark } = slots;
  return {
    ...slots,
    action: subjects.map((subject, at) => `Step ${at + 1}:\n${mark}\n${actionOf(subject)}\n${mark}`).join('\n'),
  };
}

function actionOf({ text, calls }: Subject): string {
  return cut([text, ...calls.map(callOf)].filter((part) => part !== '').join('\n'), PART_CHARS) || '(nothing)';
}

/** The first and the last messages whole, as far as they fit: the task stands in those, and what the step follows. */
function conversationOf(messages: readonly Message[]): string {
  const texts = messages.map((message) => cut(said(message), CONVERSATION_CHARS / 2));
  let left = CONVERSATION_CHARS - (texts[0]?.length ?? 0);
  let from = texts.length;
  while (from > 1 && left >= (texts[from - 1] ?? '').length) {
    from -= 1;
    left -= (texts[from] ?? '').length;
  }
  const gone = from - 1;
  return [...texts.slice(0, 1), ...(gone > 0 ? [`(${gone} messages are left out)`] : []), ...texts.slice(from)].join(
    '\n',
  );
}

function said(message: Message): string {
  const calls = message.role === 'assistant' ? (message.tool_calls ?? []) : [];
  const text = textOf(message.content);
  const lines = calls.map((call) => callOf({ name: call.function.name, arguments: call.function.arguments }));
  return [`${message.role}: ${text}`, ...lines].join('\n');
}

function callOf({ name, arguments: args }: { readonly name: string; readonly arguments: string }): string {
  return `call ${name} ${args}`;
}

function cut(text: string, chars: number): string {
  if (text.length <= chars) return text;
  const half = Math.floor(chars / 2);
  return `${text.slice(0, half)}\n(${text.length - 2 * half} characters are left out)\n${text.slice(-half)}`;
}
