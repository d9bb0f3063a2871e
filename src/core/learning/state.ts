/** A logged state: what the policy was conditioned on at one step, and the action it took. */
import type { Message, ToolCall } from '../message.js';
import type { FunctionSpec, Sampling, ToolChoice } from '../policy.js';
import type { NotTrainable, Origin } from '../trajectory.js';
import type { Task } from './task.js';

export interface LoggedState {
  readonly stepId: string;
  readonly trajectoryId: string;
  /** Whose it is; empty where no key was needed. */
  readonly keyId: string;
  /** Position in the trajectory, from 0. */
  readonly index: number;
  readonly taskId?: string | undefined;
  readonly origin: Origin;
  /** Absent where an upstream sampled. */
  readonly policyVersion?: number | undefined;
  readonly consent: boolean;
  readonly notTrainable?: NotTrainable | undefined;
  readonly templateHash?: string | undefined;
  /** What the policy was conditioned on. */
  readonly messages: readonly Message[];
  readonly tools: readonly FunctionSpec[];
  readonly toolChoice: ToolChoice;
  /** Whether a call could be run there, by whomever: else one is thrown away. */
  readonly callsAllowed: boolean;
  readonly sampling: Sampling;
  /** Of the sampling; the engine's own 1 where the request named none. */
  readonly temperature: number;
  /** The action: its text and its calls. */
  readonly text: string;
  readonly calls: readonly ToolCall[];
  readonly promptTokenIds?: readonly number[] | undefined;
  readonly tokenIds?: readonly number[] | undefined;
  readonly logprobs?: readonly number[] | undefined;
}

/** A state, and what tells which reference it may be compared with. */
export interface AskedState {
  readonly state: LoggedState;
  /** The task it says it is of. */
  readonly task?: Task | undefined;
  /** Whether it was asked the task's question and nothing else. */
  readonly asksTask: boolean;
  /** Whether an admin's key asked. */
  readonly byAdmin: boolean;
  /** What came after its action, where that was asked for: what tools gave, and what the client said next. */
  readonly after?: readonly Message[] | undefined;
  /** What users have said of it by now, in words, where that was asked for. */
  readonly feedback?: string | undefined;
}

/** What a state says, as far as two can be alike. */
export interface StateWords {
  readonly messages: readonly Message[];
  readonly tools: readonly FunctionSpec[];
}
