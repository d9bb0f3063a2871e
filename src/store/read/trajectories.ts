/**
 * Reading back: trajectories in the shape the Surface promises. Ids and log-probabilities come out as they were
 * sampled; nothing is tokenised again.
 */
import { and, desc, eq, inArray, lt } from 'drizzle-orm';

import { textOf, type ToolCall } from '../../core/message.js';
import { messageOf, readLinks } from '../log/chain.js';
import type { Db } from '../file/db.js';
import { versionOfColumn } from '../file/policy_version.js';
import { feedbackOf, type FeedbackView } from './feedback.js';
import { readContext, type Context } from '../log/prompt.js';
import { responses, steps, trajectories, verdicts } from '../file/schema.js';
import { actionOf } from './state.js';
import { unpackF32, unpackU32 } from '../file/tokens.js';

export type StepRow = typeof steps.$inferSelect;

interface ToolCallView {
  readonly name: string;
  readonly arguments: string;
  readonly owner: 'server' | 'client';
  /** Null while a client's call is pending, and for a call that was never run. */
  readonly observation: string | null;
  readonly error?: string | undefined;
}

export interface VerdictView {
  readonly id: string;
  readonly judge: string;
  readonly judge_version: string;
  readonly score: number | null;
  readonly good: boolean | null;
  readonly rationale: string;
  readonly created_at: number;
}

export interface StepView {
  readonly id: string;
  /** Position in its trajectory, from 0. */
  readonly index: number;
  /** Null where an upstream sampled. */
  readonly policy_version: number | null;
  /** The action's text; null when the policy call gave none. */
  readonly action: string | null;
  readonly finish_reason: string | null;
  readonly tool_calls: readonly ToolCallView[];
  readonly prompt_token_ids: readonly number[] | null;
  readonly token_ids: readonly number[] | null;
  /** ln probability of each token of the action. */
  readonly logprobs: readonly number[] | null;
  readonly trainable: boolean;
  readonly not_trainable_reason?: string | undefined;
  readonly verdicts: readonly VerdictView[];
}

/** Times are seconds since 1970, as everywhere in the protocol. */
export interface TrajectoryView {
  readonly id: string;
  /** Of its newest response, as are outcome, stop reason and policy version. */
  readonly response_id: string | null;
  readonly model: string;
  readonly policy_version: number | null;
  /** Null while the newest response has not ended. */
  readonly outcome: 'completed' | 'incomplete' | 'failed' | 'cancelled' | null;
  readonly stop_reason: string | null;
  /** True when every step may be learned from. */
  readonly consent: boolean;
  /** The key's id; null when the gateway ran without keys. */
  readonly key: string | null;
  readonly created_at: number;
  readonly steps: readonly StepView[];
  readonly feedback: readonly FeedbackView[];
}

export interface Page {
  readonly limit: number;
  /** The page begins behind this trajectory. */
  readonly after?: string | undefined;
  /** Only this key's; absent means everyone's. */
  readonly keyId?: string | undefined;
}

/** Trajectories, newest first: their ids sort by time. */
export function listTrajectories(
  db: Db,
  { limit, after, keyId }: Page,
): { readonly data: readonly TrajectoryView[]; readonly has_more: boolean } {
  const rows = db
    .select()
    .from(trajectories)
    .where(
      and(
        after === undefined ? undefined : lt(trajectories.id, after),
        keyId === undefined ? undefined : eq(trajectories.keyId, keyId),
      ),
    )
    .orderBy(desc(trajectories.id))
    .limit(limit + 1)
    .all();
  return { data: rows.slice(0, limit).map((row) => viewOf(db, row)), has_more: rows.length > limit };
}

/** One trajectory. Undefined when there is none, or none of this key's. */
export function readTrajectory(db: Db, id: string, keyId?: string): TrajectoryView | undefined {
  const row = db.select().from(trajectories).where(eq(trajectories.id, id)).get();
  return row === undefined || (keyId !== undefined && row.keyId !== keyId) ? undefined : viewOf(db, row);
}

function viewOf(db: Db, row: typeof trajectories.$inferSelect): TrajectoryView {
  const taken = stepsOf(db, row.id);
  const last = taken.at(-1);
  const ended =
    last === undefined ? undefined : db.select().from(responses).where(eq(responses.id, last.responseId)).get();
  const said = verdictsOfSteps(
    db,
    taken.map((step) => step.id),
  );
  let near: Context | undefined;
  return {
    id: row.id,
    response_id: last?.responseId ?? null,
    model: row.model,
    policy_version: last === undefined ? null : versionView(last),
    outcome: ended?.outcome ?? null,
    stop_reason: ended?.stopReason ?? null,
    consent: row.consent && taken.every((step) => step.consent),
    key: row.keyId === '' ? null : row.keyId,
    created_at: seconds(row.createdAt),
    steps: taken.map((step, at) => {
      near = readContext(db, step.id, near) ?? near;
      return stepView(db, step, taken[at + 1], near, said.get(step.id) ?? []);
    }),
    feedback: feedbackOf(db, row.id),
  };
}

/** Steps of a trajectory in their order. */
export function stepsOf(db: Db, trajectoryId: string): StepRow[] {
  return db.select().from(steps).where(eq(steps.trajectoryId, trajectoryId)).orderBy(steps.idx).all();
}

export function stepRow(db: Db, stepId: string): StepRow | undefined {
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

export function verdictView(row: typeof verdicts.$inferSelect): VerdictView {
  return {
    id: row.id,
    judge: row.judge,
    judge_version: row.judgeVersion,
    score: row.score,
    good: row.good,
    rationale: row.rationale,
    created_at: seconds(row.createdAt),
  };
}

/** `next` is the step after it in its trajectory: a client's observation stands in the state of the next step. */
export function stepView(
  db: Db,
  step: StepRow,
  next: StepRow | undefined,
  context: Context | undefined,
  said: readonly VerdictView[],
): StepView {
  const { text, calls } = actionOf(db, step);
  const reason = step.notTrainable ?? (step.consent ? null : 'no_consent');
  return {
    id: step.id,
    index: step.idx,
    policy_version: versionView(step),
    action: step.actionTip === null ? null : text,
    finish_reason: step.finishReason,
    tool_calls: callsView(db, step, next, calls),
    prompt_token_ids: context?.stepId === step.id ? Array.from(context.prompt) : null,
    token_ids: step.tokenIds === null ? null : unpackU32(step.tokenIds),
    logprobs: step.logprobs === null ? null : unpackF32(step.logprobs),
    trainable: reason === null,
    ...(reason === null ? {} : { not_trainable_reason: reason }),
    verdicts: said,
  };
}

function versionView({ policyVersion }: StepRow): number | null {
  return versionOfColumn(policyVersion) ?? null;
}

interface CallRecord {
  readonly id: string;
  readonly name: string;
  readonly owner: 'server' | 'client';
  readonly error?: string | undefined;
}

function callsView(db: Db, step: StepRow, next: StepRow | undefined, calls: readonly ToolCall[]): ToolCallView[] {
  const records = JSON.parse(step.calls) as CallRecord[];
  if (records.length === 0) return [];
  const own = readLinks(db, step.policyAt, (hash) => hash === step.stateTip) ?? [];
  const after =
    next === undefined
      ? []
      : (readLinks(db, next.stateAt, (hash) => hash === step.policyTip || hash === step.stateTip) ?? []);
  const observed = [...own, ...after].map((said) => messageOf(said.body)).filter((message) => message.role === 'tool');
  return records.map(({ id, name, owner, error }, at) => {
    const place = observed.findIndex((message) => message.tool_call_id === id);
    const [observation] = place < 0 ? [] : observed.splice(place, 1);
    const args = calls[at]?.id === id ? calls[at] : calls.find((call) => call.id === id);
    return {
      name,
      arguments: args?.arguments ?? '',
      owner,
      observation: observation === undefined ? null : textOf(observation.content),
      error,
    };
  });
}

export function seconds(milliseconds: number): number {
  return Math.floor(milliseconds / 1000);
}
