/**
 * A conversation as it is recognised, however its client writes down what it was given. Clients trim the text of an
 * answer, leave it out or make it blank beside calls, put the reasoning in front of it, drop empty arguments, and send
 * results in an order of their own. None of that makes another conversation of it. Other words, other arguments and
 * other ids of calls do. Only arguments that were no JSON object tell nothing: every client mends them in a way of its
 * own, so a turn that has some is known by the ids and names of its calls alone.
 *
 * The hash of this form is a step's `client_key`. Where nothing needs another form it is the client's tip itself, and
 * is neither hashed nor stored twice.
 */
import { bodyHash, canonicalJson, messageBody, type Hash } from '../../core/text/hash.js';
import { textOf, type AssistantMessage, type Message } from '../../core/message.js';
import { isObjectJson } from '../../core/text/arguments.js';
import { inNormalForm } from '../../core/text/spelling.js';
import type { ChainedMessage } from './chain.js';
import { inOrderOfCalls } from '../../core/text/order.js';

/** Reasoning that a client, or a policy whose engine does not part it from the answer, writes before the answer. */
const THINKING = /^(?:\s*<(think|thinking)>[^]*?<\/\1>)+/;

const NONE: ReadonlySet<number> = new Set();

/**
 * The keys of every prefix of a conversation whose chain is known. `mended` are the positions of turns whose arguments
 * were no JSON when they were given, whatever they are now.
 */
export function keysOf(
  messages: readonly Message[],
  chain: readonly ChainedMessage[],
  mended: ReadonlySet<number> = NONE,
): Hash[] {
  if (!messages.some(({ role }) => role === 'assistant')) return chain.map(({ hash }) => hash);
  let parent: Hash | '' = '';
  let plain = true;
  return inOrderOfCalls(messages).map((from, at) => {
    const message = messages[from];
    const body =
      (message?.role === 'assistant' ? recognisable(message, mended.has(from)) : undefined) ?? chain[from]?.body ?? '';
    plain &&= from === at && body === chain[at]?.body;
    parent = plain ? (chain[at]?.hash ?? '') : bodyHash(parent, body);
    return parent;
  });
}

/**
 * The key of a conversation with the key `before` after which its client was given this answer. `malformed` says that
 * arguments in it were no JSON, where its protocol could not tell them as they were.
 */
export function keyAfter(
  before: Hash | '',
  answer: AssistantMessage,
  chained: ChainedMessage,
  malformed = false,
): Hash {
  const body = recognisable(answer, malformed) ?? chained.body;
  return before === chained.parent && body === chained.body ? chained.hash : bodyHash(before, body);
}

/** The same text for every form of a turn, at little cost; turns of other conversations may have it too. */
export function roughly({ content, tool_calls: calls = [] }: AssistantMessage): string {
  return calls.length > 0 ? calls.map(({ id }) => id).join('\n') : bare(textOf(content));
}

/** Whether arguments among these are no JSON object; none at all are an empty one. */
export function isMalformed(calls: readonly { readonly arguments: string }[]): boolean {
  return calls.some(({ arguments: args }) => args.trim() !== '' && !isObjectJson(args));
}

/** What the key of a turn is taken of; undefined where that is its own canonical text. */
function recognisable(message: AssistantMessage, malformed: boolean): string | undefined {
  const calls = message.tool_calls ?? [];
  if (calls.length > 0) {
    const byName = malformed || isMalformed(calls.map((call) => call.function));
    return canonicalJson({
      role: 'assistant',
      tool_calls: calls.map(({ id, function: { name, arguments: args } }) =>
        byName ? [id, name] : [id, name, alike(args)],
      ),
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

/**
 * The arguments as all ways to write them down have them in common: in one order and spacing, without fields that say
 * nothing, and with numbers as near as JavaScript keeps them.
 */
function alike(args: string): string {
  if (args.trim() === '') return '{}';
  try {
    return inNormalForm(stripped(JSON.parse(args)));
  } catch {
    return args; // nested too deep
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
