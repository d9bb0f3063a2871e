/** A conversation found again by the id of its last answer: what the client had said and been told, and no more than that. */
import { eq } from 'drizzle-orm';

import { GyreError } from '../core/errors.js';
import type { Message } from '../core/message.js';
import { messageOf, readLinks } from './chain.js';
import { prepared, type Db } from './db.js';
import { MARK } from './redact.js';
import { responses } from './schema.js';

/**
 * Undefined when this key was given no such answer, or it never came to be one. Throws 400 when something of it was
 * redacted: the policy would be asked with other words than the client's, and the client would not know.
 */
export function conversationOf(db: Db, keyId: string, responseId: string): readonly Message[] | undefined {
  const response = db.select().from(responses).where(eq(responses.id, responseId)).get();
  if (response === undefined || response.keyId !== keyId || response.outcome === 'failed' || response.outcome === 'cancelled') return undefined;
  const last = prepared<[string, string], { clientAt: number; clientTip: string; notTrainable: string | null }>(db, 'SELECT client_at AS clientAt, client_tip AS clientTip, not_trainable AS notTrainable FROM steps WHERE trajectory_id = ? AND response_id = ? ORDER BY idx DESC LIMIT 1').get(response.trajectoryId, responseId);
  if (last === undefined) return undefined;
  const answer = prepared<[number, string], { id: number }>(db, 'SELECT id FROM messages WHERE parent = ? AND hash = ?').get(last.clientAt, last.clientTip);
  const links = answer === undefined ? undefined : readLinks(db, answer.id);
  if (last.notTrainable === 'redacted' && links?.some(({ body }) => body.includes(MARK)) === true) {
    throw new GyreError({
      side: 'client', status: 400, code: 'previous_response_redacted', param: 'previous_response_id',
      message: `The conversation up to ${JSON.stringify(responseId)} is logged with parts of it redacted, so it cannot be gone on from by its id. Send its items in "input" instead.`,
    });
  }
  return links?.map(({ body }) => messageOf(body));
}
