/** The words of a learning cycle: its stages and states, and which logged steps it takes up and how. */
import { z } from 'zod';

/** Which logged steps become states or examples. */
export type FilterName = 'none' | 'process' | 'outcome' | 'both' | 'prefix';
export const FILTERS: readonly FilterName[] = ['none', 'process', 'outcome', 'both', 'prefix'];

/** `resample`: the paper. `logged`: the recorded action. `sft`: cross entropy on kept steps. */
export type TrainMode = 'resample' | 'logged' | 'sft';
export const TRAIN_MODES: readonly TrainMode[] = ['resample', 'logged', 'sft'];

export const CYCLE_STAGES = [
  'generate',
  'judge',
  'filter',
  'resample',
  'judge_samples',
  'batch',
  'train',
  'evaluate',
  'gate',
  'promote',
] as const;
export type CycleStage = (typeof CYCLE_STAGES)[number];
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
