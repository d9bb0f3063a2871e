/** What people, users and the log say of steps, written as verdicts: on the step, and where it is one on the answer. */
import { newId } from '../../core/ids.js';
import type { Judgement, SubjectKind, Verdict } from '../../core/learning/judging.js';
import { prepared, type Db } from '../file/db.js';
import { declaredOf } from '../learning/decided.js';
import { saveJudged } from '../learning/verdicts.js';

/** A step that is spoken of, and the response it may be the answer of. */
export interface Spoken {
  readonly id: string;
  readonly responseId: string;
  readonly isAnswer: 0 | 1;
}

export type SpokenSubject = readonly [kind: SubjectKind, id: string];

export function subjectsOf({ id, responseId, isAnswer }: Spoken): readonly SpokenSubject[] {
  const step: SpokenSubject = ['step', id];
  return isAnswer === 1 ? [step, ['response', responseId]] : [step];
}

/** What is said now of one subject, and the version that its verdict names. */
export interface Word {
  readonly subject: SpokenSubject;
  readonly version: string;
  readonly said: Judgement;
}

/** Adds these words of one judge, each as its newest. */
export function say(db: Db, judge: string, words: readonly Word[], at: number): void {
  if (words.length === 0) return;
  const verdicts = words.map(({ subject: [subjectKind, subjectId], version, said }): Verdict => ({
    id: newId('vrd'),
    subjectKind,
    subjectId,
    judge,
    judgeVersion: version,
    ...columnsOf(said),
    createdAt: after(db, judge, subjectKind, subjectId, at),
  }));
  saveJudged(db, { verdicts, faults: [] }, undefined, { judges: declaredOf(db) });
}

/** As a row has it. */
export function columnsOf(said: Judgement): Pick<Verdict, 'score' | 'good' | 'confidence' | 'rationale'> {
  if (said.kind === 'absent') return { rationale: said.reason };
  const { score, good, confidence, rationale } = said;
  return { score, good, confidence, rationale };
}

/** Now, or a moment after the judge's newest word of the subject, where a clock goes back: the newest counts. */
function after(db: Db, judge: string, kind: SubjectKind, id: string, at: number): number {
  const newest = prepared<[string, string, string], { at: number | null }>(
    db,
    'SELECT max(created_at) AS at FROM verdicts WHERE subject_kind = ? AND subject_id = ? AND judge = ?',
  ).get(kind, id, judge)?.at;
  return newest === null || newest === undefined ? at : Math.max(at, newest + 1);
}
