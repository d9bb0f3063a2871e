/** Judging: what is judged, by whom, and what comes of it. */
import type { Message, ToolCall } from '../message.js';
import type { FunctionSpec } from '../policy.js';
import type { Reference } from './task.js';

/** What a verdict is about: on a step or a sample it is process supervision, on a trajectory outcome supervision. */
export type SubjectKind =
  /** One logged action in the state it was taken in. */
  | 'step'
  /** The final answer of a completed trajectory: its last step, where that calls no tool. */
  | 'trajectory'
  /** An action that a cycle drew at a logged state in order to train on it. */
  | 'sample';

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
  readonly reference?: Reference | undefined;
}

/** A judge's answer. `absent` means that it cannot tell: an answer of its own, which never becomes a number. */
export type Judgement =
  | { readonly kind: 'verdict'; readonly score: number; readonly good: boolean; readonly rationale: string }
  | { readonly kind: 'absent'; readonly reason: string };

export type JudgeKind =
  /** Deterministic code of this repository: `src/judge/rules/`. */
  | 'rule'
  /** A model asked for an opinion. None is built in; the order of judges has a place for one. */
  | 'model'
  /** A person. Feedback is logged as rows of its own; nothing makes verdicts of it today. */
  | 'person';

/** One judge. `version` changes whenever the same subject could get another answer. */
export interface Judge {
  readonly name: string;
  readonly version: string;
  readonly kind: JudgeKind;
  judge(subject: Subject, signal: AbortSignal): Promise<Judgement>;
}

/** Names of judges, the one that decides before all others first (`src/judge/decide.ts`). */
export const JUDGE_ORDER: readonly string[] = ['person', 'model', 'reference', 'follows_observation', 'well_formed'];

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

/** The number training uses, and the kind of judge it comes from. */
export interface Reward {
  /** From 0 to 1. */
  readonly value: number;
  /** `judge` is a model, `feedback` a person. */
  readonly source: 'rule' | 'judge' | 'feedback';
}

/** A step that at least one of the judges, in its present version, has not looked at. */
export interface Unjudged {
  readonly stepId: string;
  readonly trajectoryId: string;
  readonly index: number;
  readonly taskId: string | null;
  /** True for the last step of a completed answer: its text is the trajectory's outcome. */
  readonly last: boolean;
}
