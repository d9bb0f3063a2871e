/** Evaluations of a version of a policy on a set of held-out tasks. */
import { and, desc, eq } from 'drizzle-orm';

import type { Evaluation } from '../../core/learning/version.js';
import type { Db } from '../file/db.js';
import { evaluations } from '../file/schema.js';

export function saveEvaluation(db: Db, policy: string, evaluation: Evaluation): void {
  db.insert(evaluations)
    .values({ ...evaluation, policy, results: JSON.stringify(evaluation.results) })
    .run();
}

/** The newest evaluation of a version on a task set. */
export function evaluationOf(db: Db, policy: string, version: number, taskSet: string): Evaluation | undefined {
  const row = db
    .select()
    .from(evaluations)
    .where(and(eq(evaluations.policy, policy), eq(evaluations.version, version), eq(evaluations.taskSet, taskSet)))
    .orderBy(desc(evaluations.createdAt))
    .get();
  if (row === undefined) return undefined;
  const { policy: _, results, ...rest } = row;
  return { ...rest, results: JSON.parse(results) as Evaluation['results'] };
}
