/**
 * Feedback on answers, added by response id. The id of a row is the hash of what it says, so the same
 * words twice are one row, also when two processes hear them at once.
 */
import { eq } from 'drizzle-orm';

import { badRequest } from '../../core/errors.js';
import type { FeedbackView } from '../../core/reading.js';
import { seconds } from '../../core/seconds.js';
import { canonicalJson, sha256 } from '../../core/text/hash.js';
import { prepared, type Db } from '../file/db.js';
import { appendLedger, contentHashOf } from '../file/ledger.js';
import { feedback } from '../file/schema.js';

export interface FeedbackInput {
  readonly responseId: string;
  /** Who says it. */
  readonly keyId: string;
  /** Whose responses may be spoken of; undefined means everyone's. */
  readonly within: string | undefined;
  /** From -1 (bad) to 1 (good). */
  readonly value?: number | undefined;
  /** Counts the response's own steps from 0; absent means the whole answer. */
  readonly step?: number | undefined;
  readonly comment?: string | undefined;
  /** What the answer should have been. */
  readonly demonstration?: string | undefined;
  readonly at?: number | undefined;
}

/** What was said of a trajectory, oldest first. */
export function feedbackOf(db: Db, trajectoryId: string): FeedbackView[] {
  return db
    .select()
    .from(feedback)
    .where(eq(feedback.trajectoryId, trajectoryId))
    .orderBy(feedback.createdAt, feedback.id)
    .all()
    .map(viewOf);
}

/**
 * Adds a row, or finds the one that says the same. Undefined when there is no such response within reach;
 * throws a 400 on `step` when the response has no such step.
 */
export function addFeedback(db: Db, { within, at = Date.now(), ...input }: FeedbackInput): FeedbackView | undefined {
  return db.transaction(
    (tx) => {
      const response = prepared<[string], { trajectoryId: string; keyId: string }>(
        db,
        'SELECT trajectory_id AS trajectoryId, key_id AS keyId FROM responses WHERE id = ?',
      ).get(input.responseId);
      if (response === undefined || (within !== undefined && response.keyId !== within)) return undefined;
      const steps =
        prepared<[string, string], { count: number }>(
          db,
          'SELECT count(*) AS count FROM steps WHERE trajectory_id = ? AND response_id = ?',
        ).get(response.trajectoryId, input.responseId)?.count ?? 0;
      if (input.step !== undefined && input.step >= steps) {
        throw badRequest(
          `"step" is ${input.step}, but the response "${input.responseId}" has ${steps} ` +
            `step${steps === 1 ? '' : 's'}, counted from 0.`,
          'step',
        );
      }
      const said = {
        responseId: input.responseId,
        keyId: input.keyId,
        step: input.step ?? null,
        value: input.value ?? null,
        comment: input.comment ?? null,
        demonstration: input.demonstration ?? null,
      };
      const id = `fbk-${sha256(canonicalJson(said)).slice(-40)}`;
      const row = { id, trajectoryId: response.trajectoryId, ...said, createdAt: at };
      const known = tx.select().from(feedback).where(eq(feedback.id, id)).get();
      if (known !== undefined) return viewOf(known);
      tx.insert(feedback).values(row).run();
      appendLedger(tx, [['feedback', id, contentHashOf('feedback', row)]], at);
      return viewOf(row);
    },
    { behavior: 'immediate' },
  );
}

function viewOf(row: typeof feedback.$inferSelect): FeedbackView {
  return {
    id: row.id,
    response_id: row.responseId,
    step: row.step,
    value: row.value,
    comment: row.comment,
    demonstration: row.demonstration,
    created_at: seconds(row.createdAt),
  };
}
