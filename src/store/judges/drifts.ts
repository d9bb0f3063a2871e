/** Whether judges still say what outcomes and people say, version by version of the policy: measured, and as rows. */
import type { Drift, ProcessAndOutcome } from '../../core/judging/drift.js';
import type { JudgeRef } from '../../core/learning/judging.js';
import { prepared, type Db } from '../file/db.js';
import { isNewest } from '../learning/verdicts.js';

/** Steps of a version that are looked at: the newest, so that it takes as long however large the log is. */
const NEWEST = 20_000;
const STEPS = `(SELECT id, response_id FROM steps WHERE policy_version = @version AND policy_version > -1
  ORDER BY seq DESC LIMIT ${NEWEST})`;

/** Answers of which the judge called steps something, and of which it was decided whether they are right. */
export function processAndOutcome(
  db: Db,
  version: number,
  judge: JudgeRef,
  deciding: readonly string[],
): readonly ProcessAndOutcome[] {
  return prepared<unknown[], { process: number; outcome: 0 | 1 }>(
    db,
    `SELECT avg(v.good) AS process, d.good AS outcome FROM ${STEPS} s
      JOIN verdicts v ON v.subject_kind = 'step' AND v.subject_id = s.id AND v.judge = @name
        AND v.judge_version = @judgeVersion AND v.good IS NOT NULL
      JOIN decided d ON d.subject_kind = 'response' AND d.subject_id = s.response_id AND d.good IS NOT NULL
        AND d.judge IN (SELECT value FROM json_each(@deciding))
      GROUP BY s.response_id`,
  )
    .all({ version, name: judge.name, judgeVersion: judge.version, deciding: JSON.stringify(deciding) })
    .map(({ process, outcome }) => ({ process, outcome: outcome === 1 }));
}

/** Of each step on which a person's newest word is good or bad, and the judge's too: whether they say the same. */
export function agreedWithPeople(db: Db, version: number, judge: JudgeRef): readonly boolean[] {
  return prepared<unknown[], { agree: 0 | 1 }>(
    db,
    `SELECT p.good = v.good AS agree FROM ${STEPS} s
      JOIN verdicts p ON p.subject_kind = 'step' AND p.subject_id = s.id AND p.judge = 'person' AND p.good IS NOT NULL
      JOIN verdicts v ON v.subject_kind = 'step' AND v.subject_id = s.id AND v.judge = @name
        AND v.judge_version = @judgeVersion AND v.good IS NOT NULL
      WHERE ${isNewest('p')}`,
  )
    .all({ version, name: judge.name, judgeVersion: judge.version })
    .map(({ agree }) => agree === 1);
}

/** In place of what was found of these versions before: who rewards may be others by now. */
export function saveDrifts(db: Db, policy: string, versions: readonly number[], list: readonly Drift[]): void {
  const gone = prepared<[string, string]>(
    db,
    'DELETE FROM judge_drifts WHERE policy = ? AND version IN (SELECT value FROM json_each(?))',
  );
  const save = prepared(
    db,
    `INSERT INTO judge_drifts (policy, version, judge, judge_version, measure, n, value, low, high, bound, alarm,
        created_at)
      VALUES (@policy, @version, @judge, @judgeVersion, @measure, @n, @value, @low, @high, @bound, @alarm, @createdAt)`,
  );
  db.transaction(
    () => {
      gone.run(policy, JSON.stringify(versions));
      for (const { ci95, alarm, ...row } of list)
        save.run({ ...row, low: ci95[0], high: ci95[1], alarm: Number(alarm), policy });
    },
    { behavior: 'immediate' },
  );
}

/** As many rows as are told of. */
const MOST = 200;

/** Newest version first. */
export function driftsOf(db: Db, policy: string, versions?: readonly number[]): readonly Drift[] {
  return prepared<unknown[], Omit<Drift, 'ci95' | 'alarm'> & { low: number; high: number; alarm: 0 | 1 }>(
    db,
    `SELECT version, judge, judge_version AS judgeVersion, measure, n, value, low, high, bound, alarm,
        created_at AS createdAt
      FROM judge_drifts WHERE policy = @policy
        AND (@versions IS NULL OR version IN (SELECT value FROM json_each(@versions)))
      ORDER BY version DESC, judge, measure LIMIT ${MOST}`,
  )
    .all({ policy, versions: versions === undefined ? null : JSON.stringify(versions) })
    .map(({ low, high, alarm, ...row }) => ({ ...row, ci95: [low, high] as const, alarm: alarm === 1 }));
}
