/** Visits: a state from which a cycle has drawn is used, whatever came of it, until another version is the head. */
import type { Visited } from '../../core/learning/candidate.js';
import { prepared, type Db } from '../file/db.js';

/** After so many refusals nothing is drawn at a state any more. */
const REFUSALS = 2;

interface ClaimRow {
  readonly mode: string;
  readonly cycleId: string;
  readonly visited: 0 | 1;
}

const CLAIM = `SELECT c.mode, c.cycle_id AS cycleId, c.visited FROM cycle_steps c JOIN cycles y ON y.id = c.cycle_id
  WHERE c.step_id = ? AND c.policy = ? AND c.same_as IS NULL ORDER BY y.id DESC LIMIT 1`;

/** The states of what a cycle claimed with a step: its own, and those that are nearly the same. */
const CLAIMED = `SELECT x.id FROM cycle_steps c JOIN steps s ON s.id = c.step_id
    JOIN states x ON x.hash = substr(s.state_tip, 4, 32) || substr(s.tool_set, 4, 32)
      AND x.policy = @policy AND x.mode = @mode
  WHERE c.cycle_id = @cycleId AND (c.step_id = @stepId OR c.same_as = @stepId) GROUP BY x.id`;

/**
 * Counts a visit of each claimed state, once for the cycle that claimed it, however often it is said. What came of it
 * may be said later. Of a state that nobody claimed, or that is gone, nothing is kept.
 */
export function visited(db: Db, policy: string, list: readonly Visited[]): void {
  db.transaction(
    () => {
      for (const { stepId, version, rate, refused } of list) {
        const claim = prepared<[string, string], ClaimRow>(db, CLAIM).get(stepId, policy);
        if (claim === undefined) continue;
        const { mode, cycleId } = claim;
        const ids = prepared<[object], { id: number }>(db, CLAIMED).all({ policy, mode, cycleId, stepId });
        const change = prepared<[object]>(
          db,
          `UPDATE states SET visits = visits + @visits, last_version = @version, last_rate = coalesce(@rate, last_rate),
              refusals = refusals + @refusals,
              set_aside = CASE WHEN refusals + @refusals >= ${REFUSALS} THEN coalesce(set_aside, @refused) END
            WHERE id = @id`,
        );
        const first = claim.visited === 0;
        for (const { id } of ids)
          change.run({
            id,
            version,
            visits: Number(first),
            rate: rate ?? null,
            refusals: Number(first && refused !== undefined),
            refused: refused ?? null,
          });
        if (first)
          prepared<[string, string, string]>(
            db,
            'UPDATE cycle_steps SET visited = 1 WHERE cycle_id = ? AND (step_id = ? OR same_as = ?)',
          ).run(cycleId, stepId, stepId);
      }
    },
    { behavior: 'immediate' },
  );
}

/**
 * A failed update taught nothing: what its cycle drew from may be drawn from again by the same version, but where what
 * was drawn is carried over.
 */
export function mayBeDrawnAgain(db: Db, policy: string, cycleId: string): void {
  prepared<[string, string]>(
    db,
    `UPDATE states SET last_version = -1 WHERE policy = ? AND set_aside IS NULL AND id IN (
      SELECT x.id FROM cycle_steps c JOIN steps s ON s.id = c.step_id
        JOIN states x ON x.hash = substr(s.state_tip, 4, 32) || substr(s.tool_set, 4, 32) AND x.mode = c.mode
      WHERE c.cycle_id = ? AND c.visited AND NOT EXISTS (SELECT 1 FROM groups g WHERE g.cycle_id = c.cycle_id
        AND g.step_id = coalesce(c.same_as, c.step_id) AND g.outcome = 'informative'))`,
  ).run(policy, cycleId);
}
