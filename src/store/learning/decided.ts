/** Who decides about each subject, as rows: made anew in the transaction that adds a verdict of it. */
import {
  anyOpinion,
  couldTell,
  type DeclaredJudge,
  deciding,
  JUDGES,
  NO_REFERENCE,
} from '../../core/learning/deciding.js';
import type { SubjectKind } from '../../core/learning/judging.js';
import { prepared, type Db } from '../file/db.js';

interface Said {
  readonly id: string;
  readonly judge: string;
  readonly score: number | null;
  readonly good: 0 | 1 | null;
  readonly rationale: string;
  readonly createdAt: number;
}

/** The judges by whom the rows are decided, for whoever says something and does not know the configuration. */
export function declaredOf(db: Db): readonly DeclaredJudge[] {
  const row = prepared<[], { judges: string }>(db, 'SELECT judges FROM deciding').get();
  return row === undefined ? JUDGES : (JSON.parse(row.judges) as DeclaredJudge[]);
}

/** `gradable`: whether a judge that knows right from wrong has what it takes to tell; undefined where nobody says. */
export function writeDecided(
  db: Db,
  kind: SubjectKind,
  id: string,
  gradable: boolean | undefined,
  judges: readonly DeclaredJudge[] = JUDGES,
): void {
  const said = prepared<[string, string], Said>(
    db,
    `SELECT id, judge, score, good, rationale, created_at AS createdAt FROM verdicts
      WHERE subject_kind = ? AND subject_id = ?`,
  ).all(kind, id);
  const words = said.map(({ score, good, ...rest }) => ({
    ...rest,
    score: score ?? undefined,
    good: good === null ? undefined : good === 1,
  }));
  const unheard = failedAt(db, kind, id);
  const { verdict, place, right, rightKind, unknown } = deciding(words, judges, unheard);
  const told = rightKind === 'person' ? couldTell(words, judges, unheard) : right !== undefined;
  prepared(
    db,
    `INSERT INTO decided (subject_kind, subject_id, judge, good, score, verdict_id, place, gradable, unknown)
      VALUES (@kind, @id, @judge, @good, @score, @verdictId, @place, @gradable, @unknown)
      ON CONFLICT DO UPDATE SET judge = @judge, good = @good, score = @score, verdict_id = @verdictId, place = @place,
        gradable = max(@gradable, CASE WHEN @news THEN 0 ELSE gradable END), unknown = @unknown`,
  ).run({
    kind,
    id,
    judge: verdict?.judge ?? null,
    good: verdict?.good === undefined ? null : Number(verdict.good),
    score: verdict?.score ?? null,
    verdictId: verdict?.id ?? null,
    place: place ?? null,
    gradable: Number(gradable === true || told),
    news: Number(gradable !== undefined),
    unknown: unknown.length,
  });
}

/** Judges that were asked about it and could not answer: they will be asked again. */
export function failedAt(db: Db, kind: SubjectKind, id: string): ReadonlySet<string> {
  const failed = prepared<[string, string], { judge: string }>(
    db,
    'SELECT judge FROM judge_attempts WHERE subject_kind = ? AND subject_id = ?',
  ).all(kind, id);
  return new Set(failed.map(({ judge }) => judge));
}

/** Subjects that are decided about anew in one transaction. */
const AT_ONCE = 1_000;

/**
 * Decides anew where other judges, or others of them, decide now than when the rows were made: some subjects a call.
 * Whether there are more.
 */
export function redecide(db: Db, judges: readonly DeclaredJudge[]): boolean {
  const declared = JSON.stringify(judges);
  const known = prepared<[], { judges: string; kind: string | null; subject: string | null }>(
    db,
    'SELECT judges, kind, subject FROM deciding',
  ).get();
  if ((known?.judges ?? JSON.stringify(JUDGES)) === declared && (known?.kind ?? null) === null) return false;
  return db.transaction(
    () => {
      const goesOn = known?.judges === declared && known.kind !== null;
      const rows = prepared<[string, string], { kind: SubjectKind; id: string }>(
        db,
        `SELECT DISTINCT subject_kind AS kind, subject_id AS id FROM verdicts
          WHERE (subject_kind, subject_id) > (?, ?) ORDER BY subject_kind, subject_id LIMIT ${AT_ONCE}`,
      ).all(goesOn ? (known.kind ?? '') : '', goesOn ? (known.subject ?? '') : '');
      for (const { kind, id } of rows)
        writeDecided(db, kind, id, anyOpinion(judges) || hasReference(db, kind, id), judges);
      const last = rows.length < AT_ONCE ? undefined : rows.at(-1);
      prepared(
        db,
        `INSERT INTO deciding (one, judges, kind, subject) VALUES (1, @declared, @kind, @id)
          ON CONFLICT DO UPDATE SET judges = @declared, kind = @kind, subject = @id`,
      ).run({ declared, kind: last?.kind ?? null, id: last?.id ?? null });
      return last !== undefined;
    },
    { behavior: 'immediate' },
  );
}

/** Whether one that goes by a reference has looked at it and found one. */
function hasReference(db: Db, kind: SubjectKind, id: string): boolean {
  return (
    prepared<[string, string, string], { found: number }>(
      db,
      `SELECT 1 AS found FROM verdicts WHERE subject_kind = ? AND subject_id = ? AND judge = 'reference'
        AND rationale <> ? LIMIT 1`,
    ).get(kind, id, NO_REFERENCE) !== undefined
  );
}

/** Subjects of which a judge has said something that nobody has declared. */
export function unknownJudged(db: Db): number {
  return (
    prepared<[], { subjects: number }>(db, 'SELECT count(*) AS subjects FROM decided WHERE unknown > 0').get()
      ?.subjects ?? 0
  );
}

/** The verdict that decides about an answer, of those on its last step and on its response, in SQL. */
export function decidingVerdict(columns: string, responseId: string, stepId: string): string {
  return `SELECT ${columns} FROM decided d WHERE d.good IS NOT NULL
      AND ((d.subject_kind = 'step' AND d.subject_id = ${stepId})
        OR (d.subject_kind = 'response' AND d.subject_id = ${responseId}))
    ORDER BY d.place, d.subject_kind DESC LIMIT 1`;
}

/** What is gone is neither judged nor waited for. */
export function forgetJudging(db: Db, subjects: Iterable<readonly [kind: SubjectKind, id: string]>): void {
  const gone = (table: string): void => {
    const remove = prepared<[string, string]>(db, `DELETE FROM ${table} WHERE subject_kind = ? AND subject_id = ?`);
    for (const subject of list) remove.run(...subject);
  };
  const list = [...subjects];
  gone('decided');
  gone('judge_attempts');
  const late = prepared<[string]>(db, 'DELETE FROM late_steps WHERE step_id = ?');
  const taught = prepared<[string]>(db, 'DELETE FROM demonstrations WHERE step_id = ?');
  for (const [kind, id] of list)
    if (kind === 'step') {
      late.run(id);
      taught.run(id);
    }
  // The number of the newest step is given again where that is gone: another step, which nobody has judged.
  prepared(
    db,
    `UPDATE judge_marks SET seq = (SELECT coalesce(max(seq), 0) FROM steps)
      WHERE seq > (SELECT coalesce(max(seq), 0) FROM steps)`,
  ).run();
}
