/**
 * What a learned judge is asked: the conversation as it ended, the action, and a sentence that its word ends. The same
 * text when it is trained as when it is asked, and of a step as of a sample: what came after is never in it. Pure.
 */
import type { Subject } from '../../core/learning/judging.js';
import { type Message, textOf } from '../../core/message.js';

/** Raised with every change of what it is shown. */
export const MATERIAL = 1;
/** Characters of the conversation, of each message in it, and of the action. */
const CONVERSATION_CHARS = 3_000;
const MESSAGE_CHARS = 1_500;
const ACTION_CHARS = 1_200;
/** Tokens of the whole: what is more is cut out of the conversation. */
const MOST_TOKENS = 1_000;
/** Of these so many from its beginning. */
const FIRST_TOKENS = 200;
const ENDING = 'The action is';

export function promptOf(subject: Pick<Subject, 'messages' | 'text' | 'calls'>): string {
  const { messages, text, calls } = subject;
  const action = [text.trim(), ...calls.map(({ name, arguments: args }) => called(name, args))].filter(
    (part) => part !== '',
  );
  return `${conversationOf(messages)}\nAction: ${cut(action.join('\n'), ACTION_CHARS) || '(nothing)'}\n${ENDING}`;
}

/** The tokens that are judged: too many are cut the same way for training and for asking. */
export function shortened(ids: readonly number[]): readonly number[] {
  return ids.length <= MOST_TOKENS ? ids : [...ids.slice(0, FIRST_TOKENS), ...ids.slice(FIRST_TOKENS - MOST_TOKENS)];
}

/** What the user asked last: of a state without a user what was said last. */
export function questionOf(messages: readonly Message[]): string {
  const last = messages.findLast(({ role }) => role === 'user') ?? messages.at(-1);
  return last === undefined ? '' : textOf(last.content);
}

/** The newest messages as far as they fit, the question among them whatever follows it; not what systems say. */
function conversationOf(messages: readonly Message[]): string {
  const said = messages.filter(({ role }) => role !== 'system' && role !== 'developer');
  const question = said.findLastIndex(({ role }) => role === 'user');
  let left = CONVERSATION_CHARS - (question < 0 ? 0 : lineOf(said[question] as Message).length);
  let from = said.length;
  while (from > 0) {
    const length = from - 1 === question ? 0 : lineOf(said[from - 1] as Message).length;
    if (length > left) break;
    left -= length;
    from -= 1;
  }
  const shown = said.slice(from);
  return [...(question >= 0 && question < from ? [said[question] as Message] : []), ...shown].map(lineOf).join('\n');
}

function lineOf(message: Message): string {
  const calls = message.role === 'assistant' ? (message.tool_calls ?? []) : [];
  const text = textOf(message.content).trim();
  const parts = [text, ...calls.map((call) => called(call.function.name, call.function.arguments))];
  return `${message.role}: ${cut(parts.filter((part) => part !== '').join('\n'), MESSAGE_CHARS)}`;
}

function called(name: string, args: string): string {
  return `call ${name} ${args}`;
}

/** Its beginning and its end. */
function cut(text: string, chars: number): string {
  const half = Math.floor(chars / 2);
  return text.length <= chars ? text : `${text.slice(0, half)} ... ${text.slice(-half)}`;
}
