/**
 * The step log as the request clock sees it: open a recording of a response, append its steps, finish it. Before the
 * last frame of an answer the gateway waits until its recording is kept; a failure of the log never reaches the answer.
 * What is kept survives this process: it is committed, or will be by whoever opens the data folder next.
 */
import { GyreError } from './errors.js';
import type { AssistantMessage, Message } from './message.js';
import type { PastTurns } from './policy.js';
import type { Asker, Ending, Origin, Step } from './trajectory.js';

/** What the log is told of a request when its recording begins; the request is validated. */
export interface Opening {
  readonly asker: Asker;
  readonly origin: Origin;
  readonly responseId: string;
  readonly requestId: string;
  /** The model name as the client wrote it. */
  readonly model: string;
  /** Who is asked, where that is an upstream: its host, and the model by the name it has there. */
  readonly upstream?: string | undefined;
  /** The conversation as the client sent it. */
  readonly messages: readonly Message[];
  readonly taskId?: string | undefined;
  readonly metadata?: Readonly<Record<string, string>> | undefined;
  /** Fields the engine is sent unread. Never logged; a redactor looks at them, because they may be in the prompt. */
  readonly forwarded?: Readonly<Record<string, unknown>> | undefined;
  /** What the request said that its protocol tells again when the response is read back. Absent where it never does. */
  readonly asked?: Readonly<Record<string, unknown>> | undefined;
  /** Hash of the chat template the engine renders with; absent when the upstream does not say. */
  readonly templateHash?: string | undefined;
  readonly at: number;
}

/** One response being recorded: its steps, then its end. */
export interface Recording {
  readonly trajectoryId: string;
  /** True when the response continues a trajectory of this key; false when it begins one. */
  readonly continued: boolean;
  /** What the policy is to be conditioned on: the client's messages, with the tool turns the client never saw. */
  readonly messages: readonly Message[];
  /** Absent where nothing is known of the turns in it. */
  readonly past?: PastTurns | undefined;
  /**
   * Appends one step. `visible` is the assistant turn of this response as the client has it so far: by its hash a
   * follow-up is recognised. Resolves to whether the step is kept; never rejects.
   */
  step(step: Step, visible: AssistantMessage): Promise<boolean>;
  /**
   * Ends the recording. Resolves to whether all of it is kept; never rejects. `number` counts the answers of a gateway,
   * where somebody does.
   */
  finish(ending: Ending, number?: number): Promise<boolean>;
}

/** A fault that passes, for as long as it has not: a locked database, a full disk. */
export interface LogWait {
  /** Milliseconds since the epoch. */
  readonly since: number;
  readonly reason: string;
}

/** The write-ahead log of the database. */
export interface WalSize {
  readonly bytes: number;
  /** How often it could not be folded into the database because a reader stays. */
  readonly heldUp: number;
}

/** How the log is doing. */
export interface LogState {
  /** What it waits for, while it does. */
  readonly wait?: LogWait | undefined;
  /** What was recorded and is not committed: answers, and bytes of them. */
  readonly uncommitted: { readonly answers: number; readonly bytes: number };
  readonly wal: WalSize;
}

export interface StepLog {
  /** A promise only where the log's thread has to look the conversation up; never rejects. */
  open(opening: Opening): Recording | Promise<Recording>;
  /** Writes that failed since the process began. */
  readonly failures: number;
  readonly state: LogState;
  /** Why nothing could be kept of an answer that began now; undefined while it could. */
  refusal(): GyreError | undefined;
  /**
   * Resolves when everything recorded so far is committed or counted as failed. Rejects with a 503 where that waits for
   * a fault to pass for longer than a request may.
   */
  flush(): Promise<void>;
}

/** The 503 of a request that would have to wait until the log goes on, or that could not be logged. */
export function logWaits({ reason }: LogWait, what: string): GyreError {
  return new GyreError({
    side: 'gateway',
    status: 503,
    code: 'log_waiting',
    message: `${what}: ${reason}. It is tried again by itself; try again in a few seconds.`,
    discreet: `${what} at the moment. It is tried again by itself; try again in a few seconds.`,
    retryAfterMs: 2_000,
  });
}
