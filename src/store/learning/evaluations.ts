/** Held-out tasks answered by versions of a policy, one by one, and evaluations on whole sets of them. */
import { and, desc, eq, inArray, lt } from 'drizzle-orm';

import type { EvaluationReport, TaskAnswer } from '../../core/learning/evaluation.js';
import type { Judge } from '../../core/learning/judging.js';
import { type Task, taskSetHash } from '../../core/learning/task.js';
import type { Evaluation } from '../../core/learning/version.js';
import { prepared, type Db } from '../file/db.js';
import { policyColumn } from '../file/policy_column.js';
import { evaluationAnswers, evaluationReports, evaluations, taskUses } from '../file/schema.js';

/** Hashes in one query. */
const PAGE = 500;

/** In place of what the version answered before; of a trajectory that is gone meanwhile none is kept. */
export function saveAnswers(db: Db, policy: string, answers: readonly TaskAnswer[]): void {
  const isThere = prepared<[string]>(db, 'SELECT 1 FROM trajectories WHERE id = ?');
  db.transaction(
    (tx) => {
      for (const { taskId, score, trajectoryId, askedAs, createdAt, ...key } of answers) {
        const set = { taskId, score, trajectoryId, askedAs, createdAt };
        if (isThere.get(trajectoryId) !== undefined)
          tx.insert(evaluationAnswers)
            .values({ ...key, ...set, policy })
            .onConflictDoUpdate({
              target: [
                evaluationAnswers.policy,
                evaluationAnswers.version,
                evaluationAnswers.taskHash,
                evaluationAnswers.judge,
                evaluationAnswers.judgeVersion,
              ],
              set,
            })
            .run();
      }
    },
    { behavior: 'immediate' },
  );
}

/** By the task's id: answers of a version to what these tasks say now, as one of the judges in its version has them. */
export function answersOf(
  db: Db,
  policy: string,
  version: number,
  tasks: readonly Task[],
  judges: readonly Pick<Judge, 'name' | 'version'>[],
): Map<string, TaskAnswer> {
  const asked = new Map(tasks.map((task) => [taskSetHash([task]), task.id]));
  const hashes = [...asked.keys()];
  const found = new Map<string, TaskAnswer>();
  for (let from = 0; from < hashes.length; from += PAGE) {
    const rows = db
      .select()
      .from(evaluationAnswers)
      .where(
        and(
          eq(evaluationAnswers.policy, policy),
          eq(evaluationAnswers.version, version),
          inArray(evaluationAnswers.taskHash, hashes.slice(from, from + PAGE)),
        ),
      )
      .orderBy(evaluationAnswers.createdAt)
      .all();
    for (const { policy: _, ...answer } of rows)
      if (judges.some((judge) => judge.name === answer.judge && judge.version === answer.judgeVersion))
        found.set(asked.get(answer.taskHash) ?? answer.taskId, answer);
  }
  return found;
}

/** Of every policy: what a trajectory that is deleted or pruned had answered. Decisions keep how it came out. */
export function forgetAnswers(db: Db, trajectoryId: string): void {
  prepared<[string]>(db, 'DELETE FROM evaluation_answers WHERE trajectory_id = ?').run(trajectoryId);
  prepared<[string]>(db, 'DELETE FROM live_comparisons WHERE trajectory_id = ?').run(trajectoryId);
  // What is counted already stays counted: a canary's evidence must not depend on who deletes what.
  prepared<[string]>(db, 'UPDATE canary_outcomes SET trajectory_id = NULL WHERE trajectory_id = ?').run(trajectoryId);
}

/**
 * Versions that were asked a held-out task in a test of their own, above the one that was promoted last: what is tested
 * is trained later, and numbers grow where clocks may be set back.
 */
export function testedSincePromotion(db: Db, policy: string): number[] {
  return prepared<[{ policy: string; column: string | null }], { version: number }>(
    db,
    `SELECT DISTINCT version FROM (
        SELECT version FROM evaluation_answers WHERE policy = @policy AND asked_as = 'candidate'
        UNION SELECT candidate FROM live_comparisons WHERE policy = @policy
        UNION SELECT version FROM canaries WHERE policy = @policy)
      WHERE version > coalesce((SELECT version FROM decisions WHERE policy IS @column AND kind = 'promotion'
        AND passed ORDER BY rowid DESC LIMIT 1), -1) ORDER BY version`,
  )
    .all({ policy, column: policyColumn(policy) })
    .map(({ version }) => version);
}

/** By the task's id: when a decision of the gate last used it. */
export function taskUsesOf(db: Db, policy: string): Map<string, number> {
  const rows = db.select().from(taskUses).where(eq(taskUses.policy, policy)).all();
  return new Map(rows.map(({ taskId, usedAt }) => [taskId, usedAt]));
}

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

/** What was measured of a version for a report. */
export function saveReport(db: Db, policy: string, { setting, numbers, ...report }: EvaluationReport): void {
  db.insert(evaluationReports)
    .values({ ...report, policy, setting: JSON.stringify(setting), numbers: JSON.stringify(numbers) })
    .run();
}

interface ReportQuery {
  readonly limit: number;
  /** Only those of it. */
  readonly version?: number | undefined;
  /** Only those before it. */
  readonly after?: string | undefined;
  readonly id?: string | undefined;
}

/** Newest first. */
export function reportsOf(db: Db, policy: string, { limit, version, after, id }: ReportQuery): EvaluationReport[] {
  return db
    .select()
    .from(evaluationReports)
    .where(
      and(
        eq(evaluationReports.policy, policy),
        version === undefined ? undefined : eq(evaluationReports.version, version),
        id === undefined ? undefined : eq(evaluationReports.id, id),
        after === undefined ? undefined : lt(evaluationReports.id, after),
      ),
    )
    .orderBy(desc(evaluationReports.id))
    .limit(limit)
    .all()
    .map(({ policy: _, setting, numbers, ...row }) => ({
      ...row,
      setting: JSON.parse(setting) as EvaluationReport['setting'],
      numbers: JSON.parse(numbers) as EvaluationReport['numbers'],
    }));
}
