/**
 * What the learning clock needs of a store, noun by noun. A store is of one policy: no verb takes its name, and no row
 * that a verb gives is another policy's. Each verb is one transaction at most, so that whoever stops between two
 * of them has the rows as the first left them; what must not be seen half done is one verb.
 *
 * Types only. `src/store/clock/` implements them over SQLite, and `tests/store/ports/` runs one suite over every
 * implementation there is.
 */
import type { Batch, BatchItem, BatchRow } from './learning/batch.js';
import type { BatchState, Claim, ClaimedState, Cycle, TrainMode } from './learning/cycle.js';
import type { Group, NewGroup, OpenGroup, SettledGroup } from './learning/group.js';
import type { Judge, SubjectKind, Unjudged, Verdict } from './learning/judging.js';
import type { Sample } from './learning/sample.js';
import type { AskedState, LoggedState, StateWords } from './learning/state.js';
import type { Split, Task } from './learning/task.js';
import type { Decision, Evaluation, NewDecision, RemovedWeights, Version } from './learning/version.js';

export interface LearningStore {
  /** Whose rows these are. */
  readonly policy: string;
  readonly steps: StepRows;
  readonly tasks: TaskRows;
  readonly verdicts: VerdictRows;
  readonly cycles: CycleRows;
  readonly samples: SampleRows;
  readonly batches: BatchRows;
  readonly versions: VersionRows;
  readonly decisions: DecisionRows;
  readonly evaluations: EvaluationRows;
  readonly givers: GiverRows;
}

/** Logged steps as what is learned from. Of a step that is gone nothing is given. */
export interface StepRows {
  states(ids: readonly string[]): Promise<ReadonlyMap<string, LoggedState>>;
  /** The states with what tells which reference they may be compared with. */
  asked(ids: readonly string[]): Promise<ReadonlyMap<string, AskedState>>;
  /** What was said in the states, and which tools there were. */
  words(ids: readonly string[]): Promise<ReadonlyMap<string, StateWords>>;
  /** Those that may be learned from, as consent stands now with every step of their states. */
  consented(ids: readonly string[]): Promise<ReadonlySet<string>>;
  /** Those that ask a held-out question anywhere in their states. */
  heldOut(ids: readonly string[]): Promise<ReadonlySet<string>>;
}

export interface TaskRows {
  /** A task of a known id replaces it. */
  save(tasks: readonly Task[]): Promise<void>;
  /** In the order of their ids. */
  of(split: Split): Promise<readonly Task[]>;
  count(split: Split): Promise<number>;
}

export interface VerdictRows {
  /** Steps that may be learned from and that this judge, in this version, has not looked at; oldest first. */
  unjudged(judge: Pick<Judge, 'name' | 'version'>, limit: number): Promise<readonly Unjudged[]>;
  /** One that is there already stays as it is; of a subject that is gone none is kept. */
  save(verdicts: readonly Verdict[]): Promise<void>;
  /** By subject; a subject without one has no entry. */
  of(kind: SubjectKind, ids: readonly string[]): Promise<ReadonlyMap<string, readonly Verdict[]>>;
}

export interface CycleRows {
  /** The one that a process left behind, or is at. */
  running(): Promise<Cycle | undefined>;
  begin(cycle: Pick<Cycle, 'mode' | 'filter'>): Promise<Cycle>;
  /** Newest first. */
  newest(limit: number): Promise<readonly Cycle[]>;
  /** Counts are added to those that are there. Throws where `CYCLE_TRANSITIONS` does not allow the state. */
  move(id: string, change: Partial<Pick<Cycle, 'state' | 'stage' | 'counts' | 'note'>>): Promise<Cycle>;
  /** Claims at most once over all cycles of a mode; leaves out what is claimed or gone. Returns what it claimed. */
  claim(id: string, mode: TrainMode, claims: readonly Claim[]): Promise<readonly string[]>;
  claimed(id: string): Promise<readonly ClaimedState[]>;
  /** What the cycle claimed and is in no batch is free again; its batch that was never sent has failed. */
  release(id: string): Promise<void>;
}

export interface SampleRows {
  of(cycleId: string): Promise<readonly Sample[]>;
  /** The group of one state in one cycle, whole and once. False, and nothing, where the step is gone. */
  save(group: NewGroup): Promise<boolean>;
  /** States that a cycle has drawn at, or tried to. */
  groups(cycleId: string): Promise<readonly Group[]>;
  /**
   * Groups that no batch has taken: of this cycle those that were drawn, of earlier ones those that are informative.
   * Oldest first.
   */
  open(cycleId: string): Promise<readonly OpenGroup[]>;
  /** Of groups that a batch has taken nothing changes. */
  settle(settled: readonly SettledGroup[]): Promise<void>;
}

export interface BatchRows {
  ofCycle(cycleId: string): Promise<BatchRow | undefined>;
  /** As it is now: a deletion may have emptied it. */
  byId(id: string): Promise<BatchRow | undefined>;
  /** Sent, and neither applied nor failed; oldest first. */
  open(): Promise<readonly BatchRow[]>;
  /** The steps whose states it is made of. */
  stepsOf(id: string): Promise<readonly string[]>;
  /** A number no version has, and no batch was promised. */
  nextVersion(): Promise<number>;
  /** With its items, whose groups it takes, or not at all: `stale` where a step of it is gone. */
  save(cycleId: string, batch: Batch, items: readonly BatchItem[]): Promise<'saved' | 'stale'>;
  /**
   * Throws where `BATCH_TRANSITIONS` does not allow the state. The groups of one that failed are free for another,
   * unless the trainer has `tried` it.
   */
  move(id: string, state: BatchState, note?: string, tried?: boolean): Promise<void>;
}

export interface VersionRows {
  /** Oldest first. */
  all(): Promise<readonly Version[]>;
  /** That training and sampling follow. */
  head(): Promise<number>;
  serving(): Promise<number>;
  save(version: Version): Promise<void>;
  /** By version. */
  removed(): Promise<ReadonlyMap<number, RemovedWeights>>;
}

export interface DecisionRows {
  add(decision: NewDecision): Promise<Decision>;
  /** Newest first; `version`: only those about it. */
  newest(limit: number, version?: number): Promise<readonly Decision[]>;
}

export interface EvaluationRows {
  /** The newest of a version on a set of tasks. */
  of(version: number, taskSet: string): Promise<Evaluation | undefined>;
  save(evaluation: Evaluation): Promise<void>;
}

/** Keys whose steps are learned from. */
export interface GiverRows {
  /** Whose share each of these steps counts towards; a step without an entry is the operator's own, or is gone. */
  of(stepIds: readonly string[]): Promise<ReadonlyMap<string, string>>;
  /** Keys that share batches because they were heard lately. */
  heardLately(): Promise<readonly string[]>;
}
