/**
 * One logged step as the learning clock takes it up: the state the policy was conditioned on, and the action it took.
 */
import { parseJson } from '../../core/text/json.js';
import { eq } from 'drizzle-orm';

import { runsCalls } from '../../core/last_turn.js';
import type { LoggedState, StateWords } from '../../core/learning/state.js';
import { textOf, type ToolCall } from '../../core/message.js';
import type { FunctionSpec, Sampling, ToolChoice } from '../../core/policy.js';
import type { NotTrainable } from '../../core/trajectory.js';
import { messageOf, readChain } from '../log/chain.js';
import { prepared, type Db } from '../file/db.js';
import { versionOfColumn } from '../file/policy_version.js';
import { readContext } from '../log/prompt.js';
import { steps, toolSets, trajectories } from '../file/schema.js';
import { unpackF32, unpackU32 } from '../file/tokens.js';

/** The state of a step and the action taken in it. Undefined when there is no such step, or it was deleted. */
export function stateOf(db: Db, stepId: string): LoggedState | undefined {
  const row = db
    .select({ step: steps, taskId: trajectories.taskId, origin: trajectories.origin, tools: toolSets.body })
    .from(steps)
    .innerJoin(trajectories, eq(trajectories.id, steps.trajectoryId))
    .innerJoin(toolSets, eq(toolSets.hash, steps.toolSet))
    .where(eq(steps.id, stepId))
    .get();
  const chain = row === undefined ? undefined : readChain(db, row.step.stateAt);
  if (row === undefined || chain === undefined) return undefined;
  const { step, taskId, origin } = row;
  const context = readContext(db, stepId);
  const said = {
    messages: chain.map(({ body }) => messageOf(body)),
    tools: parseJson(row.tools) as FunctionSpec[],
  };
  return {
    ...loggedState(db, { ...step, taskId, origin }, said),
    promptTokenIds: context === undefined ? undefined : Array.from(context.prompt),
    tokenIds: step.tokenIds === null ? undefined : unpackU32(step.tokenIds),
    logprobs: step.logprobs === null ? undefined : unpackF32(step.logprobs),
  };
}

/** The columns of a step, and of its trajectory, that tell of its state. */
export type StateColumns = Pick<
  typeof steps.$inferSelect,
  | 'id'
  | 'trajectoryId'
  | 'keyId'
  | 'idx'
  | 'policyVersion'
  | 'consent'
  | 'notTrainable'
  | 'templateHash'
  | 'toolChoice'
  | 'callsAllowed'
  | 'sampling'
  | 'stateAt'
  | 'actionTip'
> &
  Pick<typeof trajectories.$inferSelect, 'taskId' | 'origin'>;

/** A state without the ids of its tokens. */
export function loggedState(db: Db, row: StateColumns, { messages, tools }: StateWords): LoggedState {
  const sampling = JSON.parse(row.sampling) as Sampling;
  const toolChoice = JSON.parse(row.toolChoice) as ToolChoice;
  return {
    stepId: row.id,
    trajectoryId: row.trajectoryId,
    keyId: row.keyId,
    index: row.idx,
    taskId: row.taskId ?? undefined,
    origin: row.origin,
    policyVersion: versionOfColumn(row.policyVersion),
    consent: row.consent,
    notTrainable: row.notTrainable === null ? undefined : (row.notTrainable as NotTrainable),
    templateHash: row.templateHash ?? undefined,
    messages,
    tools,
    toolChoice,
    callsAllowed: runsCalls({ messages, tools, toolChoice }, row.callsAllowed),
    sampling,
    temperature: sampling.temperature ?? 1,
    ...actionOf(db, row),
  };
}

/** What the policy emitted, from the chain; nothing where the policy call gave nothing. */
export function actionOf(
  db: Db,
  step: Pick<typeof steps.$inferSelect, 'actionTip' | 'stateAt'>,
): { readonly text: string; readonly calls: readonly ToolCall[] } {
  if (step.actionTip === null) return { text: '', calls: [] };
  const row = prepared<[number, string], { body: string }>(
    db,
    'SELECT body FROM messages WHERE parent = ? AND hash = ?',
  ).get(step.stateAt, step.actionTip);
  const message = row === undefined ? undefined : messageOf(row.body);
  if (message?.role !== 'assistant') return { text: '', calls: [] };
  return {
    text: textOf(message.content),
    calls: (message.tool_calls ?? []).map((call) => ({
      id: call.id,
      name: call.function.name,
      arguments: call.function.arguments,
    })),
  };
}
