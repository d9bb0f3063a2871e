/**
 * Conversations as hash chains of messages. The body of a chained message is its canonical text, the very bytes its
 * hash is taken of: nothing of a stored message escapes `verify`.
 */
import { parseJson } from '../../core/text/json.js';
import { bodyHash, messageBody, type Hash } from '../../core/text/hash.js';
import type { Content, Message } from '../../core/message.js';
import { prepared, type Db } from '../file/db.js';

/** A message with its place in a chain: its hash is taken over the hash of the message before it. */
export interface ChainedMessage {
  readonly hash: Hash;
  /** '' for the first message. */
  readonly parent: Hash | '';
  readonly body: string;
}

export function chainMessage(parent: Hash | '', message: Message): ChainedMessage {
  return chainBody(parent, messageBody(message));
}

/** A message, given by its canonical text, after another history. */
export function chainBody(parent: Hash | '', body: string): ChainedMessage {
  return { hash: bodyHash(parent, body), parent, body };
}

/** The messages in a row, after the message whose hash is `from`. */
export function chainMessages(messages: readonly Message[], from: Hash | '' = ''): ChainedMessage[] {
  let parent = from;
  return messages.map((message) => {
    const chained = chainMessage(parent, message);
    parent = chained.hash;
    return chained;
  });
}

/** A message that is a row. */
export interface StoredMessage extends ChainedMessage {
  readonly at: number;
}

interface Row {
  readonly parent: number;
  readonly hash: Hash;
  readonly body: string;
}

/**
 * The stored chain that ends in row `at`, oldest first, without the newest message that is `known` and those before it.
 * Undefined when a row is missing.
 */
export function readChain(
  db: Db,
  at: number,
  known: (hash: Hash) => boolean = () => false,
): StoredMessage[] | undefined {
  const one = prepared<[number], Row>(db, 'SELECT parent, hash, body FROM messages WHERE id = ?');
  const rows: (Row & { readonly at: number })[] = [];
  let parent: Hash | '' = '';
  for (let id = at; id !== 0;) {
    const row = one.get(id);
    if (row === undefined) return undefined;
    if (known(row.hash)) {
      parent = row.hash;
      break;
    }
    rows.push({ ...row, at: id });
    id = row.parent;
  }
  return rows.reverse().map(({ hash, body, at: id }) => {
    const chained = { hash, parent, body, at: id };
    parent = hash;
    return chained;
  });
}

type Canonical =
  | { readonly role: 'system' | 'user'; readonly content: Content }
  | {
      readonly role: 'assistant';
      readonly content: Content;
      readonly tool_calls?: readonly (readonly [id: string, name: string, args: string])[] | undefined;
    }
  | { readonly role: 'tool'; readonly tool_call_id: string; readonly content: Content };

/** The message of a canonical text. */
export function messageOf(body: string): Message {
  const canonical = parseJson(body) as Canonical;
  if (canonical.role !== 'assistant') return canonical;
  if (canonical.tool_calls === undefined) return { role: 'assistant', content: canonical.content };
  const calls = canonical.tool_calls.map(([id, name, args]) => ({
    id,
    type: 'function' as const,
    function: { name, arguments: args },
  }));
  return { role: 'assistant', content: canonical.content === '' ? null : canonical.content, tool_calls: calls };
}
