/**
 * Feedback on answers, added by response id. The id of a row is the hash of its content, and of the rating that it
 * turns round: the same feedback twice is one row, also when two processes are given it at once, and a thumb that goes
 * up, down and up again is three. What the ratings of a response say now is written as verdicts with each of them.
 */
import { eq } from 'drizzle-orm';

import { badRequest } from '../../core/errors.js';
import type { FeedbackView } from '../../core/reading.js';
import { seconds } from '../../core/seconds.js';
import { canonicalJson, sha256 } from '../../core/text/hash.js';
import { prepared, type Db } from '../file/db.js';
import { appendLedger, contentHashOf } from '../file/ledger.js';
import { feedback } from '../file/schema.js';
import { hearRatings } from '../labels/ratings.js';
import { queriesOf } from './queries.js';

export interface NewFeedback {
  readonly responseId: string;
  /** Whose feedback it is. */
  readonly keyId: string;
  /** Only responses of this key can be given feedback; undefined means everyone's. */
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

/** The feedback on a trajectory, oldest first. */
export function feedbackOf(db: Db, trajectoryId: string): FeedbackView[] {
  return queriesOf(db).feedbackOfTrajectory.all({ id: trajectoryId }).map(viewOf);
}

/**
 * Adds a row, or finds the one with the same content. Undefined when the key has no such response; throws a 400 on
 * `step` when the response has no such step.
 */
export function addFeedback(db: Db, { within, at = Date.now(), ...input }: NewFeedback): FeedbackView | undefined {
  return db.transaction(
    (tx) => {
      const response = prepared<[string], { trajectoryId: string; keyId: string }>(
        db,
        'SELECT trajectory_id AS trajectoryId, key_id AS keyId FROM responses WHERE id = ? AND id NOT IN ' +
          '(SELECT id FROM withdrawals)',
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
      const content = {
        responseId: input.responseId,
        keyId: input.keyId,
        step: input.step ?? null,
        value: input.value ?? null,
        comment: input.comment ?? null,
        demonstration: input.demonstration ?? null,
      };
      const known = tx
        .select()
        .from(feedback)
        .where(eq(feedback.id, idOf(content)))
        .get();
      const last = newestOf(db, content);
      // What it says again is what stands, or nobody has rated it otherwise since.
      const stands = content.value === null || last === undefined || last.value === content.value;
      if (known !== undefined && stands) return viewOf(known);
      const id = idOf(known === undefined || last === undefined ? content : { ...content, instead: last.id });
      const row = { id, trajectoryId: response.trajectoryId, ...content, createdAt: at };
      tx.insert(feedback).values(row).run();
      appendLedger(tx, [['feedback', id, contentHashOf('feedback', row)]], at);
      hearRatings(db, input.responseId, at);
      return viewOf(row);
    },
    { behavior: 'immediate' },
  );
}

function idOf(content: Readonly<Record<string, unknown>>): string {
  return `fbk-${sha256(canonicalJson(content)).slice(-40)}`;
}

/** The key's newest rating of the same. */
function newestOf(
  db: Db,
  { responseId, keyId, step }: { readonly responseId: string; readonly keyId: string; readonly step: number | null },
): { readonly id: string; readonly value: number } | undefined {
  return prepared<[string, string, number | null], { id: string; value: number }>(
    db,
    `SELECT id, value FROM feedback WHERE response_id = ? AND key_id = ? AND step IS ? AND value IS NOT NULL
      ORDER BY rowid DESC LIMIT 1`,
  ).get(responseId, keyId, step);
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
