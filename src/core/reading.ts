/**
 * Reading the log back and rating what was answered: what routes need of a store, and what they show of it. A key sees
 * what it asked itself. Times are whole seconds since 1970.
 */
import { z } from 'zod';

import type { LabelView, NewLabel, Withdrawal } from './judging/labels.js';
import type { BatchState } from './learning/cycle.js';
import type { DecisionView, VersionView } from './learning/views.js';
import type { AssistantMessage, Message, ToolCall } from './message.js';
import type { Listing } from './paging.js';
import type { FunctionSpec, Sampling, ToolChoice, Usage } from './policy.js';
import type { Given, Shown, TrajectoryFilter } from './reading/filters.js';
import type { Ending, Origin, Outcome, Step } from './trajectory.js';

/** Whose rows may be touched. Undefined means everyone's. */
export interface Scope {
  readonly keyId: string | undefined;
}

export const FeedbackSchema = z
  .strictObject({
    response_id: z.string().min(1),
    value: z.union([z.boolean(), z.number().min(-1).max(1)]).optional(),
    step: z.int().min(0).optional(),
    comment: z.string().max(10_000).optional(),
    demonstration: z.string().min(1).optional(),
  })
  .refine((body) => body.value !== undefined || body.demonstration !== undefined, {
    message: 'is required unless "demonstration" is given',
    path: ['value'],
  })
  // What the refinement says, for readers of the schema.
  .meta({ anyOf: [{ required: ['value'] }, { required: ['demonstration'] }] });

export type FeedbackInput = z.infer<typeof FeedbackSchema>;

/** JSON as UTF-8: what a route only passes on is made into it where it is read. */
export type JsonBytes = Uint8Array<ArrayBuffer>;

/** What the address of a list asks for. */
export type Query = Readonly<Record<string, string>>;

/**
 * The store as these routes need it. Undefined means: no such row within the scope. Whoever left before it was his turn
 * is not read for: then `signal` has fired, and the promise rejects.
 */
export interface Reading {
  /** A {@link TrajectoryListing}, newest first, as ids of trajectories sort. Throws 400 on `limit` and `after`. */
  trajectories(
    scope: Scope,
    page: Given,
    filter: TrajectoryFilter,
    shown: Shown,
    signal?: AbortSignal,
  ): Promise<JsonBytes>;
  /** A {@link TrajectoryView} or {@link TrajectorySummary}. */
  trajectory(scope: Scope, id: string, shown: Shown, signal?: AbortSignal): Promise<JsonBytes | undefined>;
  /** A {@link StepWithLineage}. */
  step(scope: Scope, id: string, signal?: AbortSignal): Promise<JsonBytes | undefined>;
  /** The conversation with an answer of this key, as its client has it. */
  conversation(keyId: string, responseId: string, signal?: AbortSignal): Promise<Conversation | undefined>;
  /** Answers of this key as its client has them, also such as were broken off; up to the first that is not there. */
  answers(
    keyId: string,
    responseIds: readonly string[],
    signal?: AbortSignal,
  ): Promise<readonly (AssistantMessage | undefined)[]>;
  /** What a client's user said last before the first answer of ours: by this the log knows the conversation. */
  opening(messages: readonly Message[], signal?: AbortSignal): Promise<string | undefined>;
  /** A response of this key with all that was said in it. Of one that asked not to be stored there is none. */
  response(keyId: string, responseId: string, signal?: AbortSignal): Promise<LoggedResponse | undefined>;
  /** Deletes a response of this key; its trajectory goes with its last one. False where there is none. */
  withdraw(keyId: string, responseId: string, signal?: AbortSignal): Promise<boolean>;
  /** Deletes a trajectory for good. */
  erase(scope: Scope, id: string, signal?: AbortSignal): Promise<Removal | undefined>;
  /** The deletion of a trajectory, a {@link DeletionView} as it stands now. */
  deletion(scope: Scope, id: string, signal?: AbortSignal): Promise<JsonBytes | undefined>;
  /** Of these responses those that were deleted, by themselves or with their trajectory. */
  withdrawn(responseIds: readonly string[], signal?: AbortSignal): Promise<readonly string[]>;
  /** Adds a row of feedback of this key, the same body twice being one row. */
  feedback(scope: Scope, keyId: string, input: FeedbackInput, signal?: AbortSignal): Promise<FeedbackView | undefined>;
  readonly labels: Labels;
}

/** The labels of a store, for the routes. What is asked for with a signal is not done for whoever left before. */
export interface Labels {
  /** Throws 400, 404 and 409 naming the field. All or none. */
  add(labels: readonly (NewLabel | Withdrawal)[], who: string, signal?: AbortSignal): Promise<readonly LabelView[]>;
  /** A listing of {@link LabelView}, newest first. Throws 400 on the query. */
  list(query: Query, signal?: AbortSignal): Promise<JsonBytes>;
  /** `{data}` of {@link QueuedStep}. */
  next(count: number, signal?: AbortSignal): Promise<JsonBytes>;
}

/** What was said up to and with an answer, as its client has it. */
export interface Conversation {
  readonly messages: readonly Message[];
  /** What the answer's request said, where its protocol had it logged. */
  readonly asked: Readonly<Record<string, unknown>> | undefined;
}

/** A response as it was logged: what its protocol needs to tell it again. */
export interface LoggedResponse {
  readonly id: string;
  /** The model name of the trajectory's first request. */
  readonly model: string;
  /** What the request said, where its protocol had it logged. */
  readonly asked: Readonly<Record<string, unknown>> | undefined;
  /** How its actions were drawn. */
  readonly sampling: Sampling;
  /** Milliseconds since 1970; how long it took, milliseconds. */
  readonly createdAt: number;
  readonly ms: number;
  readonly ending: Ending;
  /** The conversation before the answer, as its client has it. */
  readonly said: readonly Message[];
  /** The answer as its client has it; undefined where there was none. */
  readonly answer: AssistantMessage | undefined;
  /** What the policy emitted, step by step. */
  readonly turns: readonly LoggedTurn[];
}

/** One action of a response. */
export interface LoggedTurn {
  readonly reasoning: string | undefined;
  readonly text: string;
  readonly calls: readonly LoggedCall[];
  /** How the client was told it, where that is more than these. */
  readonly told: Step['told'];
}

/** A call with what came back: nothing where the answer was broken off before, or the client has not answered. */
export interface LoggedCall extends ToolCall {
  readonly owner: 'server' | 'client';
  readonly observation: string | undefined;
  readonly error: string | undefined;
}

/** A page of trajectories. It ends before it is full where finding more, or sending it, would take too long. */
export interface TrajectoryListing extends Listing<TrajectoryView | TrajectorySummary> {
  /** With more to come: what the next page begins behind. Where few pass the filter it need not be in this page. */
  readonly next_after?: string | undefined;
  /** The page is not full although there may be more. */
  readonly partial?: true | undefined;
}

/** What all views of a trajectory begin with. What was withdrawn of it is in none. */
interface TrajectoryHead {
  readonly id: string;
  /** Of its newest response, as are outcome, stop reason and policy version. */
  readonly response_id: string | null;
  readonly model: string;
  readonly policy_version: number | null;
  /** Null while the newest response has not ended. */
  readonly outcome: Outcome | null;
  readonly stop_reason: string | null;
  readonly origin: Origin;
  /** The task it answers: `gyre_task` of its first request's metadata. */
  readonly task: string | null;
  /** True when every step may be learned from. */
  readonly consent: boolean;
  /** The key's id; null when the gateway ran without keys. */
  readonly key: string | null;
  readonly created_at: number;
}

export interface TrajectoryView extends TrajectoryHead {
  /** Of its first request. */
  readonly metadata: Readonly<Record<string, string>> | null;
  /** The conversation up to and with the newest answer, as the client has it or as the policy has it. */
  readonly messages: readonly Message[];
  readonly steps: readonly StepView[];
  readonly feedback: readonly FeedbackView[];
}

/** A trajectory in a few lines. */
export interface TrajectorySummary extends TrajectoryHead {
  /** When its newest response began. */
  readonly updated_at: number;
  /** All its responses together. */
  readonly ms: number;
  /** First words of what the newest response answers, and of that. */
  readonly question: string;
  readonly answer: string;
  /** Every version that took a step. */
  readonly policy_versions: readonly number[];
  readonly counts: {
    /** As the client has them. */
    readonly messages: number;
    readonly steps: number;
    readonly trainable_steps: number;
    readonly tool_calls: number;
    readonly prompt_tokens: number;
    readonly completion_tokens: number;
  };
  /** Why steps may not be trained on, with how many they are. */
  readonly not_trainable_reasons: Readonly<Record<string, number>>;
  /** Of the verdicts on its last step and on its last response, the one that decides; null where none does. */
  readonly verdict: { readonly judge: string; readonly good: boolean; readonly score: number | null } | null;
  readonly feedback: { readonly good: number; readonly bad: number; readonly demonstrations: number };
  /** In a list of whole trajectories: it is too large to be one of them. */
  readonly too_large?: true | undefined;
}

export interface StepView {
  readonly id: string;
  /** Position in its trajectory, from 0. */
  readonly index: number;
  /** Several choices of one response are steps of it. */
  readonly response_id: string;
  readonly task: string | null;
  /** What could be called, and whether it had to be. */
  readonly tools: readonly FunctionSpec[];
  readonly tool_choice: ToolChoice;
  readonly sampling: Sampling;
  /** Null where the engine does not say. */
  readonly template_hash: string | null;
  /** Null where an upstream sampled. */
  readonly policy_version: number | null;
  /** The action's text; null when the policy call gave none. */
  readonly action: string | null;
  readonly reasoning: string | null;
  readonly finish_reason: string | null;
  readonly tool_calls: readonly ToolCallView[];
  readonly outcome: 'done' | 'cancelled' | 'failed';
  readonly usage: Usage;
  /** These three only where tokens were asked for; null where the engine reported none. */
  readonly prompt_token_ids?: readonly number[] | null | undefined;
  readonly token_ids?: readonly number[] | null | undefined;
  /** ln probability of each token of the action. */
  readonly logprobs?: readonly number[] | null | undefined;
  readonly trainable: boolean;
  readonly not_trainable_reason?: string | undefined;
  readonly verdicts: readonly VerdictView[];
  readonly created_at: number;
}

export interface ToolCallView {
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
  /** Null when the judge was absent, as is `good`. */
  readonly score: number | null;
  readonly good: boolean | null;
  readonly rationale: string;
  readonly created_at: number;
}

export interface FeedbackView {
  readonly id: string;
  readonly response_id: string;
  /** Counts the response's own steps from 0; null for the whole answer. */
  readonly step: number | null;
  /** From -1 (bad) to 1 (good). */
  readonly value: number | null;
  readonly comment: string | null;
  /** What the answer should have been. */
  readonly demonstration: string | null;
  readonly created_at: number;
}

/** One step with the state it was taken in, and where its data went. */
export interface StepWithLineage extends StepView {
  readonly trajectory_id: string;
  readonly messages: readonly Message[];
  readonly timings: StepTimings;
  readonly lineage: Lineage;
}

/** Milliseconds. */
export interface StepTimings {
  /** Of the whole step, its tools included. */
  readonly ms: number;
  /** Of the policy call, which a step that failed early has not. */
  readonly first_token_ms?: number | undefined;
  readonly total_ms?: number | undefined;
}

/** Oldest first, all four. */
export interface Lineage {
  readonly samples: readonly SampleView[];
  readonly batches: readonly BatchView[];
  readonly versions: readonly VersionView[];
  readonly decisions: readonly DecisionView[];
}

export interface SampleView {
  readonly id: string;
  readonly cycle_id: string;
  readonly policy_version: number;
  /** The action as it was drawn. */
  readonly body: {
    readonly text: string;
    readonly calls: readonly ToolCall[];
    readonly temperature: number;
    readonly cut: boolean;
  };
  /** Where it stands in a batch, with the weight it was given. */
  readonly batch_id: string | null;
  readonly advantage: number | null;
  readonly verdicts: readonly VerdictView[];
}

export interface BatchView {
  readonly id: string;
  readonly cycle_id: string;
  readonly state: BatchState;
  readonly base_version: number;
  readonly target_version: number;
}

/** What deleting a trajectory says: where its data had gone before. */
export interface Removal {
  readonly id: string;
  readonly deleted: true;
  readonly batches: readonly string[];
  /** Versions trained on one of these batches, and all whose weights go back to one of those. */
  readonly versions: readonly number[];
  /**
   * Batches the trainer had when it was deleted, and the version each becomes unless its update fails. Which it was,
   * `GET /gyre/v1/deletions/{id}` tells.
   */
  readonly pending: readonly { readonly batch_id: string; readonly version: number }[];
}

/** What became of a deletion: as {@link Removal}, with the versions that came since. */
export interface DeletionView extends Removal {
  readonly deleted_at: number;
}
