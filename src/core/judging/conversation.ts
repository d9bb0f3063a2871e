/**
 * Conversations told apart by what they were begun with, so that later turns, branches and copies of one always fall
 * the same way wherever a share of the traffic is drawn by lot: none of them has to be remembered. Pure.
 */
import type { Content, Message } from '../message.js';
import { sha256 } from '../text/hash.js';

/** Characters of the beginning, and of the end, that tell a long one from others. */
const TELLING = 2_000;

/**
 * What the user said last before the first answer of ours; undefined where nobody has said a word, as in a picture
 * alone. Where worked examples are sent along, this is what tells one conversation from another.
 */
export function openingWords(beforeOurs: readonly Message[]): string | undefined {
  for (const { role, content } of beforeOurs.toReversed()) {
    const words = role === 'user' ? openingOf(content) : undefined;
    if (words !== undefined) return words;
  }
  return undefined;
}

/** What one message says, in whatever case and spacing. */
export function openingOf(content: Content | null): string | undefined {
  const parts = typeof content === 'string' ? [content] : (content ?? []).flatMap(({ text }) => text ?? []);
  const all = parts.join('\n').trim();
  const telling = all.length > 2 * TELLING ? `${all.slice(0, TELLING)} ${all.slice(-TELLING)}` : all;
  const words = telling.normalize('NFKC').replace(/\s+/gu, ' ').trim().toLowerCase();
  return words === '' ? undefined : words;
}

/** A conversation's own id: nobody without the salt can find words that fall in a share. */
export function conversationId(salt: string, words: string): string {
  return sha256(`${salt} ${words}`).slice(-32);
}

/** Whether it is one of a share, from 0 to 1, which `purpose` draws anew. */
export function isInShare(conversation: string, purpose: string, share: number): boolean {
  if (share <= 0) return false;
  return Number.parseInt(sha256(`${purpose} ${conversation}`).slice(-12), 16) / 2 ** 48 < share;
}
