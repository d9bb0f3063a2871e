/** Trajectories and steps: the unit that is logged, judged and trained on. */
import type { Hash } from './text/hash.js';
import type { Message, ToolCall } from './message.js';
import type { Action, FunctionSpec, Sampling, ToolChoice, Usage } from './policy.js';
import type { Observation } from './tool.js';

/** How answering one request ended. */
export type Outcome = 'completed' | 'incomplete' | 'failed' | 'cancelled';

/** Why it ended. The second line are the loop's own limits; they show as `finish_reason: "length"`. */
export type StopReason =
  | 'stop'
  | 'client_tools'
  | 'max_tokens'
  | 'content_filter'
  | 'client_abort'
  | 'engine_error'
  | 'max_steps'
  | 'max_tool_calls'
  | 'deadline'
  | 'tool_errors'
  | 'repeated_call';

/** Where a trajectory came from. Evaluation never reaches a batch, whatever else is true of it. */
export type Origin = 'live' | 'generate' | 'evaluate';

/** A call with its owner settled before anything ran, and what came of it. */
export interface OwnedCall extends ToolCall {
  readonly owner: 'server' | 'client';
  /** Absent while a client's own call is pending, or when the action was cut. */
  readonly observation?: Observation | undefined;
}

/**
 * Why a step cannot be trained on. First reason that holds; `redacted`, which is known only to the log, before all
 * others.
 */
export type NotTrainable =
  | 'no_token_ids'
  | 'no_logprobs'
  | 'constrained'
  | 'truncated_sampling'
  | 'cut'
  | 'cancelled'
  | 'engine_error'
  | 'empty'
  | 'no_consent'
  | 'upstream'
  | 'redacted';

/** One policy call and the observations after it, as the loop hands it to the log. */
export interface Step {
  readonly id: string;
  /** Absent where an upstream sampled: no learner takes such a step up. */
  readonly policyVersion?: number | undefined;
  /** Messages the policy was conditioned on, hidden tool turns included. */
  readonly messages: readonly Message[];
  readonly tools: readonly FunctionSpec[];
  readonly toolChoice: ToolChoice;
  readonly sampling: Sampling;
  /** Absent when the policy call was cancelled or failed before it produced anything. */
  readonly action?: Action | undefined;
  readonly calls: readonly OwnedCall[];
  /** Messages that followed the action: the assistant turn and the tool turns. */
  readonly appended: readonly Message[];
  readonly outcome: 'done' | 'cancelled' | 'failed';
  readonly notTrainable?: NotTrainable | undefined;
  readonly startedAt: number;
  readonly ms: number;
}

/** What identifies the asker, and whether the learner may use what is said. */
export interface Asker {
  /** `''` when the gateway runs without keys: everyone is one owner. */
  readonly keyId: string;
  readonly consent: boolean;
}

/** Tips of the two histories: what the client saw and what the policy saw. */
export interface Tips {
  readonly client: Hash | '';
  readonly policy: Hash | '';
}

export interface ServerToolUse {
  readonly requested: number;
  readonly executed: number;
  readonly by_tool: Readonly<Record<string, number>>;
}

/** The end of answering one request. */
export interface Ending {
  readonly outcome: Outcome;
  readonly stopReason: StopReason;
  readonly usage: Usage;
  readonly toolUse: ServerToolUse;
}
