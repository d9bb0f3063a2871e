/** What a step points at, asked of SQLite in one statement: each reference must lead to a row that is there. */
import { IS_END } from '../log/splice.js';

export interface StepRefs {
  readonly seq: number;
  readonly id: string;
  readonly trajectoryId: string;
  readonly wrong: string | null;
}

/** What a step points at; the first thing that is not as the step says. */
export const STEP_REFS = `
  SELECT s.seq, s.id, s.trajectory_id AS trajectoryId, CASE
    WHEN NOT EXISTS (SELECT 1 FROM trajectories t WHERE t.id = s.trajectory_id
      AND t.key_id = s.key_id) THEN 'its trajectory ' || s.trajectory_id || ' is missing'
    WHEN s.state_tip <> '' AND NOT EXISTS (SELECT 1 FROM messages m WHERE m.id = s.state_at
      AND m.hash = s.state_tip) THEN 'the message of its state tip is missing'
    WHEN s.policy_tip <> '' AND NOT EXISTS (SELECT 1 FROM messages m WHERE m.id = s.policy_at
      AND m.hash = s.policy_tip) THEN 'the message of its policy tip is missing'
    WHEN s.action_tip IS NOT NULL AND NOT EXISTS (SELECT 1 FROM messages m WHERE m.parent = s.state_at
      AND m.hash = s.action_tip) THEN 'the message of its action is missing'
    WHEN s.client_at <> 0 AND NOT EXISTS (SELECT 1 FROM messages m
      WHERE m.id = s.client_at) THEN 'the message before its client tip is missing'
    WHEN EXISTS (SELECT 1 FROM responses r WHERE r.id = s.response_id) AND ${IS_END}
      AND NOT EXISTS (SELECT 1 FROM messages m WHERE m.parent = s.client_at
        AND m.hash = s.client_tip) THEN 'the message of its client tip is missing'
    WHEN NOT EXISTS (SELECT 1 FROM tool_sets ts WHERE ts.hash = s.tool_set) THEN 'its tool list is missing'
    WHEN s.prompt_base IS NOT NULL AND NOT EXISTS (
      SELECT 1 FROM steps b WHERE b.id = s.prompt_base AND b.trajectory_id = s.trajectory_id
        AND b.idx < s.idx) THEN 'the step its prompt is based on is missing'
  END AS wrong FROM steps s`;
