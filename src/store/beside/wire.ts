/**
 * The messages between the gateway's thread and the log's thread: plain data, as JSON text on its way to the log. A
 * line of the intake is the same text, so that each message is put into JSON once.
 */
import { parseJson } from '../../core/text/json.js';
import type { LogWait, Opening, WalSize } from '../../core/log.js';
import type { PastTurns } from '../../core/policy.js';
import { assistantMessage, type AssistantMessage, type Message } from '../../core/message.js';
import type { Ending, Step } from '../../core/trajectory.js';
import type { Sealed } from '../log/writer.js';

/**
 * Token ids and log-probabilities as bytes, one list after the other, in base64: text is copied as it is, a list of
 * numbers would be printed and parsed.
 */
export interface PackedNumbers {
  readonly bytes: string;
  /** Lengths of the lists; absent where the list is. */
  readonly prompt?: number | undefined;
  readonly ids?: number | undefined;
  readonly logprobs?: number | undefined;
}

/**
 * The messages of one recording, in this order. One with a `replyId` is answered by {@link FromLog} `results` when it
 * is committed. What is renamed here is renamed in the files of the intake: see {@link parseIntakeLine}.
 */
export type RecordingMessage =
  /**
   * Where the recording belongs. Sent before its first step, and again into each new file of the intake, because the
   * file before may be deleted: then all messages of the recording follow again. `messages` are what its steps count
   * from, where those are not the client's.
   */
  | {
      readonly type: 'begin';
      readonly recording: number;
      readonly trajectoryId: string;
      readonly messages?: readonly Message[] | undefined;
      readonly opening: Opening;
    }
  | {
      readonly type: 'step';
      readonly replyId?: number | undefined;
      readonly recording: number;
      /** The step's messages: the first `known` messages of the recording so far, then `added`. */
      readonly known: number;
      readonly added: readonly Message[];
      /** Tool list as JSON: most requests have the same, and it is parsed once. */
      readonly tools: string;
      readonly step: Omit<Step, 'messages' | 'tools'>;
      /** Absent where it is the text of the step's action and no more, and so is what the step appended. */
      readonly visible?: AssistantMessage | undefined;
      /** The numbers of the step's action, which then has none of its own. */
      readonly numbers?: PackedNumbers | undefined;
    }
  | {
      readonly type: 'finish';
      readonly replyId?: number | undefined;
      readonly recording: number;
      readonly ending: Ending;
      /** Counts the answers of this gateway that have a step. */
      readonly number?: number | undefined;
    };

export type StepMessage = Extract<RecordingMessage, { readonly type: 'step' }>;
/** What the client has of a step. */
export function visibleIn({ visible, step }: StepMessage): AssistantMessage {
  return visible ?? assistantMessage(step.action?.text ?? '', []);
}

export type FinishMessage = Extract<RecordingMessage, { readonly type: 'finish' }>;

/** A fault that passes is waited for so long by whoever is to be answered. */
export const PATIENCE_MS = 2_000;

export type ToLog =
  | RecordingMessage
  /**
   * Finds what a conversation continues; answered by `opened`. Not sent for a conversation without an answer in it,
   * which can only be new.
   */
  | { readonly type: 'open'; readonly replyId: number; readonly recording: number; readonly opening: Opening }
  /** Everything sent so far is to be committed now; answered by `committed`. `line` is the newest of the intake's. */
  | { readonly type: 'commit'; readonly line: number }
  /** The same, answered by `results`. */
  | { readonly type: 'flush'; readonly replyId: number }
  | { readonly type: 'close' };

/**
 * Lines that stand in the intake, and are to be committed. Both threads have the same open files: the log's thread
 * reads where the gateway's has written, and what is recorded need not stay in the gateway's memory. Nothing of a file
 * is taken back or closed before its lines are committed.
 */
export interface ToRead {
  /** Descriptor, first byte and the one after the last, one after the other. */
  readonly at: readonly number[];
  /** Number of the newest of the lines. */
  readonly line: number;
}

export function readMessage(
  places: readonly { readonly file: { readonly fd: number }; readonly from: number; readonly to: number }[],
  line: number,
): string {
  return JSON.stringify({ at: places.flatMap(({ file, from, to }) => [file.fd, from, to]), line } satisfies ToRead);
}

export type FromLog =
  /** Every file is open that the log needs; what was left of earlier processes may still be on its way. */
  | { readonly type: 'ready' }
  /** Pairs: a `replyId`, then 1 for committed or 0 for lost. */
  | { readonly type: 'results'; readonly results: readonly number[] }
  /** `messages` only where they differ from the client's. */
  | {
      readonly type: 'opened';
      readonly replyId: number;
      readonly trajectoryId: string;
      readonly continued: boolean;
      readonly messages?: readonly Message[] | undefined;
      readonly past?: PastTurns | undefined;
    }
  /** The intake's lines up to this one are committed, but for what `refused` has named. */
  | {
      readonly type: 'committed';
      readonly line: number;
      readonly sealed?: Sealed | undefined;
      /** So many numbered answers have a reason not to be in the log. */
      readonly excused: number;
    }
  /** Recordings of which something cannot be committed, through a fault of its own. */
  | { readonly type: 'refused'; readonly recordings: readonly number[] }
  /** A recording of the intake that the thread begins with, where one of them may have ended the thread before. */
  | { readonly type: 'inHand'; readonly recording: number }
  /** The intake files the log began with are committed, except for these, of which something could not be. */
  | { readonly type: 'recovered'; readonly damaged: readonly string[] }
  /** What is not committed waits until a fault has passed; `wait` is absent when it has. */
  | { readonly type: 'waiting'; readonly wait?: LogWait | undefined }
  | { readonly type: 'wal'; readonly size: WalSize }
  | { readonly type: 'failed'; readonly reason: string; readonly failures: number };

/**
 * The messages of a line of the intake. Earlier builds wrote `say` for `type` and `thread` for `recording`: what a
 * gateway of such a build left behind is recovered after an upgrade like any other. Throws on what no build writes, or
 * only a later one.
 */
export function parseIntakeLine(line: string): readonly RecordingMessage[] {
  const messages: unknown = parseJson(line);
  if (!Array.isArray(messages)) throw new Error('a line of the intake is not a list of messages');
  return messages.map((message: unknown) => {
    if (typeof message !== 'object' || message === null) throw new Error('a message of the intake is not an object');
    const { say, thread, type = say, recording = thread, ...rest } = message as Readonly<Record<string, unknown>>;
    if (typeof type !== 'string' || !TYPES.includes(type) || typeof recording !== 'number')
      throw new Error(`the intake has a message of another build, of the type ${JSON.stringify(type)}`);
    return { type, recording, ...rest } as RecordingMessage;
  });
}

const TYPES: readonly string[] = ['begin', 'step', 'finish'] satisfies readonly RecordingMessage['type'][];
