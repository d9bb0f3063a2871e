/** Calibrations of judges, and what people have said, by which they are calibrated. */
import type { Calibration, CalibrationNumbers } from '../../core/judging/calibration.js';
import type { GoldStep } from '../../core/judging/facts.js';
import type { JudgeCost } from '../../core/learning/judging.js';
import { prepared, type Db } from '../file/db.js';
import { appendLedger, contentHash, ledgeredShape } from '../file/ledger.js';
import { UPSTREAM_STEP } from '../file/policy_version.js';
import { addCost, isNewest } from '../learning/verdicts.js';

const SHAPE = ledgeredShape('calibrations');

/** One more. */
export function saveCalibration(db: Db, calibration: Calibration): void {
  const { numbers, bounds, shortfalls, ...row } = calibration;
  const values = SHAPE.values({
    ...row,
    numbers: JSON.stringify(numbers),
    bounds: JSON.stringify(bounds),
    shortfalls: JSON.stringify(shortfalls),
  });
  db.transaction(
    (tx) => {
      prepared<[unknown[]]>(db, SHAPE.insert).run(values);
      appendLedger(tx, [['calibrations', row.id, contentHash(SHAPE, values)]]);
    },
    { behavior: 'immediate' },
  );
}

/** What a judge took that made no verdict, under an id of its own: it counts for the budget of its day. */
export function spend(db: Db, judge: string, id: string, cost: JudgeCost, now: number = Date.now()): void {
  addCost(db, { id, judge, createdAt: now }, cost);
}

type Row = Omit<Calibration, 'numbers' | 'bounds' | 'shortfalls'> &
  Readonly<Record<'numbers' | 'bounds' | 'shortfalls', string>>;

/** Older rows do not say it. */
const SHOWN = (of: string): string => `coalesce(json_extract(${of}.numbers, '$.shown'), 'with_after')`;

/** The newest of each version of each judge, in each way to show it the items; newest first. */
export function newestCalibrations(db: Db): readonly Calibration[] {
  return prepared<[], Row>(
    db,
    `SELECT id, judge, judge_version AS judgeVersion, kind, gold, source, numbers, bounds, shortfalls,
        created_at AS createdAt
      FROM calibrations c WHERE NOT EXISTS (SELECT 1 FROM calibrations n
        WHERE n.judge = c.judge AND n.judge_version = c.judge_version AND n.rowid > c.rowid
          AND ${SHOWN('n')} = ${SHOWN('c')})
      ORDER BY rowid DESC`,
  )
    .all()
    .map(({ numbers, bounds, shortfalls, ...row }) => ({
      ...row,
      numbers: JSON.parse(numbers) as CalibrationNumbers,
      bounds: JSON.parse(bounds) as Calibration['bounds'],
      shortfalls: JSON.parse(shortfalls) as string[],
    }));
}

/** The newest word of a judge about a step, of steps that are there and were not withdrawn; not where it abstained. */
export function goldOf(db: Db, judge: string): readonly GoldStep[] {
  return prepared<[string], { stepId: string; good: 0 | 1; cluster: string; by: string }>(
    db,
    `SELECT v.subject_id AS stepId, v.good,
        coalesce(json_extract(k.body, '$.metadata.family'), json_extract(s.calls, '$[0].name'), 'answer') AS cluster,
        CASE s.policy_version WHEN ${UPSTREAM_STEP} THEN t.model ELSE 'gyre' END AS by
      FROM verdicts v JOIN steps s ON s.id = v.subject_id JOIN trajectories t ON t.id = s.trajectory_id
        LEFT JOIN tasks k ON k.id = t.task_id
      WHERE v.subject_kind = 'step' AND v.judge = ? AND v.good IS NOT NULL
        AND ${isNewest('v')}
        AND NOT EXISTS (SELECT 1 FROM withdrawals w WHERE w.id = s.response_id)
      ORDER BY s.seq`,
  )
    .all(judge)
    .map((row) => ({ ...row, good: row.good === 1 }));
}
