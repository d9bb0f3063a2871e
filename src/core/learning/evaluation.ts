/** Held-out tasks answered by versions: what the gate decides by, and what a report tells. */
import type { Hash } from '../text/hash.js';

/** As what a version was asked a task: in a test of its own, as what serves in another's, or for a report. */
export type AskedAs = 'candidate' | 'serving' | 'report';

/** One held-out task answered by one version, and judged. No answer is no row: it is asked again. */
export interface TaskAnswer {
  readonly version: number;
  readonly taskId: string;
  /** Of what the task says, so that an answer to what stood under its id before is none to it. */
  readonly taskHash: Hash;
  readonly judge: string;
  readonly judgeVersion: string;
  /** From 0 to 1. */
  readonly score: number;
  readonly trajectoryId: string;
  readonly askedAs: AskedAs;
  readonly createdAt: number;
}

/** How a set of tasks was asked for a report. */
export interface EvaluationSetting {
  /** Whether the tasks' tools were offered. */
  readonly tools: boolean;
  /** 0: the likeliest answer. */
  readonly temperature: number;
  /** Answers a task. */
  readonly samples: number;
}

/** A mean over tasks, and how far it can be trusted. */
export interface Mean {
  readonly mean: number;
  readonly n: number;
  readonly ci95: readonly [number, number];
}

/** What a version did on a set of tasks. Of tasks what has no answer is wrong. */
export interface EvaluationNumbers {
  readonly tasks: number;
  /** Answers that did not come to an end. */
  readonly unanswered: number;
  /** Share of a task's answers that are right, over the tasks. */
  readonly right: Mean;
  /** That one of `k` answers is right, where several were drawn. */
  readonly passAt: readonly ({ readonly k: number } & Mean)[];
  /** Of tasks whose set is counted so. */
  readonly exactMatch?: Mean | undefined;
  readonly f1?: Mean | undefined;
  /** Of the steps that a judge could tell of, those that are good; of trajectories, those with no step that is not. */
  readonly goodSteps: Mean;
  readonly goodTrajectories: Mean;
  /** Of the steps, those that a judge of steps which is no rule calls good; by its name. */
  readonly processLabels: Readonly<Record<string, Mean>>;
  /** Of the steps at which one could be made, those with a call. */
  readonly toolCallRate: Mean;
  /** Of the steps, those with a call that cannot be understood. */
  readonly parseFailures: Mean;
  readonly stepsATrajectory: Mean;
  readonly tokensAStep: Mean;
  readonly tokensATrajectory: Mean;
}

/** One version on one set of tasks, asked in one way: a row. */
export interface EvaluationReport {
  readonly id: string;
  readonly version: number;
  readonly taskSet: Hash;
  readonly setting: EvaluationSetting;
  readonly numbers: EvaluationNumbers;
  readonly createdAt: number;
}
