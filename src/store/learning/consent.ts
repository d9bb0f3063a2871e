/**
 * Whether a step may be learned from, as it stands now: consent was given with each step of its state, and the key that
 * asked has not withdrawn it since. What is said in a state was said in the steps before it.
 */
import { type SQL, sql } from 'drizzle-orm';

import { prepared, type Db } from '../file/db.js';

/** In SQL, of a step `s` in its trajectory `t`, with the steps before it there. */
const CONSENTED: SQL = sql`(s.consent AND t.consent
  AND NOT EXISTS (SELECT 1 FROM steps e WHERE e.trajectory_id = s.trajectory_id AND e.idx < s.idx AND NOT e.consent)
  AND NOT EXISTS (SELECT 1 FROM keys g WHERE g.id = s.key_id AND NOT g.train))`;

/**
 * Those of the steps that may be learned from: not those of a response that was withdrawn since. A trajectory may have
 * begun in the midst of another one, so every answer in a step's state is looked for among all steps of its key: one
 * that was only ever given without consent takes the step with it.
 */
export function consented(db: Db, stepIds: readonly string[]): Set<string> {
  const rows = new Set(
    db
      .all<{ id: string }>(
        sql`SELECT s.id AS id FROM steps s JOIN trajectories t ON t.id = s.trajectory_id
          WHERE s.id IN (SELECT value FROM json_each(${JSON.stringify(stepIds)})) AND ${CONSENTED}
          AND NOT EXISTS (SELECT 1 FROM withdrawals w WHERE w.id = s.response_id)`,
      )
      .map(({ id }) => id),
  );
  for (const id of rows) if (prepared<[string], { found: number }>(db, WITHHELD).get(id) !== undefined) rows.delete(id);
  return rows;
}

/** An answer in the state of a step that was only given without consent. Its message is found as deletion finds it. */
const WITHHELD = `
  WITH RECURSIVE state (id, parent, hash, key_id) AS (
    SELECT m.id, m.parent, m.hash, s.key_id FROM steps s JOIN messages m ON m.id = s.state_at WHERE s.id = ?
    UNION ALL
    SELECT m.id, m.parent, m.hash, state.key_id FROM state JOIN messages m ON m.id = state.parent),
  given (hash, consent) AS (
    SELECT state.hash, x.consent FROM state JOIN steps x
      ON x.action_tip = state.hash AND x.action_tip <> x.policy_tip AND x.key_id = state.key_id
    UNION ALL
    SELECT state.hash, x.consent FROM state JOIN steps x
      ON x.policy_at = state.id AND x.policy_tip <> x.client_tip AND x.action_tip = x.policy_tip
      AND x.key_id = state.key_id
    UNION ALL
    SELECT state.hash, x.consent FROM state JOIN steps x
      ON x.client_tip = state.hash AND x.key_id = state.key_id)
  SELECT 1 AS found FROM given GROUP BY hash HAVING max(consent) = 0 LIMIT 1`;
