/** Trajectories, their steps and their ends: what is logged, judged and trained on. */
import type { Message, ToolCall } from './message.js';
import type { Action, Beside, FunctionSpec, Sampling, TokenLogprob, ToolChoice, Usage } from './policy.js';
import type { Observation } from './tool.js';

/**
 * One conversation: the unit that is judged and trained on. A *response*, the answering of one request, adds its steps
 * to it and ends with an {@link Ending}.
 *
 * A live request goes on from the longest prefix of its messages that ends in an answer its key was given. It continues
 * that answer's trajectory where the answer is the newest in it: a follow-up. Otherwise it is a branch and begins
 * another: when the trajectory has a later response with an action, or one that is still being recorded, or when
 * another model gave the answer (all versions of the policy are one model). Policy and learner see either with the tool
 * turns the client never saw. Where there is no such prefix, because the conversation is new or its history was edited,
 * a trajectory begins with the messages as they were sent. Each request of the learner begins a trajectory.
 */
export interface Trajectory {
  readonly id: string;
  /** The key that asked; `''` when the gateway runs without keys. */
  readonly keyId: string;
  readonly origin: Origin;
  /** Whether its first request consented to learning. Each step has the consent of its own request. */
  readonly consent: boolean;
  /** The model name of its first request, as the client wrote it. */
  readonly model: string;
  readonly taskId?: string | undefined;
  readonly metadata?: Readonly<Record<string, string>> | undefined;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
}

/**
 * How a response ended: decided by the loop (`src/loop/tally.ts`). Of several choices the first that is not `completed`
 * decides.
 */
export type Outcome =
  /** The policy came to its end by itself: with text, or with calls that the client is to run. */
  | 'completed'
  /** A bound ended it: the token limit, a content filter, the deadline or a limit of the loop. */
  | 'incomplete'
  /** The engine or an upstream failed, or the gateway has a bug (`src/http/answering.ts`). */
  | 'failed'
  /** The client left, or the learning clock was stopped, before the answer was whole. */
  | 'cancelled';

/** Why a response ended. */
export type StopReason =
  /** `completed`: the policy's last action has no call the client is to run. */
  | 'stop'
  /** `completed`: the policy's last action calls functions of the client. */
  | 'client_tools'
  /** `incomplete`: the policy's last action was cut at the token limit of the request or of the model. */
  | 'max_tokens'
  /** `incomplete`: the engine or the upstream says its content filter ended the last action. */
  | 'content_filter'
  /** `cancelled`: the client closed its connection, or the caller's signal fired. */
  | 'client_abort'
  /** `failed`: the policy call failed, or a bug of the gateway broke the answer off. */
  | 'engine_error'
  // The limits of the loop (`src/loop/budget.ts`). After each but the deadline the policy is asked once more, for an
  // answer without calls, and the response ends as `incomplete` for this reason. Clients see `finish_reason: "length"`.
  /** As many steps with server tools were taken as `limits.steps` allows. */
  | 'max_steps'
  /** A call was not run because `limits.tool_calls` calls were run before it. */
  | 'max_tool_calls'
  /** `limits.seconds` were over: policy and tools were stopped, and nothing more was asked. */
  | 'deadline'
  /** Three tool calls in a row failed. */
  | 'tool_errors'
  /** A call was not run because the same call succeeded in each of the two steps before. */
  | 'repeated_call';

/** Who asked for a trajectory. */
export type Origin =
  /** A client of the gateway (`src/http/answering.ts`). */
  | 'live'
  /** The learner, which answers training tasks so that there are states to learn from (`src/learner/generating.ts`). */
  | 'generate'
  /**
   * The learner, which answers held-out tasks to measure a version (`src/learner/evaluating.ts`). Never reaches a
   * batch, whatever else is true of it.
   */
  | 'evaluate';

/** A call, whose it is to run (settled before anything ran), and its observation. */
export interface OwnedCall extends ToolCall {
  readonly owner: 'server' | 'client';
  /** Absent while a client's own call is pending, or when the action was cut. */
  readonly observation?: Observation | undefined;
}

/**
 * Why the action of a step cannot be trained on. A step whose policy call did not come to its end has `cancelled` or
 * `engine_error` (`src/loop/record.ts`); of other reasons it has the first in this order (`src/loop/trainable.ts`).
 */
export type NotTrainable =
  /**
   * The log's redactor found something in the step or in what was forwarded to the engine: its token ids, which would
   * spell it, are not logged. Set by the redactor (`src/core/text/redact.ts`), before all other reasons.
   */
  | 'redacted'
  /** The policy call failed: the action, if there is one, is what came before the fault. */
  | 'engine_error'
  /** Of a raw prompt (`POST /v1/completions`): no conversation that a judge could read or that could be asked again. */
  | 'raw_prompt'
  /** The engine or the upstream reported no ids of the prompt or of the action. */
  | 'no_token_ids'
  /** The engine reported no log-probabilities of the action. */
  | 'no_logprobs'
  /** The policy was shown pictures, sound or files: the tokens of its prompt are not all there is to it. */
  | 'media'
  /**
   * Text from outside may stand in the prompt as control tokens, which nobody could break there: the request brought a
   * chat template of its own.
   */
  | 'control_text'
  /** A schema, a grammar, a forced or a strict tool masked the vocabulary: probabilities are of the masked one. */
  | 'constrained'
  /** Sampling was greedy, truncated (`top_p`, `top_k`, `min_p`) or tilted by a penalty or a bias. */
  | 'truncated_sampling'
  /** The action was cut at the token limit: its end is not the policy's. */
  | 'cut'
  /** A content filter ended the action: its end is not the policy's. */
  | 'content_filter'
  /** The arguments of one of its calls are no JSON object: what was sent back to the policy is not what it wrote. */
  | 'malformed_call'
  /** The action has no tokens. */
  | 'empty'
  /** The client left or the deadline came, while the action was sampled or while its tools ran. */
  | 'cancelled'
  /** An upstream sampled the action, not the policy (`src/http/answering.ts`). */
  | 'upstream'
  /** The key, `store: false` or the header `x-gyre-train: no` withholds consent (`src/http/answering.ts`). */
  | 'no_consent'
  /**
   * Neither request nor configuration named a temperature, and the engine, given by address, drew by a default of its
   * own, which it does not tell (`untoldSampling` in `src/http/protocol/request.ts`).
   */
  | 'unknown_sampling';

/** A piece of an action as its client was told it, in the order it was; lengths are of what the action has of it. */
export type ToldPiece =
  | { readonly type: 'reasoning'; readonly length: number }
  | {
      readonly type: 'text';
      readonly length: number;
      /** Where in the action's text it begins, where that is not after the text before. */
      readonly from?: number | undefined;
      readonly refusal?: true | undefined;
      /** Where the client asked for them. */
      readonly logprobs?: readonly TokenLogprob[] | undefined;
    }
  | { readonly type: 'call'; readonly id: string }
  | { readonly type: 'beside'; readonly fields: Beside };

/** One policy call and the observations after it, as the loop hands it to the log. */
export interface Step {
  readonly id: string;
  /** Absent where an upstream sampled: no learner takes such a step up. */
  readonly policyVersion?: number | undefined;
  /** Messages the policy was conditioned on, hidden tool turns included. */
  readonly messages: readonly Message[];
  readonly tools: readonly FunctionSpec[];
  readonly toolChoice: ToolChoice;
  /** Present where calls are thrown away although the policy was offered tools and left the choice: a last turn. */
  readonly callsAllowed?: false | undefined;
  readonly sampling: Sampling;
  /** Absent when the policy call was cancelled or failed before it produced anything. */
  readonly action?: Action | undefined;
  /**
   * What its client was told of it, where its protocol tells answers again and that is more than what was reasoned,
   * the text and the client's calls, in this order.
   */
  readonly told?: readonly ToldPiece[] | undefined;
  readonly calls: readonly OwnedCall[];
  /** Messages that followed the action: the assistant turn and the tool turns. */
  readonly appended: readonly Message[];
  readonly outcome: 'done' | 'cancelled' | 'failed';
  readonly notTrainable?: NotTrainable | undefined;
  readonly startedAt: number;
  readonly ms: number;
}

/** The key a request was made with, and whether the learner may use the request and its answer. */
export interface Asker {
  /** `''` when the gateway runs without keys: everyone is one owner. */
  readonly keyId: string;
  readonly consent: boolean;
}

export interface ServerToolUse {
  readonly requested: number;
  readonly executed: number;
  readonly by_tool: Readonly<Record<string, number>>;
  /** Calls of actions that made more than count, whoever's they were; absent where there were none. */
  readonly left_out?: number | undefined;
}

/** The end of a response. */
export interface Ending {
  readonly outcome: Outcome;
  readonly stopReason: StopReason;
  readonly usage: Usage;
  readonly toolUse: ServerToolUse;
}
