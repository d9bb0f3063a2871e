/**
 * Reading back: whole trajectories as `GET /gyre/v1/trajectories/{id}` shows them. Token ids and log-probabilities come
 * out as they were sampled; nothing is tokenised again.
 */
import { eq } from 'drizzle-orm';

import { textOf, type ToolCall } from '../../core/message.js';
import type { FunctionSpec, Sampling, ToolChoice, Usage } from '../../core/policy.js';
import type { StepView, ToolCallView, TrajectoryView, VerdictView } from '../../core/reading.js';
import { type Shown, WHOLE } from '../../core/reading/filters.js';
import { seconds } from '../../core/seconds.js';
import { parseJson } from '../../core/text/json.js';
import { messageOf, readChain } from '../log/chain.js';
import { prepared, type Db } from '../file/db.js';
import { wasDeleted } from '../file/deletions.js';
import { isPruned } from '../file/prunings.js';
import { versionOfColumn } from '../file/policy_version.js';
import { feedbackOf } from './feedback.js';
import { readContext, type Context } from '../log/prompt.js';
import { steps, trajectories, type verdicts } from '../file/schema.js';
import { headOf, type StoredTrajectory } from './head.js';
import { queriesOf } from './queries.js';
import { messagesAt } from './said.js';
import { actionOf } from './state.js';
import { unpackF32, unpackU32 } from '../file/tokens.js';

export type StoredStep = typeof steps.$inferSelect;

/** One trajectory. Undefined when there is none, or none of this key's. */
export function readTrajectory(db: Db, id: string, keyId?: string): TrajectoryView | undefined {
  const row = queriesOf(db).trajectory.get({ id });
  return row === undefined || (keyId !== undefined && row.keyId !== keyId) ? undefined : viewOf(db, row);
}

/** Whether there is one, and of this key, or was one that is deleted or pruned: a page may begin behind either. */
export function hasTrajectory(db: Db, id: string, keyId?: string): boolean {
  const row = db.select({ keyId: trajectories.keyId }).from(trajectories).where(eq(trajectories.id, id)).get();
  if (row !== undefined) return keyId === undefined || row.keyId === keyId;
  return wasDeleted(db, id) || isPruned(db, id);
}

/** How a trajectory is shown whole. */
type Whole = Shown & { readonly view: 'client' | 'policy' };

/** A trajectory whose steps are read as they are taken: with their tokens they may be more than memory holds. */
export interface OpenTrajectory {
  readonly head: Omit<TrajectoryView, 'steps'>;
  steps(): Generator<StepView>;
}

/** The whole of it, without what was withdrawn. */
function viewOf(db: Db, row: StoredTrajectory, shown: Whole = WHOLE_VIEW): TrajectoryView {
  const { head, steps } = openTrajectory(db, row, shown);
  return { ...head, steps: [...steps()] };
}

export function openTrajectory(db: Db, row: StoredTrajectory, { view, tokens }: Whole): OpenTrajectory {
  const withdrawn = withdrawnOf(db, row.id);
  const own = stepsOf(db, row.id).filter((step) => !withdrawn.has(step.responseId));
  const newest = own.at(-1);
  const ended = newest === undefined ? undefined : queriesOf(db).response.get({ id: newest.responseId });
  const stepVerdicts = verdictsOfSteps(
    db,
    own.map((step) => step.id),
  );
  const head = {
    ...headOf(
      row,
      newest,
      ended,
      own.every((step) => step.consent),
    ),
    metadata: row.metadata === null ? null : (parseJson(row.metadata) as Record<string, string>),
    messages: newest === undefined ? [] : messagesAt(db, newest, view),
    feedback: feedbackOf(db, row.id).filter((given) => !withdrawn.has(given.response_id)),
  };
  function* stepViews(): Generator<StepView> {
    const offered = new Map<string, readonly FunctionSpec[]>();
    let near: Context | undefined;
    for (const [at, step] of own.entries()) {
      const later = own[at + 1];
      if (tokens) near = readContext(db, step.id, near) ?? near;
      if (!offered.has(step.toolSet)) offered.set(step.toolSet, toolsOf(db, step.toolSet));
      yield {
        ...stepView(db, step, {
          next: later?.idx === step.idx + 1 ? later : undefined,
          task: row.taskId,
          tools: offered.get(step.toolSet) ?? [],
          verdicts: stepVerdicts.get(step.id) ?? [],
        }),
        ...(tokens ? tokensOf(step, near) : {}),
      };
    }
  }
  return { head, steps: stepViews };
}

const WHOLE_VIEW = { ...WHOLE, view: 'client' } as const;

function withdrawnOf(db: Db, trajectoryId: string): ReadonlySet<string> {
  const rows = prepared<[string], { id: string }>(
    db,
    'SELECT id FROM withdrawals WHERE id IN (SELECT response_id FROM steps WHERE trajectory_id = ?)',
  ).all(trajectoryId);
  return new Set(rows.map(({ id }) => id));
}

function toolsOf(db: Db, toolSet: string): readonly FunctionSpec[] {
  const row = queriesOf(db).tools.get({ id: toolSet });
  return row === undefined ? [] : (parseJson(row.body) as FunctionSpec[]);
}

/** Steps of a trajectory in their order. */
export function stepsOf(db: Db, trajectoryId: string): StoredStep[] {
  return queriesOf(db).stepsOfTrajectory.all({ id: trajectoryId });
}

export function stepRow(db: Db, stepId: string): StoredStep | undefined {
  return db.select().from(steps).where(eq(steps.id, stepId)).get();
}

export function verdictsOfSteps(db: Db, ids: readonly string[]): Map<string, VerdictView[]> {
  const found = new Map<string, VerdictView[]>();
  if (ids.length === 0) return found;
  const rows = queriesOf(db).verdictsOfSteps.all({ id: JSON.stringify(ids) });
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

/** What a step's view needs beside its row. */
interface Around {
  /** The step after it in its trajectory: a client's observation stands in the state of the next step. */
  readonly next: StoredStep | undefined;
  readonly task: string | null;
  readonly tools: readonly FunctionSpec[];
  readonly verdicts: readonly VerdictView[];
}

/** Without its tokens. */
export function stepView(db: Db, step: StoredStep, { next, task, tools, verdicts: given }: Around): StepView {
  const { text, calls } = actionOf(db, step);
  const reason = step.notTrainable ?? (step.consent ? null : 'no_consent');
  return {
    id: step.id,
    index: step.idx,
    response_id: step.responseId,
    policy_version: versionOfColumn(step.policyVersion) ?? null,
    task,
    tools,
    tool_choice: JSON.parse(step.toolChoice) as ToolChoice,
    sampling: JSON.parse(step.sampling) as Sampling,
    template_hash: step.templateHash,
    action: step.actionTip === null ? null : text,
    reasoning: step.reasoning,
    finish_reason: step.finishReason,
    tool_calls: callsOf(db, step, next, calls).map(({ id: _, ...call }) => call),
    outcome: step.outcome,
    usage: JSON.parse(step.usage) as Usage,
    trainable: reason === null,
    not_trainable_reason: reason ?? undefined,
    verdicts: given,
    created_at: seconds(step.startedAt),
  };
}

export function tokensOf(
  step: StoredStep,
  context: Context | undefined,
): Pick<StepView, 'prompt_token_ids' | 'token_ids' | 'logprobs'> {
  return {
    prompt_token_ids: context?.stepId === step.id ? Array.from(context.prompt) : null,
    token_ids: step.tokenIds === null ? null : unpackU32(step.tokenIds),
    logprobs: step.logprobs === null ? null : unpackF32(step.logprobs),
  };
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
