/** What makes a step one that may be spoken of, in SQL: of a step `s`, its trajectory `t`, its response `r`. */

/** There is an action that may be learned from, as far as its steps' consent goes, and it was not deleted. */
export const IS_OPEN = `(s.outcome = 'done' AND s.action_tip IS NOT NULL AND s.consent AND t.consent
  AND NOT EXISTS (SELECT 1 FROM steps e WHERE e.trajectory_id = s.trajectory_id AND e.idx < s.idx AND NOT e.consent)
  AND NOT EXISTS (SELECT 1 FROM withdrawals w WHERE w.id = s.response_id))`;

/** Its key withholds it now. */
export const IS_WITHHELD = 'EXISTS (SELECT 1 FROM keys g WHERE g.id = s.key_id AND NOT g.train)';

/** Both: an action that may be learned from now. */
export const MAY_BE_LEARNED = `(${IS_OPEN} AND NOT ${IS_WITHHELD})`;

/** It is one of several choices of its response at one state. */
export const IS_CHOICE = `EXISTS (SELECT 1 FROM steps c WHERE c.trajectory_id = s.trajectory_id
  AND c.idx IN (s.idx - 1, s.idx + 1) AND c.response_id = s.response_id AND c.state_at = s.state_at)`;

/** A completed response ends with it, in an answer; of several choices none is the answer. */
export const IS_ANSWER = `(coalesce(r.outcome, '') = 'completed' AND s.calls = '[]'
  AND NOT EXISTS (SELECT 1 FROM steps n WHERE n.trajectory_id = s.trajectory_id AND n.idx = s.idx + 1
    AND n.response_id = s.response_id)
  AND NOT EXISTS (SELECT 1 FROM steps c WHERE c.trajectory_id = s.trajectory_id AND c.idx = s.idx - 1
    AND c.response_id = s.response_id AND c.state_at = s.state_at))`;

export const STEP_WITH_ALL =
  'steps s JOIN trajectories t ON t.id = s.trajectory_id LEFT JOIN responses r ON r.id = s.response_id';
