/** The words of judging: what is judged, by whom, and what comes of it. */
import type { Message, ToolCall } from '../message.js';
import type { FunctionSpec } from '../policy.js';

/** What a verdict is about. A trajectory's verdict is its outcome; a step's or sample's is its process. */
export type SubjectKind = 'step' | 'trajectory' | 'sample';

/** Everything a judge may look at. `reference` is never shown to the policy. */
export interface Subject {
  readonly kind: SubjectKind;
  readonly id: string;
  /** The state the action was taken in. */
  readonly messages: readonly Message[];
  readonly tools: readonly FunctionSpec[];
  /** The action under judgement: its text and its calls. */
  readonly text: string;
  readonly calls: readonly ToolCall[];
  /** Index of this step in its trajectory, from 0. */
  readonly index: number;
  readonly reference?: string | undefined;
}

/** A judge's answer. Absent is an answer of its own and never becomes a number. */
export type Judgement =
  | { readonly kind: 'verdict'; readonly score: number; readonly good: boolean; readonly rationale: string }
  | { readonly kind: 'absent'; readonly reason: string };

export type JudgeKind = 'rule' | 'model' | 'person';

/** One judge. `version` changes whenever the same subject could get another answer. */
export interface Judge {
  readonly name: string;
  readonly version: string;
  readonly kind: JudgeKind;
  judge(subject: Subject, signal: AbortSignal): Promise<Judgement>;
}

/** A judgement as a row. Immutable; unique per subject, judge and judge version. */
export interface Verdict {
  readonly id: string;
  readonly subjectKind: SubjectKind;
  readonly subjectId: string;
  readonly judge: string;
  readonly judgeVersion: string;
  /** Undefined when the judge was absent. */
  readonly score?: number | undefined;
  readonly good?: boolean | undefined;
  readonly rationale: string;
  readonly createdAt: number;
}

/** The number training uses, with its source. */
export interface Reward {
  readonly value: number;
  readonly source: 'rule' | 'judge' | 'feedback';
}
