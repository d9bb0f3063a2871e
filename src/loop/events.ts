/** The loop's request, its limits, the events it emits while it runs, and how it ends. */
import type { GyreError } from '../core/errors.js';
import type { AssistantMessage, Message, ToolCall } from '../core/message.js';
import type {
  FinishReason,
  FunctionSpec,
  NativeTurn,
  PolicyEvent,
  RawPrompts,
  Sampling,
  ToolChoice,
} from '../core/policy.js';
import type { Observation, ToolLimits, Toolbox } from '../core/tool.js';
import type { Ending, NotTrainable, Step } from '../core/trajectory.js';

/** One request to answer, parsed and checked. */
export interface LoopRequest {
  /** The engine's name of the leased weights. */
  readonly model: string;
  /** Their version; absent where an upstream answers. */
  readonly policyVersion?: number | undefined;
  readonly messages: readonly Message[];
  /** Prompts instead of a conversation: `messages` has one for each. */
  readonly raw?: RawPrompts | undefined;
  /** Functions the client runs itself. Their names and the server's never overlap. */
  readonly clientTools: readonly FunctionSpec[];
  /** Tools this gateway runs, by function name. */
  readonly serverTools: Toolbox;
  readonly toolChoice: ToolChoice;
  /** The demand for a call is for one of the client's functions; the server's tools may come first, in one step. */
  readonly ownCall?: boolean | undefined;
  readonly parallelToolCalls?: boolean | undefined;
  readonly sampling: Sampling;
  /** More than 1 only without server tools. */
  readonly n?: number | undefined;
  readonly topLogprobs?: number | undefined;
  readonly forwarded?: Readonly<Record<string, unknown>> | undefined;
  readonly requestId?: string | undefined;
  /** How many parts of the last message are no text and of the newest turn, where the protocol can tell. */
  readonly newestMedia?: number | undefined;
  /** How turns of the history came, as their client sends them back. */
  readonly native?: ReadonlyMap<Message, NativeTurn> | undefined;
  /** Whether its client is shown the tokens of the text. */
  readonly tokensShown?: boolean | undefined;
  /** Whether its answer may be told again, so that its steps say how it was told. */
  readonly retold?: boolean | undefined;
  /** A reason outside the loop for which its steps cannot be trained on, e.g. withheld consent. */
  readonly withheld?: NotTrainable | undefined;
}

/** How far one request may go. */
export interface LoopLimits {
  /** Steps that may call tools; one answer turn may follow them. */
  readonly steps: number;
  readonly toolCalls: number;
  readonly milliseconds: number;
  /** Tool errors in a row. */
  readonly toolErrors: number;
  readonly tool: ToolLimits;
}

/**
 * What the client may see of the policy's events, in order, and the loop's own. Of calls only the
 * client's own appear, numbered 0..n-1 over the whole response. `start` comes once.
 */
export type LoopEvent =
  | PolicyEvent
  | { readonly type: 'tool_started'; readonly call: ToolCall }
  | { readonly type: 'tool_finished'; readonly call: ToolCall; readonly observation: Observation }
  /** A step is over and goes to the log; `visible` is the assistant turn as the client has it so far. */
  | { readonly type: 'step'; readonly step: Step; readonly visible: AssistantMessage };

/** How it ended. The loop never throws for a fault of the engine or a tool: a fault is a way to end. */
export interface Finish {
  readonly ending: Ending;
  /** One per choice; empty when the answer failed or was cancelled. */
  readonly finishReasons: readonly FinishReason[];
  /** Present exactly when the outcome is `failed`. */
  readonly fault?: GyreError | undefined;
}
