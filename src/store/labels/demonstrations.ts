/** Demonstrations that stand, of labels and of feedback, and what the engine's template has made of them. */
import type { Demonstrated, RenderedDemonstration, Taught } from '../../core/judging/demonstrations.js';
import { Demonstration } from '../../core/judging/labels.js';
import type { AssistantMessage } from '../../core/message.js';
import { parseJson } from '../../core/text/json.js';
import { prepared, type Db } from '../file/db.js';
import { packU32, unpackU32 } from '../file/tokens.js';
import { STANDS } from './person.js';

/** Of feedback on a whole answer it is what that ended with which should have been another. */
const STANDING = `SELECT l.id, l.step_id AS stepId, l.demonstration AS turn, 1 AS isJson FROM labels l
    WHERE l.demonstration IS NOT NULL AND ${STANDS}
  UNION ALL SELECT f.id, (SELECT s.id FROM steps s WHERE s.trajectory_id = f.trajectory_id
      AND s.response_id = f.response_id AND s.idx =
        (SELECT CASE WHEN f.step IS NULL THEN max(b.idx) ELSE min(b.idx) + f.step END FROM steps b
          WHERE b.trajectory_id = f.trajectory_id AND b.response_id = f.response_id)), f.demonstration, 0
    FROM feedback f WHERE f.demonstration IS NOT NULL`;

/** By the id behind which they begin. */
export function unrendered(db: Db, template: string, after: string, limit: number): readonly Demonstrated[] {
  const rows = prepared<unknown[], { id: string; stepId: string; turn: string; isJson: 0 | 1 }>(
    db,
    `SELECT d.* FROM (${STANDING}) d WHERE d.id > ? AND d.stepId IS NOT NULL AND NOT EXISTS
      (SELECT 1 FROM demonstrations r WHERE r.id = d.id AND r.template_hash = ?) ORDER BY d.id LIMIT ?`,
  ).all(after, template, limit);
  return rows.map(({ id, stepId, turn, isJson }) => ({
    id,
    stepId,
    turn: isJson === 1 ? turnOf(id, Demonstration.parse(parseJson(turn))) : { role: 'assistant', content: turn },
    endId: endOf(db, stepId, template),
  }));
}

function turnOf(id: string, { content, tool_calls: calls = [] }: Demonstration): AssistantMessage {
  if (calls.length === 0) return { role: 'assistant', content: content ?? '' };
  return {
    role: 'assistant',
    content: content ?? null,
    tool_calls: calls.map((call, at) => ({
      id: call.id ?? `${id}-${at}`,
      type: 'function',
      function: call.function,
    })),
  };
}

/** The last token of an action that ended by itself: of this step, or of the newest by the same template. */
function endOf(db: Db, stepId: string, template: string): number | undefined {
  const ended = `length(coalesce(token_ids, '')) >= 4 AND NOT cut AND finish_reason IN ('stop', 'tool_calls')`;
  const row =
    prepared<[string], { tokens: Buffer }>(
      db,
      `SELECT substr(token_ids, -4) AS tokens FROM steps WHERE id = ? AND ${ended}`,
    ).get(stepId) ??
    prepared<[string], { tokens: Buffer }>(
      db,
      `SELECT substr(token_ids, -4) AS tokens FROM (SELECT * FROM steps WHERE policy_version > -1 ORDER BY seq DESC
        LIMIT 1000) WHERE template_hash = ? AND ${ended} ORDER BY seq DESC LIMIT 1`,
    ).get(template);
  return row === undefined ? undefined : unpackU32(row.tokens)[0];
}

/** Nothing of a step that is gone. */
export function saveRendered(db: Db, { id, stepId, templateHash, tokenIds, reason }: RenderedDemonstration): void {
  prepared(
    db,
    `INSERT INTO demonstrations (id, step_id, template_hash, token_ids, reason, created_at)
      SELECT @id, @stepId, @templateHash, @tokens, @reason, @at WHERE EXISTS (SELECT 1 FROM steps WHERE id = @stepId)
      ON CONFLICT DO UPDATE SET template_hash = @templateHash, token_ids = @tokens, reason = @reason, created_at = @at`,
  ).run({
    ...{ id, stepId, templateHash, reason },
    tokens: tokenIds === undefined ? null : packU32(tokenIds),
    at: Date.now(),
  });
}

/** Those that no batch of the policy has taken. */
export function openDemonstrations(db: Db, policy: string, template: string, limit: number): readonly Taught[] {
  return prepared<unknown[], { id: string; stepId: string; tokens: Buffer }>(
    db,
    `SELECT d.id, d.stepId, r.token_ids AS tokens FROM (${STANDING}) d JOIN demonstrations r ON r.id = d.id
      WHERE r.template_hash = ? AND r.token_ids IS NOT NULL AND NOT EXISTS
        (SELECT 1 FROM batch_items i WHERE i.item_id = 'demonstration:' || d.id AND i.policy = ?)
      ORDER BY d.id LIMIT ?`,
  )
    .all(template, policy, limit)
    .map(({ id, stepId, tokens }) => ({ id, stepId, tokenIds: unpackU32(tokens) }));
}
