/**
 * A conversation found by the id of its last response: the messages its client has, without the tool turns it never
 * saw.
 */
import { eq } from 'drizzle-orm';

import { GyreError } from '../../core/errors.js';
import type { AssistantMessage } from '../../core/message.js';
import type { Conversation } from '../../core/reading.js';
import { messageOf, readChain } from '../log/chain.js';
import { prepared, type Db } from '../file/db.js';
import { parseJson } from '../../core/text/json.js';
import { MARK } from '../../core/text/redact.js';
import { responses } from '../file/schema.js';

/**
 * Undefined when this key has no such response, or it failed or was cancelled. Throws 400 when something of it was
 * redacted: the policy would be asked with other words than the client's, and the client would not know.
 */
export function conversationOf(db: Db, keyId: string, responseId: string): Conversation | undefined {
  const response = responseOf(db, keyId, responseId);
  if (response === undefined || response.outcome === 'failed' || response.outcome === 'cancelled') return undefined;
  const answer = rowOf(db, response);
  const chain = answer === undefined ? undefined : readChain(db, answer.id);
  if (answer?.redacted === true && chain?.some(({ body }) => body.includes(MARK)) === true) {
    throw redacted(
      'previous_response_id',
      `The conversation up to ${JSON.stringify(responseId)} is logged with parts of it redacted, so it cannot be ` +
        'gone on from by its id. Send its items in "input" instead.',
    );
  }
  return chain && { messages: chain.map(({ body }) => messageOf(body)), asked: askedOf(response) };
}

/**
 * The answer alone with what was reasoned for it, also of a response that failed or was cancelled: its client has the
 * beginning. Throws 400 when something of it was redacted.
 */
export function answerOf(db: Db, keyId: string, responseId: string): AssistantMessage | undefined {
  const response = responseOf(db, keyId, responseId);
  const answer = response && rowOf(db, response);
  if (answer?.redacted === true && answer.body.includes(MARK)) {
    throw redacted(
      'input',
      `The answer ${JSON.stringify(responseId)} is logged with parts of it redacted, so its items ` +
        'cannot be referred to. Send the items themselves.',
    );
  }
  const message = answer && messageOf(answer.body);
  if (message?.role !== 'assistant') return undefined;
  const reasoning = reasoningOf(db, response);
  return reasoning === '' ? message : { ...message, reasoning };
}

/** Of all its steps. */
function reasoningOf(db: Db, response: Response | undefined): string {
  if (response === undefined) return '';
  const rows = prepared<[string, string], { reasoning: string | null }>(
    db,
    'SELECT reasoning FROM steps WHERE trajectory_id = ? AND response_id = ? ORDER BY idx',
  ).all(response.trajectoryId, response.id);
  return rows.map(({ reasoning }) => reasoning ?? '').join('');
}

export type Response = typeof responses.$inferSelect;

/** A response of the key, unless it was withdrawn, or its request asked for it not to be stored. */
export function responseOf(db: Db, keyId: string, responseId: string): Response | undefined {
  const response = db.select().from(responses).where(eq(responses.id, responseId)).get();
  if (response?.keyId !== keyId || (askedOf(response)?.['store'] ?? true) !== true) return undefined;
  const withdrawn = prepared<[string]>(db, 'SELECT 1 FROM withdrawals WHERE id = ?').get(responseId) !== undefined;
  return withdrawn ? undefined : response;
}

/** What its request said, as far as its protocol had it logged. */
export function askedOf({ asked }: Pick<Response, 'asked'>): Conversation['asked'] {
  return asked === null ? undefined : (parseJson(asked) as Readonly<Record<string, unknown>>);
}

/** The row of the answer in the client's chain. */
export function rowOf(
  db: Db,
  { id: responseId, trajectoryId }: Response,
): { readonly id: number; readonly body: string; readonly redacted: boolean } | undefined {
  const last = prepared<[string, string], { clientAt: number; clientTip: string; notTrainable: string | null }>(
    db,
    'SELECT client_at AS clientAt, client_tip AS clientTip, not_trainable AS notTrainable FROM steps WHERE ' +
      'trajectory_id = ? AND response_id = ? ORDER BY idx DESC LIMIT 1',
  ).get(trajectoryId, responseId);
  const row =
    last &&
    prepared<[number, string], { id: number; body: string }>(
      db,
      'SELECT id, body FROM messages WHERE parent = ? AND hash = ?',
    ).get(last.clientAt, last.clientTip);
  return row && { ...row, redacted: last.notTrainable === 'redacted' };
}

function redacted(param: string, message: string): GyreError {
  return new GyreError({ side: 'client', status: 400, code: 'previous_response_redacted', param, message });
}
