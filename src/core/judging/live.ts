/** The gate on live traffic: conversations without an answer, which a judge compares, and the canary. */
import type { Message } from '../message.js';
import type { FunctionSpec } from '../policy.js';
import type { JudgeCost } from '../learning/judging.js';

/** How often a judge was wrong where the truth was known: shares of the gold items of its calibration. */
export interface JudgeError {
  /** Of what is bad, the share that it called good. */
  readonly falseAccept: number;
  /** Of what is good, the share that it called bad. */
  readonly falseReject: number;
  /** Gold items. */
  readonly n: number;
}

/** What a judge says of two answers to one state. */
export type Preference = 'first' | 'second' | 'tie';

/** Two answers to one state, in the order in which the judge is shown them. Nothing says whose they are. */
export interface Compared {
  readonly id: string;
  readonly messages: readonly Message[];
  readonly tools: readonly FunctionSpec[];
  readonly first: string;
  readonly second: string;
}

/** A judge that compares. What cannot be understood is a tie; where it could not be asked it says why. */
export interface Comparer {
  readonly name: string;
  /** Of the judge as it was calibrated, which is by single steps. */
  readonly judgeVersion: string;
  /** Of the comparison: changes whenever the same two could be told apart otherwise. */
  readonly version: string;
  compare(
    compared: Compared,
    signal: AbortSignal,
  ): Promise<
    ({ readonly preference: Preference } | { readonly fault: string }) & { readonly cost?: JudgeCost | undefined }
  >;
}

/** Who compares, and how well it was shown to judge: undefined where no calibration of this version stands. */
export interface LiveJudge {
  readonly comparer: Comparer;
  readonly error: () => Promise<JudgeError | undefined>;
}

/** A held-out conversation, and the state of it that is asked. */
export interface LiveState {
  readonly conversation: string;
  readonly stepId: string;
  readonly trajectoryId: string;
}

/** By what it is known that a decision has used a conversation, beside tasks. */
export function conversationUse(conversation: string): string {
  return `live:${conversation}`;
}

export interface Comparison extends LiveState {
  readonly candidate: number;
  readonly serving: number;
  readonly judge: string;
  readonly judgeVersion: string;
  /** How it came out for the candidate; `same`: both answered word for word alike, and nobody was asked. */
  readonly outcome: 'won' | 'lost' | 'tied' | 'same';
  /** What was said with the candidate first, and with it second. */
  readonly words: readonly Preference[];
  readonly promptTokens: number;
  readonly completionTokens: number;
  readonly ms: number;
  readonly money?: number | undefined;
  readonly createdAt: number;
}

/** A version that answers a share of the conversations, until it is known whether it is to answer all. */
export interface Canary {
  readonly id: string;
  readonly version: number;
  /** The version that answers the rest. */
  readonly against: number;
  readonly share: number;
  /** The gate's decision that it has passed; undefined where the canary alone decides. */
  readonly gateId?: string | undefined;
  /** Which candidate it is since the last promotion, from 1. */
  readonly candidate: number;
  /** Milliseconds since 1970. */
  readonly startedAt: number;
}

/** How far it is, for whoever asks. */
export interface CanaryStatus extends Canary {
  /** Conversations that were read of each arm. */
  readonly read: { readonly candidate: number; readonly serving: number };
}

/** What serving has to know of it. */
export interface ServedCanary extends Pick<Canary, 'id' | 'version' | 'share'> {
  readonly salt: string;
}

/** How one conversation went, as it was read once: nothing that comes later changes it. */
export interface CanaryOutcome {
  readonly conversation: string;
  readonly trajectoryId: string;
  readonly arm: 'candidate' | 'serving';
  /** From 0 to 1; undefined where nobody has said anything of it. */
  readonly score?: number | undefined;
  /** Whose word the score is. */
  readonly source?: string | undefined;
  /** Whether the engine failed, or a call could not be read. */
  readonly failed: boolean;
}
