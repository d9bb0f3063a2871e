/** What the gateway's thread and the log's thread say to each other: plain data, as JSON text one way. */
import type { Opening } from '../core/log.js';
import type { AssistantMessage, Message } from '../core/message.js';
import type { Ending, Step } from '../core/trajectory.js';

/** As they are stored, in base64: text that needs no reading is copied, a list of numbers is printed and parsed. */
export interface Numbers {
  readonly prompt?: string;
  readonly ids?: string;
  readonly logprobs?: string;
}

/** Every word with an `ask` is answered by {@link FromLog} `done` or `opened` with the same number. */
export type ToLog =
  /** Finds where a conversation goes on. A conversation without an answer in it needs no looking up: `begin` is enough. */
  | { readonly say: 'open'; readonly ask: number; readonly thread: number; readonly opening: Opening }
  | { readonly say: 'begin'; readonly thread: number; readonly opening: Opening; readonly trajectoryId: string }
  | {
      readonly say: 'step'; readonly ask: number; readonly thread: number;
      /** The step's messages: so many of those said before in this thread, then `added`. */
      readonly known: number; readonly added: readonly Message[];
      /** Tool list as JSON: most requests have the same. */
      readonly tools: string;
      readonly step: Omit<Step, 'messages' | 'tools'>; readonly visible: AssistantMessage;
      /** The numbers of the step's action, which then has none of its own. */
      readonly numbers?: Numbers;
    }
  | { readonly say: 'finish'; readonly ask: number; readonly thread: number; readonly ending: Ending }
  | { readonly say: 'flush'; readonly ask: number }
  | { readonly say: 'close' };

export type FromLog =
  /** Pairs of an ask and 1 for committed, 0 for lost. */
  | { readonly say: 'done'; readonly asks: readonly number[] }
  /** `messages` only where they differ from the client's. */
  | { readonly say: 'opened'; readonly ask: number; readonly trajectoryId: string; readonly continued: boolean; readonly messages?: readonly Message[] }
  | { readonly say: 'failed'; readonly reason: string; readonly failures: number };
