/**
 * Conversations as chains of stored messages. A link's body is the message's canonical text, the very
 * bytes its hash is taken of: nothing of a stored message escapes `verify`.
 */
import { bodyHash, messageBody, type Hash } from '../../core/text/hash.js';
import type { Content, Message } from '../../core/message.js';
import { prepared, type Db } from '../file/db.js';

export interface Link {
  readonly hash: Hash;
  /** '' for the first message. */
  readonly parent: Hash | '';
  readonly body: string;
}

export function link(parent: Hash | '', message: Message): Link {
  return relink(parent, messageBody(message));
}

/** The same words after another history. */
export function relink(parent: Hash | '', body: string): Link {
  return { hash: bodyHash(parent, body), parent, body };
}

export function linkAll(messages: readonly Message[], from: Hash | '' = ''): Link[] {
  let parent = from;
  return messages.map((message) => {
    const made = link(parent, message);
    parent = made.hash;
    return made;
  });
}

interface Row {
  readonly parent: number;
  readonly hash: Hash;
  readonly body: string;
}

/**
 * The links up to the message `at`, oldest first, from the one after the newest that is `known`.
 * Undefined when one is missing.
 */
export function readLinks(db: Db, at: number, known: (hash: Hash) => boolean = () => false): Link[] | undefined {
  const one = prepared<[number], Row>(db, 'SELECT parent, hash, body FROM messages WHERE id = ?');
  const rows: Row[] = [];
  let parent: Hash | '' = '';
  for (let id = at; id !== 0;) {
    const row = one.get(id);
    if (row === undefined) return undefined;
    if (known(row.hash)) {
      parent = row.hash;
      break;
    }
    rows.push(row);
    id = row.parent;
  }
  return rows.reverse().map(({ hash, body }) => {
    const made = { hash, parent, body };
    parent = hash;
    return made;
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

/** The message a canonical text says. */
export function messageOf(body: string): Message {
  const said = JSON.parse(body) as Canonical;
  if (said.role !== 'assistant') return said;
  if (said.tool_calls === undefined) return { role: 'assistant', content: said.content };
  const calls = said.tool_calls.map(([id, name, args]) => ({
    id,
    type: 'function' as const,
    function: { name, arguments: args },
  }));
  return { role: 'assistant', content: said.content === '' ? null : said.content, tool_calls: calls };
}
