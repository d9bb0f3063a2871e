/** Candidates: what a filter looks at to tell which steps become states. */
import { type SQL, sql } from 'drizzle-orm';

import type { TrainMode } from '../../core/learning/cycle.js';
import type { Db } from '../file/db.js';
import { UPSTREAM_STEP } from '../file/policy_version.js';
import { CONSENTED } from './consent.js';

/** The fields of `Candidate` in `src/filter/filter.ts`, as SQLite gives them: absence as null, booleans as 0 and 1. */
export interface CandidateRow {
  readonly stepId: string;
  readonly trajectoryId: string;
  readonly keyId: string;
  readonly index: number;
  readonly policyVersion: number;
  readonly consent: 0 | 1;
  readonly heldout: 0 | 1;
  readonly evaluated: 0 | 1;
  readonly finished: 0 | 1;
  readonly hasState: 0 | 1;
  readonly notTrainable: string | null;
  readonly good: 0 | 1 | null;
  readonly earlierGood: 0 | 1 | null;
  readonly allGood: 0 | 1 | null;
  readonly outcomeGood: 0 | 1 | null;
  /** Equal where the state is the same, word for word. */
  readonly state: string;
  /** Row of the state's last message, and its hash. */
  readonly stateAt: number;
  readonly stateTip: string;
  readonly toolSet: string;
  readonly giver: string | null;
}

/** Unclaimed steps are looked for among so many times as many of the newest: a log of years is not read through. */
const REACH = 4;

/**
 * The key whose share of a batch a step `s` of the trajectory `t` counts towards, in SQL. Null for the operator's own:
 * tasks that the learner has answered, and what was asked with an admin's key.
 */
export const GIVER: SQL = sql`CASE WHEN t.origin <> 'live' OR EXISTS (SELECT 1 FROM keys a WHERE a.id = s.key_id
  AND a.role = 'admin') THEN NULL ELSE s.key_id END`;

/**
 * The newest steps of a policy that no cycle of its in this mode has claimed and whose response was not withdrawn, with
 * their verdicts. A step's verdict is that of the first of `decidingJudges` whose newest word is one, since what an
 * earlier version of a judge said is withdrawn; of several steps it is bad if one is bad, else unknown if one is
 * unknown.
 */
export function candidateRows(
  db: Db,
  policy: string,
  mode: TrainMode,
  decidingJudges: readonly string[],
  limit: number,
): CandidateRow[] {
  const rank = sql.join(
    decidingJudges.map((judge, at) => sql`WHEN ${judge} THEN ${at}`),
    sql` `,
  );
  const fold = (where: ReturnType<typeof sql>): ReturnType<typeof sql> => sql`(
    SELECT CASE WHEN min(d2.good) = 0 THEN 0 WHEN count(*) > count(d2.good) THEN NULL ELSE 1 END
    FROM steps s2 LEFT JOIN deciding d2 ON d2.id = s2.id WHERE s2.trajectory_id = s.trajectory_id AND ${where})`;
  return db.all<CandidateRow>(sql`
    WITH newest AS (
      SELECT seq, id, trajectory_id, response_id, key_id, idx, policy_version, consent, outcome, not_trainable,
        state_tip, state_at, tool_set, prompt_suffix IS NOT NULL AS has_prompt
      FROM steps WHERE policy_version > ${sql.raw(String(UPSTREAM_STEP))} ORDER BY seq DESC LIMIT ${limit * REACH}),
    recent AS (
      SELECT s.* FROM newest s
      WHERE NOT EXISTS (SELECT 1 FROM cycle_steps c WHERE c.step_id = s.id AND c.mode = ${mode}
          AND c.policy = ${policy})
        AND NOT EXISTS (SELECT 1 FROM withdrawals w WHERE w.id = s.response_id)
      ORDER BY s.seq DESC LIMIT ${limit}),
    last_words AS (
      SELECT id, judge, good FROM (
        SELECT v.subject_id AS id, v.judge, v.good, row_number() OVER (PARTITION BY v.subject_id, v.judge
          ORDER BY v.created_at DESC, v.rowid DESC) AS place
        FROM verdicts v WHERE v.subject_kind = 'step' AND v.judge IN (${sql.join(
          decidingJudges.map((judge) => sql`${judge}`),
          sql`, `,
        )})
          AND v.subject_id IN (SELECT s3.id FROM steps s3 WHERE s3.trajectory_id IN (SELECT trajectory_id FROM recent)))
      WHERE place = 1),
    deciding AS (
      SELECT id, good FROM (
        SELECT id, good, row_number() OVER (PARTITION BY id ORDER BY CASE judge ${rank} END) AS place
        FROM last_words WHERE good IS NOT NULL)
      WHERE place = 1)
    SELECT s.id AS stepId, s.trajectory_id AS trajectoryId, s.key_id AS keyId, s.idx AS "index",
      s.policy_version AS policyVersion,
      ${CONSENTED} AS consent,
      (coalesce(k.split, '') = 'heldout' OR EXISTS (
        SELECT 1 FROM steps s0 JOIN tasks h ON h.hash = s0.state_tip
          AND h.split = 'heldout' WHERE s0.trajectory_id = s.trajectory_id)) AS heldout,
      (t.origin = 'evaluate') AS evaluated,
      (s.outcome = 'done' AND EXISTS (SELECT 1 FROM responses r WHERE r.id = s.response_id)) AS finished,
      (s.has_prompt AND coalesce(s.not_trainable, '') NOT IN ('upstream', 'no_token_ids',
        'control_text', 'raw_prompt')) AS hasState,
      s.not_trainable AS notTrainable, d.good AS good,
      CASE WHEN s.idx = 0 THEN 1 ELSE ${fold(sql`s2.idx < s.idx`)} END AS earlierGood,
      ${fold(sql`1 = 1`)} AS allGood,
      (SELECT v.good FROM verdicts v WHERE v.subject_kind = 'trajectory' AND v.subject_id = s.trajectory_id
        AND v.good IS NOT NULL AND NOT EXISTS (SELECT 1 FROM verdicts n WHERE n.subject_kind = v.subject_kind
          AND n.subject_id = v.subject_id AND n.judge = v.judge
          AND (n.created_at, n.rowid) > (v.created_at, v.rowid))
        ORDER BY v.created_at DESC LIMIT 1) AS outcomeGood,
      s.state_tip || s.tool_set AS state, s.state_at AS stateAt, s.state_tip AS stateTip,
      s.tool_set AS toolSet, ${GIVER} AS giver
    FROM recent s
    JOIN trajectories t ON t.id = s.trajectory_id
    LEFT JOIN tasks k ON k.id = t.task_id
    LEFT JOIN deciding d ON d.id = s.id
    ORDER BY s.seq`);
}

/** Of the newest `limit` steps those of upstreams, by key: they are no candidates, and do not count to the limit. */
export function upstreamSteps(db: Db, limit: number): ReadonlyMap<string, number> {
  const rows = db.all<{ keyId: string; steps: number }>(
    sql`SELECT key_id AS keyId, count(*) AS steps
      FROM (SELECT policy_version, key_id FROM steps ORDER BY seq DESC LIMIT ${limit})
      WHERE policy_version = ${UPSTREAM_STEP} GROUP BY key_id`,
  );
  return new Map(rows.map(({ keyId, steps }) => [keyId, steps]));
}
