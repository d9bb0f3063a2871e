/**
 * What the learning clock needs of a store, noun by noun. A store is of one policy: no verb takes its name, and no row
 * that a verb gives is another policy's. Each verb is one transaction at most, so that whoever stops between two
 * of them has the rows as the first left them; what must not be seen half done is one verb.
 *
 * Types only. `src/store/clock/` implements them over SQLite, and `tests/store/ports/` runs one suite over every
 * implementation there is.
 */
import type { Calibration } from './judging/calibration.js';
import type { Drift, ProcessAndOutcome } from './judging/drift.js';
import type { GoldStep } from './judging/facts.js';
import type { Label, LearnedVersion, NewLearnedVersion, TrainedJudge } from './judging/learned.js';
import type { Update } from './learning/alarms.js';
import type { CandidateRule, OpenState, StateTally, Visited } from './learning/candidate.js';
import type { Batch, BatchItem, BatchRow } from './learning/batch.js';
import type { BatchState, Claim, ClaimedState, Cycle, TrainMode } from './learning/cycle.js';
import type { EvaluationReport, TaskAnswer } from './learning/evaluation.js';
import type { Demonstrated, RenderedDemonstration, Taught } from './judging/demonstrations.js';
import type { Group, NewGroup, OpenGroup, SettledGroup } from './learning/group.js';
import type {
  Judged,
  JudgeCost,
  JudgeRef,
  JudgingTurn,
  SubjectKind,
  UnjudgedSlice,
  Verdict,
} from './learning/judging.js';
import type { Sample } from './learning/sample.js';
import type { Canary, CanaryOutcome, Comparison, LiveState } from './judging/live.js';
import type { AskedState, LoggedState, StateWords } from './learning/state.js';
import type { StatusFacts } from './learning/status.js';
import type { GeneratedTrajectory, Split, Task } from './learning/task.js';
import type {
  AppliedBatch,
  CopiedWeights,
  Decision,
  Evaluation,
  MadeVersion,
  NewDecision,
  RemovedWeights,
  Version,
  WayBack,
  WaysOn,
} from './learning/version.js';

export interface LearningStore {
  /** Whose rows these are. */
  readonly policy: string;
  readonly steps: StepRows;
  readonly tasks: TaskRows;
  readonly verdicts: VerdictRows;
  readonly judges: JudgeRows;
  readonly states: StateRows;
  readonly views: StatusRows;
  readonly cycles: CycleRows;
  readonly samples: SampleRows;
  readonly demonstrations: DemonstrationRows;
  readonly batches: BatchRows;
  readonly versions: VersionRows;
  readonly decisions: DecisionRows;
  readonly evaluations: EvaluationRows;
  readonly givers: GiverRows;
  readonly live: LiveRows;
  readonly learned: LearnedRows;
  readonly lock: LearningLock;
}

/** Logged steps as what is learned from. Of a step that is gone nothing is given. */
export interface StepRows {
  states(ids: readonly string[]): Promise<ReadonlyMap<string, LoggedState>>;
  /**
   * The states, without token ids, with what tells which reference they may be compared with; `after`: and with what
   * came after them.
   */
  asked(ids: readonly string[], after?: 'after'): Promise<ReadonlyMap<string, AskedState>>;
  /** What was said in the states, and which tools there were. */
  words(ids: readonly string[]): Promise<ReadonlyMap<string, StateWords>>;
  /** Those that may be learned from, as consent stands now with every step of their states. */
  consented(ids: readonly string[]): Promise<ReadonlySet<string>>;
  /** Those that ask a held-out question anywhere in their states, or are of live conversations that are held out. */
  heldOut(ids: readonly string[]): Promise<ReadonlySet<string>>;
}

export interface TaskRows {
  /** A task of a known id replaces it. */
  save(tasks: readonly Task[]): Promise<void>;
  /** In the order of their ids. */
  of(split: Split): Promise<readonly Task[]>;
  count(split: Split): Promise<number>;
  /** Whole ones that were generated on these tasks since then, oldest first. */
  generated(taskIds: readonly string[], since: number): Promise<readonly GeneratedTrajectory[]>;
}

export interface VerdictRows {
  /**
   * The next steps, and responses, that these judges have to look at: what failed and is due again, what was late, then
   * the log in its order, of which nothing is looked at twice. Undefined where there is nothing to do.
   */
  unjudged(judges: readonly JudgeRef[], limit: number, now: number): Promise<UnjudgedSlice | undefined>;
  /**
   * What was said of them, who decides about each now, and how far judging has come. A verdict that is there already
   * stays as it is; of a subject that is gone nothing is kept.
   */
  save(judged: Judged, turn?: JudgingTurn): Promise<void>;
  /** By subject; a subject without one has no entry. */
  of(kind: SubjectKind, ids: readonly string[]): Promise<ReadonlyMap<string, readonly Verdict[]>>;
  /**
   * Writes down as verdicts what users have said of answers and what the log itself says of actions: for some rows a
   * call. Whether there are more of them.
   */
  overheard(): Promise<boolean>;
  /**
   * Decides anew about some subjects where others decide now than when it was decided. Whether there are more of them.
   */
  redecide(): Promise<boolean>;
  /** Tokens that a judge has used since then, as far as its verdicts are there, and what it failed at. */
  spent(judge: string, since: number): Promise<number>;
  /** How often a judge has taken something since then, in the same way. */
  timesSpent(judge: string, since: number): Promise<number>;
  /** Subjects of which a judge has said something that is not declared, and decides nothing. */
  unknownJudged(): Promise<number>;
}

/** How far judges can be trusted: by gold items, and by how answers come out and what people say. */
export interface JudgeRows {
  /** The newest of each version of each judge, in each way to show it the items; newest first. */
  calibrations(): Promise<readonly Calibration[]>;
  calibrated(calibration: Calibration): Promise<void>;
  /** What a judge took that made no verdict, under an id of its own. It counts for the budget of its day. */
  spend(judge: string, id: string, cost: JudgeCost): Promise<void>;
  /** Steps of which a person has said whether they are good, as their newest word has it. */
  gold(): Promise<readonly GoldStep[]>;
  /** By answer of a version: what a judge said of its steps, and whether one that `deciding` names found it right. */
  outcomes(version: number, judge: JudgeRef, deciding: readonly string[]): Promise<readonly ProcessAndOutcome[]>;
  /** By step of a version that both have judged: whether a person and the judge say the same. */
  agreed(version: number, judge: JudgeRef): Promise<readonly boolean[]>;
  /** In place of what was found of these versions before. */
  drifted(versions: readonly number[], list: readonly Drift[]): Promise<void>;
}

/** States that may be drawn from, and what of the log is none. */
export interface StateRows {
  /**
   * Counts for a short while what has changed in the log since it was counted last, by this rule. Whether there is more
   * to count.
   */
  count(rule: CandidateRule): Promise<boolean>;
  /** As far as it is counted. */
  tally(rule: CandidateRule, bounds: ReuseBounds): Promise<StateTally>;
  /** How many steps each rule drops for each reason; those that it keeps stand under an empty one. */
  reasons(rules: readonly CandidateRule[]): Promise<readonly Readonly<Record<string, number>>[]>;
  /** Of how many trajectories each rule keeps a step, as far as it is counted. */
  trajectories(rules: readonly CandidateRule[]): Promise<readonly number[]>;
  /**
   * Some of each key's, and some of each kind: never visited, of mixed rewards, and others; at most `perTrajectory` of
   * a conversation in each of these. They come in the order that `seed` names.
   */
  open(query: OpenQuery): Promise<readonly OpenState[]>;
  /**
   * Says that a cycle has drawn at states that it claimed: each counts as a visit, once for a cycle however often it is
   * said, whatever came of it. What came of it may be said later. Nothing is kept of what nobody claimed or is gone.
   */
  visited(list: readonly Visited[]): Promise<void>;
}

/** Which visited states may be visited again: those that were less often, and last by another version than this. */
export interface ReuseBounds {
  readonly head: number;
  readonly reuse: number;
}

/** What `status` tells of, for everyone or as one key may see it. */
export interface StatusRows {
  status(asked: StatusQuery): Promise<StatusFacts>;
}

export interface StatusQuery {
  /** The rule where this is the head. */
  readonly ruleAt: (head: number) => CandidateRule;
  /** Which visited states may be visited again then. */
  readonly boundsAt: (head: number) => ReuseBounds;
  readonly keyId?: string | undefined;
}

export interface OpenQuery extends ReuseBounds {
  readonly mode: TrainMode;
  readonly limit: number;
  readonly perTrajectory: number;
  readonly seed: string;
}

export interface CycleRows {
  /** The one that a process left behind, or is at. */
  running(): Promise<Cycle | undefined>;
  begin(cycle: Pick<Cycle, 'mode' | 'filter'>): Promise<Cycle>;
  /** Newest first. */
  newest(limit: number): Promise<readonly Cycle[]>;
  /** Counts are added to those that are there. Throws where `CYCLE_TRANSITIONS` does not allow the state. */
  move(id: string, change: Partial<Pick<Cycle, 'state' | 'stage' | 'counts' | 'note'>>): Promise<Cycle>;
  /**
   * Claims at most once over all cycles of a mode for each visit; leaves out what is claimed or gone. A cycle that
   * holds claims claims nothing more. Returns the steps whose states it holds.
   */
  claim(id: string, mode: TrainMode, claims: readonly Claim[]): Promise<readonly string[]>;
  claimed(id: string): Promise<readonly ClaimedState[]>;
  /**
   * What the cycle claimed, has not visited, and is in no batch is free again; its batch that was never sent has
   * failed. `failed`: what it visited taught nothing, and may be visited again by the same version.
   */
  release(id: string, failed?: boolean): Promise<void>;
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

/** What people have shown would have been right: everyone's, and taken once by each policy. */
export interface DemonstrationRows {
  /** Those that stand and were not rendered by this template, in the order of their ids, behind one of them. */
  unrendered(template: string, after: string, limit: number): Promise<readonly Demonstrated[]>;
  save(rendered: RenderedDemonstration): Promise<void>;
  /** Those that stand, are rendered by this template, and are in no batch. */
  open(template: string, limit: number): Promise<readonly Taught[]>;
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
   * unless the trainer has `tried` it; logged actions that it tried are used up.
   */
  move(id: string, state: BatchState, note?: string, tried?: boolean): Promise<void>;
  /** What the trainer made of it: the version, that it is applied, its parity, the head. Again, it is what is there. */
  applied(id: string, made: MadeVersion): Promise<AppliedBatch>;
}

export interface VersionRows {
  /** Oldest first. */
  all(): Promise<readonly Version[]>;
  /** That training and sampling follow. */
  head(): Promise<number>;
  serving(): Promise<number>;
  /** Updates of the head since the gate decided about one of its versions, or anything but training moved it. */
  ungated(): Promise<number>;
  save(version: Version): Promise<void>;
  /** Throws 409 where there is nothing to go back to. */
  wayBack(): Promise<WayBack>;
  /** From what a policy whose head is lost can start again. */
  waysOn(): Promise<WaysOn>;
  /** What follows from copied weights. Throws 409 where the number is taken by now, or another version serves. */
  copied(copy: CopiedWeights, reason: string): Promise<Version>;
  /** The updates that made a version out of what serves, or out of the base; newest first. */
  updates(version: number): Promise<readonly Update[]>;
  /** By version. */
  removed(): Promise<ReadonlyMap<number, RemovedWeights>>;
}

export interface DecisionRows {
  /** Throws 409 where the head is to be set back and is by now another than what was to be left. */
  add(decision: NewDecision): Promise<Decision>;
  /** Newest first; `version`: only those about it. */
  newest(limit: number, version?: number): Promise<readonly Decision[]>;
  /** Newest first, those after the last promotion. */
  sincePromotion(): Promise<readonly Decision[]>;
  /**
   * The gate's, which used these tasks; and the promotion, where it passed and what it was compared with serves, unless
   * a canary is to follow.
   */
  gate(
    decision: NewDecision,
    tasks: readonly string[],
    canary?: boolean,
  ): Promise<{ readonly gate: Decision; readonly promoted: boolean }>;
  /** By hand. Throws 404 without the version, 409 where no pass against what serves now is on record. */
  promote(version: number): Promise<Decision>;
}

export interface EvaluationRows {
  /** By the task's id: answers to what these tasks say now, as one of the judges in its present version has them. */
  answers(
    version: number,
    tasks: readonly Task[],
    judges: readonly JudgeRef[],
  ): Promise<ReadonlyMap<string, TaskAnswer>>;
  /** In place of what the version answered before; of a trajectory that is gone meanwhile none is kept. */
  save(answers: readonly TaskAnswer[]): Promise<void>;
  /** Versions above the one that was promoted last which were asked anything in a test of their own. */
  tested(): Promise<readonly number[]>;
  /** By the task's id: when a decision of the gate last used it. */
  uses(): Promise<ReadonlyMap<string, number>>;
  /** The newest of a version on a whole set of tasks. */
  of(version: number, taskSet: string): Promise<Evaluation | undefined>;
  /** Puts a whole one on record. */
  close(evaluation: Evaluation): Promise<void>;
  /** Puts what was measured for a report on record. */
  report(report: EvaluationReport): Promise<void>;
  /** Newest first; `version`: only those of it. */
  reports(limit: number, version?: number): Promise<readonly EvaluationReport[]>;
}

/** Live conversations without an answer: what a judge compares, and the canary. */
export interface LiveRows {
  /**
   * One state of each consented conversation that no decision has used: of those that are held out, and of a share of
   * the others that nothing was learned from. In the order of their lots.
   */
  states(shadowed: number): Promise<readonly LiveState[]>;
  /** What a judge has said of these two, by step. */
  compared(
    versions: Pick<Comparison, 'candidate' | 'serving'>,
    judge: JudgeRef,
  ): Promise<ReadonlyMap<string, Comparison>>;
  /** Of a conversation that is gone meanwhile nothing is kept. */
  save(comparisons: readonly Comparison[]): Promise<void>;
  /** The one that goes on. */
  canary(): Promise<Canary | undefined>;
  /** Undefined where one goes on, or another version serves than it is to be compared with. */
  begin(canary: Omit<Canary, 'id' | 'startedAt'>): Promise<Canary | undefined>;
  /** Reads how conversations went that have had until then, each once. Whether there is more to read. */
  read(canary: Canary, settledBy: number): Promise<boolean>;
  /** In the order in which they were read. */
  outcomes(canary: Canary): Promise<readonly CanaryOutcome[]>;
  /** With what was decided, and the promotion that follows; or without. Undefined where it has ended. */
  end(
    canary: Canary,
    decision: NewDecision | undefined,
  ): Promise<{ readonly decision: Decision | undefined; readonly promoted: boolean } | undefined>;
}

/** Keys whose steps are learned from. */
export interface GiverRows {
  /** Whose share each of these steps counts towards; a step without an entry is the operator's own, or is gone. */
  of(stepIds: readonly string[]): Promise<ReadonlyMap<string, string>>;
  /** Keys that share batches because they were heard lately. */
  heardLately(): Promise<readonly string[]>;
}

/** Judges that are trained here. They are everyone's: no policy stands in their rows. */
export interface LearnedRows {
  /** As those who label have it now: of one step the word of the first who could tell; the newest, at most so many. */
  labels(by: readonly string[], limit: number): Promise<readonly Label[]>;
  /** Newest first. */
  versions(judge: string): Promise<readonly LearnedVersion[]>;
  /** Of every judge those whose adapters are needed. */
  needed(): Promise<readonly Pick<LearnedVersion, 'judge' | 'version' | 'state'>[]>;
  /** Under the next number of its judge. */
  begin(version: NewLearnedVersion): Promise<LearnedVersion>;
  /** It is asked from now on, and the one before it no more. */
  trained(judge: string, version: number, made: TrainedJudge): Promise<void>;
  /** It speaks of less from now on. */
  narrowed(
    judge: string,
    version: number,
    made: Required<Pick<LearnedVersion, 'known' | 'judgeVersion'>>,
  ): Promise<void>;
  ended(judge: string, version: number, state: 'failed' | 'lost', note: string): Promise<void>;
  calibrated(judge: string, version: number, note: string): Promise<void>;
}

/** What one process at a time may do of the policy, whoever has the data folder open. */
export interface LearningLock {
  /**
   * A cycle, or steering (promotion by hand, rollback, restart), told as `what`. Throws 409 naming the holder; one that
   * has ended holds nothing. The release is idempotent.
   */
  take(name: 'cycle' | 'steering', what: string): Promise<() => Promise<void>>;
}
