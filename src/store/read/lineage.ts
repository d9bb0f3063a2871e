/**
 * Where a step's data went in the lineage of a policy: its verdicts, samples, batches, the versions they made, and what
 * was decided about those.
 */
import { and, eq, inArray, sql } from 'drizzle-orm';

import { decisionView, versionView } from '../../core/learning/views.js';
import type { Lineage, Removal, SampleView, StepTimings, StepWithLineage } from '../../core/reading.js';
import type { Db } from '../file/db.js';
import { decisionsAbout } from '../learning/decisions.js';
import { readVersion } from '../learning/versions.js';
import { readContext } from '../log/prompt.js';
import { stepRow, stepsOf, stepView, tokensOf, verdictsOfSteps, verdictView } from './trajectories.js';
import { batches, batchItems, samples, verdicts, versions, withdrawals } from '../file/schema.js';
import { stateOf } from './state.js';

type Reached = Pick<Removal, 'batches' | 'versions'>;

/** One step with its state and its lineage. Undefined when there is none, none of this key's, or it was withdrawn. */
export function readStep(db: Db, policy: string, stepId: string, keyId?: string): StepWithLineage | undefined {
  const step = stepRow(db, stepId);
  const state = stateOf(db, stepId);
  if (step === undefined || state === undefined || (keyId !== undefined && step.keyId !== keyId)) return undefined;
  const withdrawn = db.select().from(withdrawals).where(eq(withdrawals.id, step.responseId)).get();
  if (withdrawn !== undefined) return undefined;
  return {
    ...stepView(db, step, {
      next: stepsOf(db, step.trajectoryId).find((later) => later.idx === step.idx + 1),
      task: state.taskId ?? null,
      tools: state.tools,
      verdicts: verdictsOfSteps(db, [stepId]).get(stepId) ?? [],
    }),
    ...tokensOf(step, readContext(db, stepId)),
    trajectory_id: step.trajectoryId,
    messages: state.messages,
    timings: JSON.parse(step.timings) as StepTimings,
    lineage: lineageOf(db, policy, stepId),
  };
}

function lineageOf(db: Db, policy: string, stepId: string): Lineage {
  const reached = reachedBy(db, policy, [stepId]);
  return {
    samples: samplesOfStep(db, policy, stepId),
    batches: db
      .select()
      .from(batches)
      .where(inArray(batches.id, [...reached.batches]))
      .orderBy(batches.id)
      .all()
      .map((row) => ({
        id: row.id,
        cycle_id: row.cycleId,
        state: row.state,
        base_version: row.baseVersion,
        target_version: row.targetVersion,
      })),
    versions: db
      .select()
      .from(versions)
      .where(and(eq(versions.policy, policy), inArray(versions.version, [...reached.versions])))
      .orderBy(versions.version)
      .all()
      .map((row) => versionView(readVersion(row))),
    decisions: decisionsAbout(db, policy, reached.versions).reverse().map(decisionView),
  };
}

function samplesOfStep(db: Db, policy: string, stepId: string): SampleView[] {
  const rows = db
    .select({ sample: samples, batchId: batchItems.batchId, advantage: batchItems.advantage })
    .from(samples)
    .leftJoin(batchItems, eq(batchItems.itemId, samples.id))
    .where(and(eq(samples.policy, policy), eq(samples.stepId, stepId)))
    .orderBy(samples.id)
    .all();
  return rows.map(({ sample, batchId, advantage }) => ({
    id: sample.id,
    cycle_id: sample.cycleId,
    policy_version: sample.policyVersion,
    body: JSON.parse(sample.body) as SampleView['body'],
    batch_id: batchId,
    advantage,
    verdicts: db
      .select()
      .from(verdicts)
      .where(and(eq(verdicts.subjectKind, 'sample'), eq(verdicts.subjectId, sample.id)))
      .orderBy(verdicts.createdAt, verdicts.id)
      .all()
      .map(verdictView),
  }));
}

/** Those of the policy's batches that the trainer has, or is about to be sent, and the versions they are to become. */
export function withTrainer(db: Pick<Db, 'select'>, policy: string, ids: readonly string[]): Removal['pending'] {
  return db
    .select({ batch_id: batches.id, version: batches.targetVersion })
    .from(batches)
    .where(
      and(
        inArray(batches.id, [...ids]),
        eq(batches.policy, policy),
        eq(batches.state, 'sent'),
        sql`NOT EXISTS (SELECT 1 FROM versions v WHERE v.batch_id = ${batches.id}
          AND v.policy = ${policy})`,
      ),
    )
    .orderBy(batches.id)
    .all();
}

/** Batches of the policy that these steps stand in, themselves or with a sample, and the versions they reached. */
export function reachedBy(db: Pick<Db, 'selectDistinct' | 'all'>, policy: string, stepIds: readonly string[]): Reached {
  const found = db
    .selectDistinct({ id: batchItems.batchId })
    .from(batchItems)
    .where(and(eq(batchItems.policy, policy), inArray(batchItems.stepId, [...stepIds])))
    .orderBy(batchItems.batchId)
    .all()
    .map((row) => row.id);
  return { batches: found, versions: versionsFrom(db, policy, found) };
}

/** Those of the batches that are the policy's. */
export function batchesAmong(db: Pick<Db, 'select'>, policy: string, ids: readonly string[]): string[] {
  return db
    .select({ id: batches.id })
    .from(batches)
    .where(and(eq(batches.policy, policy), inArray(batches.id, [...ids])))
    .orderBy(batches.id)
    .all()
    .map(({ id }) => id);
}

/** The versions of the policy that were made of these batches, and all whose weights go back to one of those. */
export function versionsFrom(db: Pick<Db, 'all'>, policy: string, found: readonly string[]): number[] {
  if (found.length === 0) return [];
  // Weights that were copied to a new number go back to what they are a copy of, not to what they replaced.
  const rows = db.all<{ version: number }>(sql`
    WITH RECURSIVE reached(version) AS (
      SELECT version FROM versions WHERE policy = ${policy} AND batch_id IN (${sql.join(
        found.map((id) => sql`${id}`),
        sql`, `,
      )})
      UNION SELECT v.version FROM versions v JOIN reached r ON v.policy = ${policy} AND ((v.kind = 'trained'
        AND v.parent = r.version) OR v.copy_of = r.version))
    SELECT version FROM reached ORDER BY version`);
  return rows.map((row) => row.version);
}
