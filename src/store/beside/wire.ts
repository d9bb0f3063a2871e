/**
 * What the gateway's thread and the log's thread say to each other: plain data, as JSON text one way. The intake holds
 * the same words.
 */
import type { Opening } from '../../core/log.js';
import type { AssistantMessage, Message } from '../../core/message.js';
import type { Ending, Step } from '../../core/trajectory.js';

/**
 * As they are stored, one list after the other in base64: text that needs no reading is copied, a list of numbers is
 * printed and parsed.
 */
export interface Numbers {
  readonly bytes: string;
  /** Lengths; absent where the list is. */
  readonly prompt?: number | undefined;
  readonly ids?: number | undefined;
  readonly logprobs?: number | undefined;
}

/**
 * What is said of one answer, in this order. What waits for its commit has an `ask`, and {@link FromLog} `done` answers
 * it.
 */
export type ThreadWords =
  /**
   * Where it has its place. Said before the thread's first step, and again wherever what was said before may be gone:
   * then everything of the thread follows again. `messages` are what its steps count from, where those are not the
   * client's.
   */
  | {
      readonly say: 'begin';
      readonly thread: number;
      readonly trajectoryId: string;
      readonly messages?: readonly Message[] | undefined;
      readonly opening: Opening;
    }
  | {
      readonly say: 'step';
      readonly ask?: number | undefined;
      readonly thread: number;
      /** The step's messages: so many of those said before in this thread, then `added`. */
      readonly known: number;
      readonly added: readonly Message[];
      /** Tool list as JSON: most requests have the same. */
      readonly tools: string;
      readonly step: Omit<Step, 'messages' | 'tools'>;
      readonly visible: AssistantMessage;
      /** The numbers of the step's action, which then has none of its own. */
      readonly numbers?: Numbers | undefined;
    }
  | { readonly say: 'finish'; readonly ask?: number | undefined; readonly thread: number; readonly ending: Ending };

export type StepWords = Extract<ThreadWords, { readonly say: 'step' }>;

export type ToLog =
  | ThreadWords
  /**
   * Finds where a conversation goes on; answered by `opened`. A conversation without an answer in it needs no looking
   * up.
   */
  | { readonly say: 'open'; readonly ask: number; readonly thread: number; readonly opening: Opening }
  /** Everything said so far is to be committed now; answered by `settled`. */
  | { readonly say: 'settle'; readonly number: number }
  | { readonly say: 'flush'; readonly ask: number }
  | { readonly say: 'close' };

export type FromLog =
  /** Pairs of an ask and 1 for committed, 0 for lost. */
  | { readonly say: 'done'; readonly asks: readonly number[] }
  /** `messages` only where they differ from the client's. */
  | {
      readonly say: 'opened';
      readonly ask: number;
      readonly trajectoryId: string;
      readonly continued: boolean;
      readonly messages?: readonly Message[] | undefined;
    }
  | { readonly say: 'settled'; readonly number: number }
  /** The intake it was given when it began is committed, but for these files. */
  | { readonly say: 'recovered'; readonly broken: readonly string[] }
  | { readonly say: 'failed'; readonly reason: string; readonly failures: number };
