/**
 * The step log as the request clock sees it: open a thread for a request, append its steps, finish it.
 * That it is kept is awaited before the last frame; failing never reaches the answer. What is kept survives this
 * process: it is committed, or will be by whoever opens the data folder next.
 */
import type { AssistantMessage, Message } from './message.js';
import type { Asker, Ending, Origin, Step } from './trajectory.js';

/** What a request says about itself when it arrives, all validation behind it. */
export interface Opening {
  readonly asker: Asker;
  readonly origin: Origin;
  readonly responseId: string;
  readonly requestId: string;
  /** The model name as the client wrote it. */
  readonly model: string;
  /** The conversation as the client sent it. */
  readonly messages: readonly Message[];
  readonly taskId?: string | undefined;
  readonly metadata?: Readonly<Record<string, string>> | undefined;
  /** What the engine is sent as it came. Never logged; looked at only for what would have to be redacted. */
  readonly forwarded?: Readonly<Record<string, unknown>> | undefined;
  /** Hash of the chat template the engine renders with; absent when the upstream does not say. */
  readonly templateHash?: string | undefined;
  readonly at: number;
}

/** One request's place in the log. */
export interface Thread {
  readonly trajectoryId: string;
  /** True when the conversation was known under this key and goes on. */
  readonly continued: boolean;
  /** What the policy is to be conditioned on: the client's messages with hidden tool turns spliced back. */
  readonly messages: readonly Message[];
  /**
   * Appends one step. `visible` is the assistant turn as the client has it so far in this response: its
   * hash is the client tip. Resolves to whether it is kept; never rejects.
   */
  step(step: Step, visible: AssistantMessage): Promise<boolean>;
  /** The end of the response. Resolves to whether everything of this thread is kept; never rejects. */
  finish(ending: Ending): Promise<boolean>;
}

export interface StepLog {
  /** At once where nothing has to be looked up elsewhere; never rejects. */
  open(opening: Opening): Thread | Promise<Thread>;
  /** Writes that failed since the process began. */
  readonly failures: number;
  /** Resolves when everything handed over so far is committed or counted as failed. */
  flush(): Promise<void>;
}
