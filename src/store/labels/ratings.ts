/**
 * Users' ratings as verdicts of the judge `feedback`: of each step of the rated response, and of its answer. Written
 * with each rating; those of earlier builds a few at a time, by whoever judges.
 */
import { type Rating, ratingOf } from '../../core/judging/feedback.js';
import type { Judgement } from '../../core/learning/judging.js';
import { prepared, type Db } from '../file/db.js';
import { judgedTo, markJudged } from '../learning/verdicts.js';
import { columnsOf, lastSaid, say, type SpokenSubject, subjectsOf, type Word } from './spoken.js';
import { IS_ANSWER, IS_CHOICE, MAY_BE_LEARNED, STEP_WITH_ALL } from './step_facts.js';

const FEEDBACK = 'feedback';
/** Its mark counts ratings, and no steps. */
const FEEDBACK_REF = { name: FEEDBACK, version: '1' } as const;
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
    `SELECT s.id, ${MAY_BE_LEARNED} AS open, ${IS_ANSWER} AS isAnswer, ${IS_CHOICE} AS isChoice
      FROM ${STEP_WITH_ALL} WHERE s.trajectory_id = (SELECT trajectory_id FROM responses WHERE id = ?)
        AND s.response_id = ? ORDER BY s.idx`,
  ).all(responseId, responseId);
  const words = steps.flatMap(({ id, open, isAnswer, isChoice }, place): Word[] => {
    const said = ratingOf(ratings, { at: place, isAnswer: isAnswer === 1, isChoice: isChoice === 1 });
    if (open === 0 || said === undefined) return [];
    return subjectsOf({ id, responseId, isAnswer })
      .filter((subject) => !isSaid(db, subject, said))
      .map((subject) => ({ subject, version: newest.id, said }));
  });
  say(db, FEEDBACK, words, at);
}

/** Whether the judge's newest word is this. */
function isSaid(db: Db, subject: SpokenSubject, said: Judgement): boolean {
  const { score = null, rationale } = columnsOf(said);
  const last = lastSaid(db, FEEDBACK, subject);
  return last !== undefined && last.score === score && last.rationale === rationale;
}

/** Whether there are more ratings of before a gateway made verdicts of them. */
export function hearEarlier(db: Db): boolean {
  const rowsAfter = prepared<[number], { at: number; responseId: string; createdAt: number }>(
    db,
    `SELECT rowid AS at, response_id AS responseId, created_at AS createdAt FROM feedback WHERE rowid > ?
      ORDER BY rowid LIMIT ${AT_ONCE}`,
  );
  if (rowsAfter.get(judgedTo(db, FEEDBACK_REF)) === undefined) return false;
  return db.transaction(
    () => {
      const rows = rowsAfter.all(judgedTo(db, FEEDBACK_REF));
      for (const { responseId, createdAt } of rows) hearRatings(db, responseId, createdAt);
      const last = rows.at(-1);
      if (last === undefined) return false;
      markJudged(db, FEEDBACK_REF, last.at);
      return rows.length === AT_ONCE;
    },
    { behavior: 'immediate' },
  );
}
