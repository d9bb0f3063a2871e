/** Evaluations of a version on a set of held-out tasks. */
import { and, desc, eq } from 'drizzle-orm';

import type { Evaluation } from '../../core/learning/version.js';
import type { Db } from '../file/db.js';
import { evaluations } from '../file/schema.js';

export function saveEvaluation(db: Db, evaluation: Evaluation): void {
  db.insert(evaluations)
    .values({ ...evaluation, results: JSON.stringify(evaluation.results) })
    .run();
}

/** The newest evaluation of a version on a task set. */
export function evaluationOf(db: Db, version: number, taskSet: string): Evaluation | undefined {
  const row = db
    .select()
    .from(evaluations)
    .where(and(eq(evaluations.version, version), eq(evaluations.taskSet, taskSet)))
    .orderBy(desc(evaluations.createdAt))
    .get();
  return row === undefined ? undefined : { ...row, results: JSON.parse(row.results) as Evaluation['results'] };
}
