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
  const verdicts = words.map(({ subject, version, said }): Verdict => ({
    id: newId('vrd'),
    subjectKind: subject[0],
    subjectId: subject[1],
    judge,
    judgeVersion: version,
    ...columnsOf(said),
    // Where a clock goes back it is a moment after what was said before: the newest counts.
    createdAt: Math.max(at, (lastSaid(db, judge, subject)?.at ?? -1) + 1),
  }));
  saveJudged(db, { verdicts, faults: [] }, undefined, { judges: declaredOf(db) });
}

/** As a row has it. */
export function columnsOf(said: Judgement): Pick<Verdict, 'score' | 'good' | 'confidence' | 'rationale'> {
  if (said.kind === 'absent') return { rationale: said.reason };
  const { score, good, confidence, rationale } = said;
  return { score, good, confidence, rationale };
}

interface LastSaid {
  readonly version: string;
  readonly score: number | null;
  readonly rationale: string;
  readonly at: number;
}

/** The judge's newest word of the subject. */
export function lastSaid(db: Db, judge: string, subject: SpokenSubject): LastSaid | undefined {
  return prepared<[string, string, string], LastSaid>(
    db,
    `SELECT judge_version AS version, score, rationale, created_at AS at FROM verdicts
      WHERE subject_kind = ? AND subject_id = ? AND judge = ? ORDER BY created_at DESC, id DESC LIMIT 1`,
  ).get(...subject, judge);
}
