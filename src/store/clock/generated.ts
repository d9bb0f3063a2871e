/** Trajectories that were generated on tasks: how far a generation has come is what is in the log. */
import type { GeneratedTrajectory } from '../../core/learning/task.js';
import { canonicalJson, sha256 } from '../../core/text/hash.js';
import { prepared, type Db } from '../file/db.js';
import { actionOf } from '../read/state.js';

interface Row {
  readonly id: string;
  readonly taskId: string;
  readonly mark: string;
}

interface StepRow {
  readonly id: string;
  readonly stateAt: number;
  readonly actionTip: string | null;
  readonly calls: number;
  readonly whole: 0 | 1;
}

/** One that was killed has no end, and one that failed is none: they are not among these. */
export function generatedOn(db: Db, taskIds: readonly string[], since: number): GeneratedTrajectory[] {
  const rows = prepared<[string, number], Row>(
    db,
    `SELECT t.id, t.task_id AS taskId, json_extract(t.metadata, '$.gyre_asked') AS mark
      FROM json_each(?) e CROSS JOIN trajectories t ON t.task_id = e.value
      WHERE t.origin = 'generate' AND t.created_at >= ? AND json_extract(t.metadata, '$.gyre_asked') IS NOT NULL
      ORDER BY t.id`,
  ).all(JSON.stringify(taskIds), since);
  const steps = prepared<[string], StepRow>(
    db,
    `SELECT s.id, s.state_at AS stateAt, s.action_tip AS actionTip, json_array_length(s.calls) AS calls,
        EXISTS (SELECT 1 FROM responses r WHERE r.id = s.response_id AND r.outcome IN ('completed', 'incomplete'))
          AS whole
      FROM steps s WHERE s.trajectory_id = ? ORDER BY s.idx`,
  );
  return rows.flatMap((row): GeneratedTrajectory[] => {
    const taken = steps.all(row.id);
    if (taken.length === 0 || !taken.every(({ whole }) => whole === 1)) return [];
    const said = taken.map((step) => {
      const { text, calls } = actionOf(db, step);
      return [text, ...calls.map((call) => [call.name, call.arguments])];
    });
    const calls = taken.reduce((sum, step) => sum + step.calls, 0);
    return [{ ...row, steps: taken.length, calls, said: sha256(canonicalJson(said)) }];
  });
}
