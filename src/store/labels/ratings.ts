/**
 * Users' ratings as verdicts of the judge `feedback`: of each step of the rated response, and of its answer. Written
 * with each rating; those of earlier builds a few at a time, by whoever judges.
 */
import { newId } from '../../core/ids.js';
import { type Rating, ratingOf } from '../../core/judging/feedback.js';
import type { SubjectKind, Verdict } from '../../core/learning/judging.js';
import { prepared, type Db } from '../file/db.js';
import { declaredOf } from '../learning/decided.js';
import { saveJudged } from '../learning/verdicts.js';
import { after } from './person.js';
import { IS_ANSWER, IS_CHOICE, IS_OPEN, IS_WITHHELD, STEP_WITH_ALL } from './step_facts.js';

const FEEDBACK = 'feedback';
/** Responses whose ratings are heard in one transaction. */
const AT_ONCE = 100;

interface Step {
  readonly id: string;
  readonly open: 0 | 1;
  readonly isAnswer: 0 | 1;
  readonly isChoice: 0 | 1;
}

/** Where what was said of a subject has changed, it is said anew. Of what may not be learned from nothing is said. */
export function hearRatings(db: Db, responseId: string, at: number): void {
  const rows = prepared<[string], { id: string; keyId: string; value: number; step: number | null }>(
    db,
    `SELECT id, key_id AS keyId, value, step FROM feedback WHERE response_id = ? AND value IS NOT NULL
      ORDER BY rowid`,
  ).all(responseId);
  const newest = rows.at(-1);
  if (newest === undefined) return;
  const ratings = rows.map(({ keyId, value, step }): Rating => ({ keyId, value, step: step ?? undefined }));
  const steps = prepared<[string, string], Step>(
    db,
    `SELECT s.id, ${IS_OPEN} AND NOT ${IS_WITHHELD} AS open, ${IS_ANSWER} AS isAnswer, ${IS_CHOICE} AS isChoice
      FROM ${STEP_WITH_ALL} WHERE s.trajectory_id = (SELECT trajectory_id FROM responses WHERE id = ?)
        AND s.response_id = ? ORDER BY s.idx`,
  ).all(responseId, responseId);
  const verdicts = steps.flatMap(({ id, open, isAnswer, isChoice }, place): Verdict[] => {
    const said = ratingOf(ratings, { at: place, isAnswer: isAnswer === 1, isChoice: isChoice === 1 });
    if (open === 0 || said === undefined) return [];
    const subjects: readonly (readonly [SubjectKind, string])[] =
      isAnswer === 1
        ? [
            ['step', id],
            ['response', responseId],
          ]
        : [['step', id]];
    return subjects.flatMap(([subjectKind, subjectId]): Verdict[] => {
      const word = {
        ...(said.kind === 'absent' ? {} : { score: said.score, good: said.good, confidence: said.confidence }),
        rationale: said.kind === 'absent' ? said.reason : said.rationale,
      };
      if (isSame(db, subjectKind, subjectId, word)) return [];
      const createdAt = after(db, FEEDBACK, subjectKind, subjectId, at);
      return [
        { id: newId('vrd'), subjectKind, subjectId, judge: FEEDBACK, judgeVersion: newest.id, ...word, createdAt },
      ];
    });
  });
  if (verdicts.length > 0) saveJudged(db, { verdicts, faults: [] }, undefined, { judges: declaredOf(db) });
}

/** Whether the judge's newest word is this. */
function isSame(
  db: Db,
  kind: SubjectKind,
  id: string,
  { score, rationale }: { readonly score?: number | undefined; readonly rationale: string },
): boolean {
  const last = prepared<[string, string, string], { score: number | null; rationale: string }>(
    db,
    `SELECT score, rationale FROM verdicts WHERE subject_kind = ? AND subject_id = ? AND judge = ?
      ORDER BY created_at DESC, id DESC LIMIT 1`,
  ).get(kind, id, FEEDBACK);
  return last !== undefined && last.score === (score ?? null) && last.rationale === rationale;
}

/** Whether there are more ratings of before a gateway made verdicts of them. */
export function hearEarlier(db: Db): boolean {
  const mark = prepared<[], { seq: number }>(
    db,
    `SELECT coalesce((SELECT seq FROM judge_marks WHERE judge = '${FEEDBACK}' AND judge_version = '1'), 0) AS seq`,
  );
  const rowsAfter = prepared<[number], { at: number; responseId: string; createdAt: number }>(
    db,
    `SELECT rowid AS at, response_id AS responseId, created_at AS createdAt FROM feedback WHERE rowid > ?
      ORDER BY rowid LIMIT ${AT_ONCE}`,
  );
  if (rowsAfter.get(mark.get()?.seq ?? 0) === undefined) return false;
  return db.transaction(
    () => {
      const rows = rowsAfter.all(mark.get()?.seq ?? 0);
      for (const { responseId, createdAt } of rows) hearRatings(db, responseId, createdAt);
      const last = rows.at(-1);
      if (last === undefined) return false;
      prepared<[number]>(
        db,
        `INSERT INTO judge_marks (judge, judge_version, seq) VALUES ('${FEEDBACK}', '1', ?)
          ON CONFLICT DO UPDATE SET seq = excluded.seq`,
      ).run(last.at);
      return rows.length === AT_ONCE;
    },
    { behavior: 'immediate' },
  );
}
