/**
 * A conversation as it is recognised, however its client writes down what it was given. Clients trim the text of an
 * answer, leave it out or make it blank beside calls, put the reasoning in front of it, drop empty arguments, and send
 * results in an order of their own. None of that makes another conversation of it. Other words, other arguments and
 * other ids of calls do.
 *
 * The hash of this form is a step's `client_key`. Where nothing needs another form it is the client's tip itself, and
 * is neither hashed nor stored twice.
 */
import { bodyHash, canonicalJson, messageBody, type Hash } from '../../core/text/hash.js';
import { textOf, type AssistantMessage, type Message } from '../../core/message.js';
import { parseJson, writeJson } from '../../core/text/json.js';
import { hasLongDecimal, normaliseArguments } from '../../core/text/spelling.js';
import type { ChainedMessage } from './chain.js';
import { inOrderOfCalls } from '../../core/text/order.js';

/** Reasoning that a client, or a policy whose engine does not part it from the answer, writes before the answer. */
const THINKING = /^(?:\s*<(think|thinking)>[^]*?<\/\1>)+/;

/** The keys of every prefix of a conversation whose chain is known. */
export function keysOf(messages: readonly Message[], chain: readonly ChainedMessage[]): Hash[] {
  if (!messages.some(({ role }) => role === 'assistant')) return chain.map(({ hash }) => hash);
  let parent: Hash | '' = '';
  let plain = true;
  return inOrderOfCalls(messages).map((from, at) => {
    const message = messages[from];
    const body = (message?.role === 'assistant' ? recognisable(message) : undefined) ?? chain[from]?.body ?? '';
    plain &&= from === at && body === chain[at]?.body;
    parent = plain ? (chain[at]?.hash ?? '') : bodyHash(parent, body);
    return parent;
  });
}

/** The key of a conversation with the key `before` after which its client was given this answer. */
export function keyAfter(before: Hash | '', answer: AssistantMessage, chained: ChainedMessage): Hash {
  const body = recognisable(answer) ?? chained.body;
  return before === chained.parent && body === chained.body ? chained.hash : bodyHash(before, body);
}

/** The same text for every form of a turn, at little cost; turns of other conversations may have it too. */
export function roughly({ content, tool_calls: calls = [] }: AssistantMessage): string {
  return calls.length > 0 ? calls.map(({ id }) => id).join('\n') : bare(textOf(content));
}

/** What the key of a turn is taken of; undefined where that is its own canonical text. */
function recognisable(message: AssistantMessage): string | undefined {
  const calls = message.tool_calls ?? [];
  if (calls.length > 0) {
    return canonicalJson({
      role: 'assistant',
      tool_calls: calls.map(({ id, function: { name, arguments: args } }) => [id, name, withoutEmpty(args)]),
    });
  }
  const { content } = message;
  if (typeof content !== 'string' && content?.every(({ type }) => type === 'text') === false) return undefined;
  const text = textOf(content);
  const said = bare(text);
  return said === text ? undefined : messageBody({ role: 'assistant', content: said });
}

function bare(text: string): string {
  return text.replace(THINKING, '').trim();
}

/** Arguments without fields that say nothing. Text that is no JSON object stays as it is. */
function withoutEmpty(args: string): string {
  const normal = normaliseArguments(args);
  if (!/null|""|\[\]|\{\}/.test(normal) || hasLongDecimal(normal)) return normal;
  try {
    return normaliseArguments(writeJson(stripped(parseJson(normal))));
  } catch {
    return normal;
  }
}

function stripped(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(stripped);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, field]) => {
      const kept = stripped(field);
      return isEmpty(kept) ? [] : [[name, kept]];
    }),
  );
}

function isEmpty(value: unknown): boolean {
  return value === null || value === '' || (typeof value === 'object' && Object.keys(value).length === 0);
}
