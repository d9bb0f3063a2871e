/** A conversation found again by the id of its last answer: what the client had said and been told, and no more than that. */
import { eq } from 'drizzle-orm';

import type { AssistantMessage, Message } from '../core/message.js';
import { messageOf, readLinks } from './chain.js';
import { prepared, type Db } from './db.js';
import { responses } from './schema.js';

/** Undefined when this key was given no such answer, or it never came to be one. */
export function conversationOf(db: Db, keyId: string, responseId: string): readonly Message[] | undefined {
  const response = responseOf(db, keyId, responseId);
  if (response === undefined || response.outcome === 'failed' || response.outcome === 'cancelled') return undefined;
  const answer = rowOf(db, response);
  const links = answer === undefined ? undefined : readLinks(db, answer.id);
  return links?.map(({ body }) => messageOf(body));
}

/** The answer alone, as far as it came: its client has the beginning also of one that was broken off. */
export function answerOf(db: Db, keyId: string, responseId: string): AssistantMessage | undefined {
  const response = responseOf(db, keyId, responseId);
  const answer = response && rowOf(db, response);
  const message = answer && messageOf(answer.body);
  return message?.role === 'assistant' ? message : undefined;
}

type Response = typeof responses.$inferSelect;

function responseOf(db: Db, keyId: string, responseId: string): Response | undefined {
  const response = db.select().from(responses).where(eq(responses.id, responseId)).get();
  return response?.keyId === keyId ? response : undefined;
}

/** The message that ended the response, in its client's chain. */
function rowOf(db: Db, { id, trajectoryId }: Response): { readonly id: number; readonly body: string } | undefined {
  const last = prepared<[string, string], { clientAt: number; clientTip: string }>(db, 'SELECT client_at AS clientAt, client_tip AS clientTip FROM steps WHERE trajectory_id = ? AND response_id = ? ORDER BY idx DESC LIMIT 1').get(trajectoryId, id);
  return last && prepared<[number, string], { id: number; body: string }>(db, 'SELECT id, body FROM messages WHERE parent = ? AND hash = ?').get(last.clientAt, last.clientTip);
}
