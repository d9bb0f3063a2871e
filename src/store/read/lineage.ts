/**
 * Where a step's data went: its verdicts, samples, batches, the versions they made, and what was decided about those.
 */
import { and, eq, inArray, sql } from 'drizzle-orm';

import type { Message } from '../../core/message.js';
import type { FunctionSpec } from '../../core/policy.js';
import type { Db } from '../file/db.js';
import { readContext } from '../log/prompt.js';
import {
  seconds,
  stepRow,
  stepsOf,
  stepView,
  verdictsOfSteps,
  verdictView,
  type StepView,
  type VerdictView,
} from './trajectories.js';
import { batches, batchItems, decisions, samples, verdicts, versions } from '../file/schema.js';
import { stateOf } from './state.js';

interface SampleView {
  readonly id: string;
  readonly cycle_id: string;
  readonly policy_version: number;
  /** The action as it was drawn. */
  readonly body: unknown;
  /** Where it stands in a batch, with the weight it was given. */
  readonly batch_id: string | null;
  readonly advantage: number | null;
  readonly verdicts: readonly VerdictView[];
}

export interface Reached {
  readonly batches: readonly string[];
  /** Versions trained on one of these batches, and all whose weights go back to one of those. */
  readonly versions: readonly number[];
}

interface Lineage {
  readonly samples: readonly SampleView[];
  readonly batches: readonly {
    readonly id: string;
    readonly cycle_id: string;
    readonly state: string;
    readonly base_version: number;
    readonly target_version: number;
  }[];
  readonly versions: readonly {
    readonly version: number;
    readonly kind: string;
    readonly parent: number | null;
    readonly copy_of: number | null;
    readonly batch_id: string | null;
    readonly created_at: number;
  }[];
  readonly decisions: readonly {
    readonly id: string;
    readonly kind: string;
    readonly version: number;
    readonly against: number | null;
    readonly passed: boolean;
    readonly reason: string;
    readonly numbers: unknown;
    readonly created_at: number;
  }[];
}

export interface StepWithLineage extends StepView {
  readonly trajectory_id: string;
  readonly response_id: string;
  readonly messages: readonly Message[];
  readonly tools: readonly FunctionSpec[];
  readonly sampling: unknown;
  readonly template_hash: string | null;
  readonly outcome: string;
  readonly usage: unknown;
  /** Milliseconds: `ms` of the step, `first_token_ms` and `total_ms` of the policy call. */
  readonly timings: unknown;
  readonly created_at: number;
  readonly lineage: Lineage;
}

/** One step with its state and its lineage. Undefined when there is none, or none of this key's. */
export function readStep(db: Db, stepId: string, keyId?: string): StepWithLineage | undefined {
  const step = stepRow(db, stepId);
  const state = stateOf(db, stepId);
  if (step === undefined || state === undefined || (keyId !== undefined && step.keyId !== keyId)) return undefined;
  const next = stepsOf(db, step.trajectoryId).find((later) => later.idx === step.idx + 1);
  return {
    ...stepView(db, step, next, readContext(db, stepId), verdictsOfSteps(db, [stepId]).get(stepId) ?? []),
    trajectory_id: step.trajectoryId,
    response_id: step.responseId,
    messages: state.messages,
    tools: state.tools,
    sampling: state.sampling,
    template_hash: step.templateHash,
    outcome: step.outcome,
    usage: JSON.parse(step.usage) as unknown,
    timings: JSON.parse(step.timings) as unknown,
    created_at: seconds(step.startedAt),
    lineage: lineageOf(db, stepId),
  };
}

function lineageOf(db: Db, stepId: string): Lineage {
  const reached = reachedBy(db, [stepId]);
  return {
    samples: samplesOfStep(db, stepId),
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
      .where(inArray(versions.version, [...reached.versions]))
      .orderBy(versions.version)
      .all()
      .map((row) => ({
        version: row.version,
        kind: row.kind,
        parent: row.parent,
        copy_of: row.copyOf,
        batch_id: row.batchId,
        created_at: seconds(row.createdAt),
      })),
    decisions: db
      .select()
      .from(decisions)
      .where(inArray(decisions.version, [...reached.versions]))
      .orderBy(decisions.id)
      .all()
      .map((row) => ({
        id: row.id,
        kind: row.kind,
        version: row.version,
        against: row.against,
        passed: row.passed,
        reason: row.reason,
        numbers: JSON.parse(row.numbers) as unknown,
        created_at: seconds(row.createdAt),
      })),
  };
}

function samplesOfStep(db: Db, stepId: string): SampleView[] {
  const rows = db
    .select({ sample: samples, batchId: batchItems.batchId, advantage: batchItems.advantage })
    .from(samples)
    .leftJoin(batchItems, eq(batchItems.itemId, samples.id))
    .where(eq(samples.stepId, stepId))
    .orderBy(samples.id)
    .all();
  return rows.map(({ sample, batchId, advantage }) => ({
    id: sample.id,
    cycle_id: sample.cycleId,
    policy_version: sample.policyVersion,
    body: JSON.parse(sample.body) as unknown,
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

/** Batches these steps stand in, themselves or with a sample, and the versions they reached. */
export function reachedBy(db: Pick<Db, 'selectDistinct' | 'all'>, stepIds: readonly string[]): Reached {
  const found = db
    .selectDistinct({ id: batchItems.batchId })
    .from(batchItems)
    .where(inArray(batchItems.stepId, [...stepIds]))
    .orderBy(batchItems.batchId)
    .all()
    .map((row) => row.id);
  if (found.length === 0) return { batches: [], versions: [] };
  // A rollback serves older weights under a new number: it goes back to what it copies, not to what it replaced.
  const rows = db.all<{ version: number }>(sql`
    WITH RECURSIVE reached(version) AS (
      SELECT version FROM versions WHERE batch_id IN (${sql.join(
        found.map((id) => sql`${id}`),
        sql`, `,
      )})
      UNION SELECT v.version FROM versions v JOIN reached r ON (v.kind = 'trained'
        AND v.parent = r.version) OR (v.kind = 'rollback' AND v.copy_of = r.version))
    SELECT version FROM reached ORDER BY version`);
  return { batches: found, versions: rows.map((row) => row.version) };
}
