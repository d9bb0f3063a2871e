/** A learning cycle: its stages and states, and which logged steps it takes up and how. */
import type { Drift } from '../judging/drift.js';
import type { Update } from './alarms.js';
import type { CanaryStatus } from '../judging/live.js';
import type { Decision } from './version.js';

/** Which logged steps a cycle takes up, by the verdicts on their trajectory: `learning.filter`. */
export type FilterName =
  /** Every step. */
  | 'none'
  /** Steps of trajectories all of whose steps were judged good: SWiRL's process filtering (arXiv 2504.04736). */
  | 'process'
  /** Steps of trajectories whose final answer was judged good: SWiRL's outcome filtering. */
  | 'outcome'
  /** Steps that `process` and `outcome` both keep. */
  | 'both'
  /** Steps before which every step was judged good: the state is sound, whatever the step itself did. */
  | 'prefix';
export const FILTERS: readonly FilterName[] = ['none', 'process', 'outcome', 'both', 'prefix'];

/** What a cycle learns from at the steps it takes up: `learning.mode`. */
export type TrainMode =
  /** New actions of the head version at the logged states, judged but not run: SWiRL's step-wise reinforcement. */
  | 'resample'
  /** The logged actions themselves, their age corrected by the importance ratio. */
  | 'logged'
  /** The logged actions that were judged good, imitated with cross entropy. */
  | 'sft';
export const TRAIN_MODES: readonly TrainMode[] = ['resample', 'logged', 'sft'];

/**
 * How far a cycle has come, in this order. A stage is written when it is over with its counts, but `train` and
 * `evaluate`, which take long: they are written when they begin. `src/learner/cycle.ts` writes them all.
 */
export const CYCLE_STAGES = [
  /** The first stage of every cycle. With tasks they have been answered by the base version, as new logged steps. */
  'generate',
  /** Every consented step of the log has a verdict, or the record of its absence, from every judge. */
  'judge',
  /** The filter has chosen steps, and the cycle has claimed them. */
  'filter',
  /** Mode `resample` only: actions were drawn at each claimed state. */
  'resample',
  /** Mode `resample` only: those actions were judged. */
  'judge_samples',
  /** The batch is a row, or nothing was left to make one of. */
  'batch',
  /** The trainer has the batch, or is about to be sent it. */
  'train',
  /** The new version and the serving one answer held-out tasks. A finished cycle stays here without a decision. */
  'evaluate',
  /** Only on a finished cycle: the gate refused. */
  'gate',
  /** Only on a finished cycle: the gate passed, and the promotion is a row. */
  'promote',
] as const;
export type CycleStage = (typeof CYCLE_STAGES)[number];

/** `src/learner/cycle.ts` moves it. */
export type CycleState =
  /** Being worked on, or left behind by a process that ended: the next cycle continues it. */
  | 'running'
  /** A version was trained. Whether it serves now, the note says. */
  | 'done'
  /** A stage threw; the note says why. Steps that are in no batch are free for another cycle. */
  | 'failed'
  /** Nothing was trained and nothing is wrong: no example was left, or there is no trainer. */
  | 'skipped';

/** A cycle's state may only move along these edges; `moveCycle` of the store enforces it. */
export const CYCLE_TRANSITIONS: Readonly<Record<CycleState, readonly CycleState[]>> = {
  running: ['running', 'done', 'failed', 'skipped'],
  done: [],
  failed: ['running'],
  skipped: [],
};

/** How far a batch has come on our side; `src/learner/` moves it. */
export type BatchState =
  /** A row, not yet sent: it may still be dropped with its cycle. */
  | 'assembled'
  /** The trainer was sent it, or is about to be; what became of it, the trainer says under the batch's id. */
  | 'sent'
  /** The trainer made the target version of it, and the version is a row. */
  | 'applied'
  /** It trained nothing and never will: the update failed, or the cycle ended before the batch was sent. */
  | 'failed';

/** A batch's state may only move along these edges; `moveBatch` of the store enforces it. */
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
  /** What each stage counted, by name; and `mean_reward` of the samples, which is no count but belongs with them. */
  readonly counts: Readonly<Record<string, number>>;
  /** Why it ended as it did; empty while it runs. */
  readonly note: string;
  readonly startedAt: number;
  readonly updatedAt: number;
}

/** A step, and the steps that have its state again: they are used up with it. */
export interface Claim {
  readonly stepId: string;
  readonly same: readonly string[];
}

/** A state that a cycle took up. */
export interface ClaimedState {
  readonly stepId: string;
  readonly trajectoryId: string;
  /** Row of the state's last message. */
  readonly stateAt: number;
}

/** What is new in the learning clock's rows. */
export interface LearningNews {
  /** The newest trained version. */
  readonly head: number;
  readonly newest: Cycle | undefined;
  /** How many cycles are in each state. */
  readonly cycles: Readonly<Record<CycleState, number>>;
  /** Newest first. */
  readonly decisions: readonly Decision[];
  /** That of the newest trained version; undefined before the first. */
  readonly update: Update | undefined;
  /** The canary that goes on. */
  readonly canary: CanaryStatus | undefined;
  /** How the judges that reward do on what serves and on the head. */
  readonly drifts: readonly Drift[];
  /** Judges that failed at something and will ask about it again. */
  readonly waiting: readonly WaitingJudge[];
}

export interface WaitingJudge {
  readonly judge: string;
  readonly subjects: number;
  /** Why the newest of them waits. */
  readonly reason: string;
}
