/** Whose share a batch is divided by: the keys that teach, or did so lately. */
import { type SQL, sql } from 'drizzle-orm';

import { idsFrom } from '../../core/ids.js';
import { prepared, type Db } from '../file/db.js';

/**
 * How long a key counts that is silent: nobody gets whole batches by waiting until the others sleep. A week has every
 * day of it; the number is a choice, not measured.
 */
const HEARD_MS = 7 * 24 * 60 * 60 * 1000;

/**
 * The key whose share of a batch a step `s` of the trajectory `t` counts towards, in SQL. Null for the operator's own:
 * tasks that the learner has answered, and what was asked with an admin's key.
 */
const GIVER: SQL = sql`CASE WHEN t.origin <> 'live' OR EXISTS (SELECT 1 FROM keys a WHERE a.id = s.key_id
  AND a.role = 'admin') THEN NULL ELSE s.key_id END`;

/** Clients' keys that began a conversation within a week and consent to learning. */
export function heardLately(db: Db, now: number = Date.now()): string[] {
  return prepared<[string], { id: string }>(
    db,
    `SELECT k.id FROM keys k WHERE k.role = 'client' AND k.train AND k.revoked_at IS NULL AND EXISTS (
      SELECT 1 FROM trajectories t WHERE t.key_id = k.id AND t.key_id <> '' AND t.id >= ?
        AND t.origin = 'live' AND t.consent)`,
  )
    .all(idsFrom('traj', now - HEARD_MS))
    .map(({ id }) => id);
}

/** Whose share each of these steps counts towards; a step without an entry is the operator's own, or is gone. */
export function giversOf(db: Db, stepIds: readonly string[]): Map<string, string> {
  return new Map(
    db
      .all<{ id: string; giver: string | null }>(
        sql`SELECT s.id AS id, ${GIVER} AS giver FROM steps s JOIN trajectories t ON t.id = s.trajectory_id
          WHERE s.id IN (SELECT value FROM json_each(${JSON.stringify(stepIds)}))`,
      )
      .flatMap(({ id, giver }) => (giver === null ? [] : [[id, giver] as const])),
  );
}
