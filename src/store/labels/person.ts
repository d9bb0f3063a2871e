/** What people say of a step, as verdicts: the newest label that stands is their word, until it is taken back. */
import { newId } from '../../core/ids.js';
import type { SubjectKind, Verdict } from '../../core/learning/judging.js';
import { prepared, type Db } from '../file/db.js';
import { declaredOf } from '../learning/decided.js';
import { saveJudged } from '../learning/verdicts.js';

const PERSON = 'person';

/** In SQL, of a label `l`: nobody has taken it back, and it takes none back. */
export const STANDS = 'l.withdraws IS NULL AND NOT EXISTS (SELECT 1 FROM labels w WHERE w.withdraws = l.id)';

interface Spoken {
  readonly id: string;
  readonly responseId: string;
  readonly isAnswer: 0 | 1;
}

/**
 * `version`: the label, or what takes one back. Verdicts are never changed, so what is taken back is said by a newer
 * one, which says again what stands, or abstains where nothing does.
 */
export function speak(db: Db, { id, responseId, isAnswer }: Spoken, version: string, at: number): void {
  const standing = prepared<[string], { id: string; good: 0 | 1 | null }>(
    db,
    `SELECT l.id, l.good FROM labels l WHERE l.step_id = ? AND ${STANDS} ORDER BY l.created_at DESC, l.id DESC LIMIT 1`,
  ).get(id);
  const said = {
    ...(standing === undefined || standing.good === null
      ? {}
      : { score: standing.good, good: standing.good === 1, confidence: 1 }),
    rationale:
      standing === undefined
        ? `taken back by ${version}; nobody says anything of it now`
        : `label ${standing.id}${standing.good === null ? ': the person cannot say' : ''}`,
  };
  const subjects: readonly (readonly [SubjectKind, string])[] =
    isAnswer === 1
      ? [
          ['step', id],
          ['response', responseId],
        ]
      : [['step', id]];
  const verdicts = subjects.map(([subjectKind, subjectId]): Verdict => ({
    id: newId('vrd'),
    subjectKind,
    subjectId,
    judge: PERSON,
    judgeVersion: version,
    ...said,
    createdAt: after(db, PERSON, subjectKind, subjectId, at),
  }));
  saveJudged(db, { verdicts, faults: [] }, undefined, { judges: declaredOf(db) });
}

/** Now, or a moment after the judge's newest word of the subject, where a clock goes back: the newest counts. */
export function after(db: Db, judge: string, kind: SubjectKind, id: string, at: number): number {
  const newest = prepared<[string, string, string], { at: number | null }>(
    db,
    'SELECT max(created_at) AS at FROM verdicts WHERE subject_kind = ? AND subject_id = ? AND judge = ?',
  ).get(kind, id, judge)?.at;
  return newest === null || newest === undefined ? at : Math.max(at, newest + 1);
}
