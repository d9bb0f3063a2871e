/**
 * Reading back: trajectories as `GET /gyre/v1/trajectories` shows them. Token ids and log-probabilities come out as
 * they were sampled; nothing is tokenised again.
 */
import { and, desc, eq, inArray, lt } from 'drizzle-orm';

import { textOf, type ToolCall } from '../../core/message.js';
import { type Listing, listingOf, type Page } from '../../core/paging.js';
import type { StepView, ToolCallView, TrajectoryView, VerdictView } from '../../core/reading.js';
import { seconds } from '../../core/seconds.js';
import { messageOf, readChain } from '../log/chain.js';
import type { Db } from '../file/db.js';
import { isPruned } from '../file/prunings.js';
import { versionOfColumn } from '../file/policy_version.js';
import { feedbackOf } from './feedback.js';
import { readContext, type Context } from '../log/prompt.js';
import { deletions, responses, steps, trajectories, verdicts } from '../file/schema.js';
import { actionOf } from './state.js';
import { unpackF32, unpackU32 } from '../file/tokens.js';

export type StoredStep = typeof steps.$inferSelect;

/** Trajectories, newest first: their ids sort by time. `keyId`: only this key's; undefined means everyone's. */
export function listTrajectories(db: Db, page: Page, keyId?: string): Listing<TrajectoryView> {
  const rows = db
    .select()
    .from(trajectories)
    .where(
      and(
        page.after === undefined ? undefined : lt(trajectories.id, page.after),
        keyId === undefined ? undefined : eq(trajectories.keyId, keyId),
      ),
    )
    .orderBy(desc(trajectories.id))
    .limit(page.limit + 1)
    .all();
  return listingOf(rows, page, (row) => viewOf(db, row));
}

/** One trajectory. Undefined when there is none, or none of this key's. */
export function readTrajectory(db: Db, id: string, keyId?: string): TrajectoryView | undefined {
  const row = db.select().from(trajectories).where(eq(trajectories.id, id)).get();
  return row === undefined || (keyId !== undefined && row.keyId !== keyId) ? undefined : viewOf(db, row);
}

/** Whether there is one, and of this key, or was one that is deleted or pruned: a page may begin behind either. */
export function hasTrajectory(db: Db, id: string, keyId?: string): boolean {
  const row = db.select({ keyId: trajectories.keyId }).from(trajectories).where(eq(trajectories.id, id)).get();
  if (row !== undefined) return keyId === undefined || row.keyId === keyId;
  return (
    db.select({ id: deletions.id }).from(deletions).where(eq(deletions.trajectoryId, id)).get() !== undefined ||
    isPruned(db, id)
  );
}

function viewOf(db: Db, row: typeof trajectories.$inferSelect): TrajectoryView {
  const own = stepsOf(db, row.id);
  const last = own.at(-1);
  const ended =
    last === undefined ? undefined : db.select().from(responses).where(eq(responses.id, last.responseId)).get();
  const stepVerdicts = verdictsOfSteps(
    db,
    own.map((step) => step.id),
  );
  let near: Context | undefined;
  return {
    id: row.id,
    response_id: last?.responseId ?? null,
    model: row.model,
    policy_version: last === undefined ? null : versionView(last),
    outcome: ended?.outcome ?? null,
    stop_reason: ended?.stopReason ?? null,
    consent: row.consent && own.every((step) => step.consent),
    key: row.keyId === '' ? null : row.keyId,
    created_at: seconds(row.createdAt),
    steps: own.map((step, at) => {
      near = readContext(db, step.id, near) ?? near;
      return stepView(db, step, own[at + 1], near, stepVerdicts.get(step.id) ?? []);
    }),
    feedback: feedbackOf(db, row.id),
  };
}

/** Steps of a trajectory in their order. */
export function stepsOf(db: Db, trajectoryId: string): StoredStep[] {
  return db.select().from(steps).where(eq(steps.trajectoryId, trajectoryId)).orderBy(steps.idx).all();
}

export function stepRow(db: Db, stepId: string): StoredStep | undefined {
  return db.select().from(steps).where(eq(steps.id, stepId)).get();
}

export function verdictsOfSteps(db: Db, ids: readonly string[]): Map<string, VerdictView[]> {
  const found = new Map<string, VerdictView[]>();
  if (ids.length === 0) return found;
  const rows = db
    .select()
    .from(verdicts)
    .where(and(eq(verdicts.subjectKind, 'step'), inArray(verdicts.subjectId, [...ids])))
    .orderBy(verdicts.createdAt, verdicts.id)
    .all();
  for (const row of rows) found.set(row.subjectId, [...(found.get(row.subjectId) ?? []), verdictView(row)]);
  return found;
}

/** Judges that quoted the reference of a task in what they said: of their verdicts only those are shown. */
const QUOTING: ReadonlySet<string> = new Set(['reference 1', 'reference 2']);
const NOT_SHOWN = 'not shown: an earlier version of this judge quoted the reference';

export function verdictView(row: typeof verdicts.$inferSelect): VerdictView {
  return {
    id: row.id,
    judge: row.judge,
    judge_version: row.judgeVersion,
    score: row.score,
    good: row.good,
    rationale: QUOTING.has(`${row.judge} ${row.judgeVersion}`) ? NOT_SHOWN : row.rationale,
    created_at: seconds(row.createdAt),
  };
}

/** `next` is the step after it in its trajectory: a client's observation stands in the state of the next step. */
export function stepView(
  db: Db,
  step: StoredStep,
  next: StoredStep | undefined,
  context: Context | undefined,
  stepVerdicts: readonly VerdictView[],
): StepView {
  const { text, calls } = actionOf(db, step);
  const reason = step.notTrainable ?? (step.consent ? null : 'no_consent');
  return {
    id: step.id,
    index: step.idx,
    policy_version: versionView(step),
    action: step.actionTip === null ? null : text,
    finish_reason: step.finishReason,
    tool_calls: callsOf(db, step, next, calls).map(({ id: _, ...call }) => call),
    prompt_token_ids: context?.stepId === step.id ? Array.from(context.prompt) : null,
    token_ids: step.tokenIds === null ? null : unpackU32(step.tokenIds),
    logprobs: step.logprobs === null ? null : unpackF32(step.logprobs),
    trainable: reason === null,
    not_trainable_reason: reason ?? undefined,
    verdicts: stepVerdicts,
  };
}

function versionView({ policyVersion }: StoredStep): number | null {
  return versionOfColumn(policyVersion) ?? null;
}

interface CallRecord {
  readonly id: string;
  readonly name: string;
  readonly owner: 'server' | 'client';
  readonly error?: string | undefined;
}

/** A call of a step with its id, by which a protocol tells it. */
export interface StoredCall extends ToolCallView {
  readonly id: string;
}

/** The calls of a step's action, with what came back. */
export function callsOf(
  db: Db,
  step: StoredStep,
  next: StoredStep | undefined,
  calls: readonly ToolCall[],
): StoredCall[] {
  const records = JSON.parse(step.calls) as CallRecord[];
  if (records.length === 0) return [];
  const own = readChain(db, step.policyAt, (hash) => hash === step.stateTip) ?? [];
  const after =
    next === undefined
      ? []
      : (readChain(db, next.stateAt, (hash) => hash === step.policyTip || hash === step.stateTip) ?? []);
  const observed = [...own, ...after].map(({ body }) => messageOf(body)).filter((message) => message.role === 'tool');
  return records.map(({ id, name, owner, error }, at) => {
    const position = observed.findIndex((message) => message.tool_call_id === id);
    const [observation] = position < 0 ? [] : observed.splice(position, 1);
    const args = calls[at]?.id === id ? calls[at] : calls.find((call) => call.id === id);
    return {
      id,
      name,
      arguments: args?.arguments ?? '',
      owner,
      observation: observation === undefined ? null : textOf(observation.content),
      error,
    };
  });
}
