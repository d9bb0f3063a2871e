/**
 * Where a conversation began, as the log knows it: what stands before the first answer of ours was sent along, as
 * worked examples are, and says nothing about which conversation it is.
 */
import { openingWords } from '../../core/judging/conversation.js';
import type { Message } from '../../core/message.js';
import type { Hash } from '../../core/text/hash.js';
import { normaliseMessages } from '../../core/text/spelling.js';
import { prepared, type Db } from '../file/db.js';
import { chainMessages } from './chain.js';
import { keysOf } from './recognise.js';

/** What the user of a client's messages, as they are logged, said last before the first answer that a step gave. */
export function openingIn(db: Db, logged: readonly Message[]): string | undefined {
  const messages = normaliseMessages(logged);
  const chain = chainMessages(messages);
  const keys = keysOf(messages, chain);
  const answered = messages.findIndex(
    ({ role }, at) =>
      role === 'assistant' && (isTold(db, 'client_tip', chain[at]?.hash) || isTold(db, 'client_key', keys[at])),
  );
  return openingWords(answered < 0 ? messages : messages.slice(0, answered));
}

/**
 * Whether a step, of whomever, told this message, given by its row: to its client, or to the policy alone as within a
 * loop.
 */
export function isAnswer(db: Db, { at, hash }: { readonly at: number; readonly hash: Hash }): boolean {
  return (
    isTold(db, 'client_tip', hash) ||
    prepared<[{ at: number; hash: Hash }], object>(
      db,
      `SELECT 1 FROM steps WHERE policy_at = @at AND policy_tip <> client_tip
        UNION ALL SELECT 1 FROM steps WHERE action_tip = @hash AND action_tip <> policy_tip LIMIT 1`,
    ).get({ at, hash }) !== undefined
  );
}

function isTold(db: Db, column: 'client_tip' | 'client_key', hash: Hash | undefined): boolean {
  if (hash === undefined) return false;
  return prepared<[Hash], object>(db, `SELECT 1 FROM steps WHERE ${column} = ? LIMIT 1`).get(hash) !== undefined;
}
