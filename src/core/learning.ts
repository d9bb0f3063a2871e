/** The words of the learning clock: verdicts, rewards, samples, versions, decisions, cycles. */
import { z } from 'zod';

import type { Message, ToolCall } from './message.js';
import type { FunctionSpec } from './policy.js';

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
  readonly reference?: string;
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
  readonly score?: number;
  readonly good?: boolean;
  readonly rationale: string;
  readonly createdAt: number;
}

/** The number training uses, with its source. */
export interface Reward {
  readonly value: number;
  readonly source: 'rule' | 'judge' | 'feedback';
}

/** Which logged steps become states or examples. */
export type FilterName = 'none' | 'process' | 'outcome' | 'both' | 'prefix';
export const FILTERS: readonly FilterName[] = ['none', 'process', 'outcome', 'both', 'prefix'];

/** `resample`: the paper. `logged`: the recorded action. `sft`: cross entropy on kept steps. */
export type TrainMode = 'resample' | 'logged' | 'sft';
export const TRAIN_MODES: readonly TrainMode[] = ['resample', 'logged', 'sft'];

/** One action drawn by the current policy at a logged state, in order to train on it. Judged, never executed. */
export interface Sample {
  readonly id: string;
  readonly cycleId: string;
  /** The step whose state it was drawn at. */
  readonly stepId: string;
  readonly policyVersion: number;
  readonly text: string;
  readonly calls: readonly ToolCall[];
  readonly promptTokenIds: readonly number[];
  readonly tokenIds: readonly number[];
  readonly logprobs: readonly number[];
  readonly temperature: number;
  readonly cut: boolean;
  readonly createdAt: number;
}

/** The engine's name of a version's weights. */
export function adapterName(version: number): string {
  return version === 0 ? 'base' : `gyre-v${String(version).padStart(6, '0')}`;
}

/** {@link adapterName} backwards; undefined for a name that is none of ours. */
export function adapterVersion(name: string): number | undefined {
  const digits = /^gyre-v(\d{6,9})$/.exec(name)?.[1];
  return name === 'base' ? 0 : digits === undefined ? undefined : Number(digits);
}

export type VersionKind = 'base' | 'trained' | 'rollback';

/** One policy version. Numbers only grow; a rollback is older weights under a new number. */
export interface Version {
  readonly version: number;
  readonly kind: VersionKind;
  readonly parent?: number;
  readonly batchId?: string;
  /** For a rollback: the version whose weights these are. */
  readonly copyOf?: number;
  readonly metrics: Readonly<Record<string, unknown>>;
  readonly createdAt: number;
}

/** Decisions are rows with the numbers that made them. The serving version is the last promotion or rollback. */
export type DecisionKind = 'gate' | 'promotion' | 'rollback' | 'head_reset' | 'parity' | 'canary';

export interface Decision {
  readonly id: string;
  readonly kind: DecisionKind;
  readonly version: number;
  readonly against?: number;
  readonly passed: boolean;
  readonly reason: string;
  readonly numbers: Readonly<Record<string, unknown>>;
  readonly createdAt: number;
}

/** One held-out task answered by one version. */
export interface EvaluationResult {
  readonly taskId: string;
  readonly trajectoryId: string;
  readonly score: number;
}

export interface Evaluation {
  readonly id: string;
  readonly version: number;
  /** Hash of the ordered task ids and contents, so that only like is compared with like. */
  readonly taskSet: string;
  readonly results: readonly EvaluationResult[];
  readonly createdAt: number;
}

export type CycleStage =
  'generate' | 'judge' | 'filter' | 'resample' | 'judge_samples' | 'batch' | 'train' | 'evaluate' | 'gate' | 'promote';
export type CycleState = 'running' | 'done' | 'failed' | 'skipped';

/** A cycle's state may only move along these edges; the writer enforces it. */
export const CYCLE_TRANSITIONS: Readonly<Record<CycleState, readonly CycleState[]>> = {
  running: ['running', 'done', 'failed', 'skipped'],
  done: [],
  failed: ['running'],
  skipped: [],
};

/** What a request to start a cycle says. */
export const StartCycle = z.strictObject({ gate: z.boolean().default(true) });
export type StartCycle = z.infer<typeof StartCycle>;

export type BatchState = 'assembled' | 'sent' | 'applied' | 'failed';
export const BATCH_TRANSITIONS: Readonly<Record<BatchState, readonly BatchState[]>> = {
  assembled: ['sent', 'failed'],
  sent: ['sent', 'applied', 'failed'],
  applied: [],
  failed: [],
};

export interface Cycle {
  readonly id: string;
  readonly state: CycleState;
  readonly stage: CycleStage;
  readonly mode: TrainMode;
  readonly filter: FilterName;
  /** Head when the cycle began: the version samples are drawn from. */
  readonly baseVersion: number;
  readonly counts: Readonly<Record<string, number>>;
  readonly note: string;
  readonly startedAt: number;
  readonly updatedAt: number;
}
