/**
 * How one conversation went, by whoever spoke of it first: people, then users, then the judges that may reward, then
 * what the log itself says. Of who knows only what an action has to look like nobody has spoken: such a word says
 * nothing of how a conversation went, and would be the same whatever anybody thought of it.
 */
import type { CanaryOutcome } from '../../core/judging/live.js';
import { deciding } from '../../core/learning/deciding.js';
import type { SubjectKind } from '../../core/learning/judging.js';
import { prepared, type Db } from '../file/db.js';
import { declaredOf, failedAt } from '../learning/decided.js';
import { isNewest, verdictsOf } from '../learning/verdicts.js';

type Went = Pick<CanaryOutcome, 'score' | 'source' | 'failed'>;
type Told = Required<Pick<CanaryOutcome, 'score' | 'source'>>;

export function wentOf(db: Db, trajectoryId: string): Went {
  const failed =
    prepared<[{ id: string }]>(
      db,
      `SELECT 1 FROM steps WHERE trajectory_id = @id AND not_trainable IN ('engine_error', 'malformed_call')
        UNION ALL SELECT 1 FROM steps s JOIN responses r ON r.id = s.response_id
          WHERE s.trajectory_id = @id AND r.outcome = 'failed' AND r.stop_reason = 'engine_error' LIMIT 1`,
    ).get({ id: trajectoryId }) !== undefined;
  const told =
    saidBy(db, 'person', trajectoryId) ??
    saidBy(db, 'feedback', trajectoryId) ??
    ratedIn(db, trajectoryId) ??
    rewardedIn(db, trajectoryId) ??
    saidBy(db, 'signals', trajectoryId);
  return { ...told, failed };
}

const SUBJECTS = `(SELECT 'step' AS kind, id FROM steps WHERE trajectory_id = @id
  UNION SELECT 'response', response_id FROM steps WHERE trajectory_id = @id)`;

/** The mean of its newest words on the steps and answers. */
function saidBy(db: Db, judge: string, id: string): Told | undefined {
  const sql = `SELECT v.score FROM ${SUBJECTS} o JOIN verdicts v ON v.subject_kind = o.kind AND v.subject_id = o.id
    WHERE v.judge = @judge AND v.good IS NOT NULL AND ${isNewest('v')}`;
  return told(judge, meanOf(db, sql, { id, judge }));
}

/** Ratings that are no verdicts, as those of a conversation that may not be learned from. */
function ratedIn(db: Db, id: string): Told | undefined {
  return told(
    'feedback',
    meanOf(db, 'SELECT (value + 1) / 2 AS score FROM feedback WHERE trajectory_id = @id', { id }),
  );
}

/** How many steps and answers are good by those who know right from wrong; by whom most of them were told. */
function rewardedIn(db: Db, trajectoryId: string): Told | undefined {
  const declared = declaredOf(db).filter(({ role }) => role === 'decides');
  const subjects = prepared<[{ id: string }], { kind: SubjectKind; id: string }>(
    db,
    `SELECT kind, id FROM ${SUBJECTS} WHERE id <> ''`,
  ).all({ id: trajectoryId });
  const words = (['step', 'response'] as const).flatMap((kind) => {
    const ids = subjects.filter((subject) => subject.kind === kind).map(({ id }) => id);
    return [...verdictsOf(db, kind, ids)].flatMap(
      ([id, said]) => deciding(said, declared, failedAt(db, kind, id)).right ?? [],
    );
  });
  const counts = new Map<string, number>();
  for (const { judge } of words) counts.set(judge, (counts.get(judge) ?? 0) + 1);
  const [most] = [...counts].sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1));
  if (most === undefined) return undefined;
  return told(most[0], words.filter(({ good }) => good === true).length / words.length);
}

function told(source: string, score: number | undefined): Told | undefined {
  return score === undefined ? undefined : { score, source };
}

function meanOf(db: Db, sql: string, of: Record<string, string>): number | undefined {
  const row = prepared<[Record<string, string>], { mean: number | null }>(
    db,
    `SELECT avg(score) AS mean FROM (${sql}) WHERE score IS NOT NULL`,
  ).get(of);
  return row?.mean ?? undefined;
}
