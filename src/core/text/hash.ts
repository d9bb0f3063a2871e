/**
 * Identity by content. Every hash is SHA-256 over canonical JSON (sorted keys, no spaces) and names
 * its format (`g1:`), so a later change of form cannot be mistaken for tampering.
 */
import { hash, type Hash as Hashing } from 'node:crypto';

import { canonicalMessage, type Message } from '../message.js';

/** `g1:` + 64 hex digits. */
export type Hash = string;

const PREFIX = 'g1:';

export function sha256(text: string | Uint8Array): Hash {
  return PREFIX + hash('sha256', text, 'hex');
}

/** As {@link sha256}, of what was hashed piece by piece. */
export function hashOf(hashed: Hashing): Hash {
  return PREFIX + hashed.digest('hex');
}

/** JSON with keys sorted at every depth; `undefined` fields are left out, as JSON.stringify does. */
export function canonicalJson(value: unknown): string {
  if (typeof value === 'bigint') return String(value);
  if (value === null || typeof value !== 'object') return JSON.stringify(value) ?? 'null';
  if (Array.isArray(value)) return `[${value.map((item) => canonicalJson(item)).join(',')}]`;
  const fields = Object.entries(value)
    .filter(([, field]) => field !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
    .map(([key, field]) => `${JSON.stringify(key)}:${canonicalJson(field)}`);
  return `{${fields.join(',')}}`;
}

/** A message's identity: its canonical content and its parent's identity. The first message has the parent ''. */
export function messageHash(parent: Hash | '', message: Message): Hash {
  return bodyHash(parent, messageBody(message));
}

/** The canonical text of a message: what is stored, and what is hashed. */
export function messageBody(message: Message): string {
  // A fast path for most messages: the bytes canonicalJson would give, in a quarter of the time.
  if (
    typeof message.content === 'string' &&
    (message.role === 'user' || (message.role === 'assistant' && message.tool_calls === undefined))
  ) {
    return `{"content":${JSON.stringify(message.content)},"role":"${message.role}"}`;
  }
  return canonicalJson(canonicalMessage(message));
}

/** {@link messageHash} of a message whose canonical text is known. */
export function bodyHash(parent: Hash | '', body: string): Hash {
  return sha256(`message\n${parent}\n${body}`);
}

/** Identities of every prefix of a conversation, first message first. */
export function chain(messages: readonly Message[], from: Hash | '' = ''): Hash[] {
  let parent = from;
  return messages.map((message) => (parent = messageHash(parent, message)));
}
