/**
 * Versions, decisions, cycles and evaluations as routes and `--json` tell them: the API's spelling, its times, and null
 * where there is nothing.
 */
import type { StandingView } from '../judging/views.js';
import { seconds } from '../seconds.js';
import type { EvaluationReport, EvaluationSetting, Mean } from './evaluation.js';
import type { Cycle, CycleStage, CycleState, FilterName, TrainMode } from './cycle.js';
import type { CanaryStatus } from '../judging/live.js';
import {
  adapterName,
  type Decision,
  type DecisionKind,
  type Evaluation,
  type Version,
  type VersionKind,
} from './version.js';

export interface VersionView {
  readonly version: number;
  readonly kind: VersionKind;
  /** What it was trained on, or served instead of. */
  readonly parent: number | null;
  readonly batch_id: string | null;
  /** Of a rollback or a restart: the version whose weights these are. */
  readonly copy_of: number | null;
  /** What the trainer measured. */
  readonly metrics: Readonly<Record<string, unknown>>;
  readonly created_at: number;
}

export interface DecisionView {
  readonly id: string;
  readonly kind: DecisionKind;
  readonly version: number;
  /** The version it was compared with. */
  readonly against: number | null;
  readonly passed: boolean;
  readonly reason: string;
  /** What it was decided by. */
  readonly numbers: Readonly<Record<string, unknown>>;
  readonly created_at: number;
}

/** A version in the list of them. */
export interface ListedVersion extends VersionView {
  /** The engine's name of its weights. */
  readonly name: string;
  readonly serving: boolean;
  readonly head: boolean;
  /** When its weights were removed, so that it can neither be asked nor gone back to; null while they are there. */
  readonly weights_removed_at: number | null;
  /** Newest first. */
  readonly decisions: readonly DecisionView[];
}

export interface CycleView {
  readonly id: string;
  readonly state: CycleState;
  readonly stage: CycleStage;
  readonly mode: TrainMode;
  readonly filter: FilterName;
  /** Head when the cycle began: the version samples are drawn from. */
  readonly base_version: number;
  readonly counts: Readonly<Record<string, number>>;
  readonly note: string;
  readonly started_at: number;
  readonly updated_at: number;
}

/** What a version did on a set of tasks, asked in one way. */
export interface EvaluationReportView {
  readonly id: string;
  readonly version: number;
  readonly task_set: string;
  readonly setting: EvaluationSetting;
  readonly tasks: number;
  readonly unanswered: number;
  readonly right: Mean;
  readonly pass_at: readonly ({ readonly k: number } & Mean)[];
  readonly exact_match: Mean | null;
  readonly f1: Mean | null;
  readonly good_steps: Mean;
  readonly good_trajectories: Mean;
  /** By judges of steps that are no rules. */
  readonly process_labels: Readonly<Record<string, Mean>>;
  readonly tool_call_rate: Mean;
  readonly parse_failures: Mean;
  readonly steps_a_trajectory: Mean;
  readonly tokens_a_step: Mean;
  readonly tokens_a_trajectory: Mean;
  readonly created_at: number;
}

export interface EvaluationView {
  readonly id: string;
  readonly version: number;
  readonly task_set: string;
  readonly results: readonly { readonly task_id: string; readonly trajectory_id: string; readonly score: number }[];
  readonly created_at: number;
}

/** What learning waits for, and what it has. */
export interface LearningStatus {
  readonly serving: number;
  readonly head: number;
  readonly versions: number;
  readonly learn: boolean;
  /** One sentence. */
  readonly waiting_for: string;
  readonly new_states: number;
  readonly needed_states: number;
  /** Steps that are not taken up, by reason. */
  readonly dropped: Readonly<Record<string, number>>;
  /** Null for a key that is no admin's. */
  readonly heldout_tasks: number | null;
  /** Subjects of which a judge has spoken that nobody has declared: it decides nothing. Null as above. */
  readonly unknown_judge: number | null;
  readonly running: CycleView | null;
  readonly last: CycleView | null;
  /** Null where there is none, and for a key that is no admin's. */
  readonly canary: CanaryView | null;
  /** Keys that ask far more than they use to. Null for a key that is no admin's. */
  readonly bursts: readonly Burst[] | null;
  /** Each judge: whether it may reward, and why. Null as above. */
  readonly judges: readonly StandingView[] | null;
  /** Judges that no longer say what outcomes and people say: nothing is promoted. Null as above. */
  readonly drift: readonly string[] | null;
}

/** A version that answers a share of the conversations, until it is known whether it may answer all. */
export interface CanaryView {
  readonly id: string;
  readonly version: number;
  /** The version that answers the rest. */
  readonly against: number;
  readonly share: number;
  /** Whether the gate has passed it: then it is enough that it is not worse. */
  readonly gate_passed: boolean;
  /** Conversations that were read of each. */
  readonly conversations: { readonly candidate: number; readonly serving: number };
  readonly started_at: number;
}

/** A key that was given far more answers of late than in its past. */
export interface Burst {
  readonly key_id: string;
  readonly name: string;
  /** Answers within the last `minutes`. */
  readonly answers: number;
  readonly minutes: number;
  /** What it was given in as much time, on average of when it asked at all within a week; 0 where it never did. */
  readonly usual: number;
}

export function versionView(version: Version): VersionView {
  return {
    version: version.version,
    kind: version.kind,
    parent: version.parent ?? null,
    batch_id: version.batchId ?? null,
    copy_of: version.copyOf ?? null,
    metrics: version.metrics,
    created_at: seconds(version.createdAt),
  };
}

/** `serving` and `head` are the numbers of those two; `decisions` those about this version. */
export function listedVersion(
  version: Version,
  serving: number,
  head: number,
  decisions: readonly Decision[],
  weightsRemovedAt?: number,
): ListedVersion {
  return {
    ...versionView(version),
    name: adapterName(version.version),
    serving: version.version === serving,
    head: version.version === head,
    weights_removed_at: weightsRemovedAt === undefined ? null : seconds(weightsRemovedAt),
    decisions: decisions.map(decisionView),
  };
}

export function decisionView(decision: Decision): DecisionView {
  return {
    id: decision.id,
    kind: decision.kind,
    version: decision.version,
    against: decision.against ?? null,
    passed: decision.passed,
    reason: decision.reason,
    numbers: decision.numbers,
    created_at: seconds(decision.createdAt),
  };
}

export function cycleView(cycle: Cycle): CycleView {
  return {
    id: cycle.id,
    state: cycle.state,
    stage: cycle.stage,
    mode: cycle.mode,
    filter: cycle.filter,
    base_version: cycle.baseVersion,
    counts: cycle.counts,
    note: cycle.note,
    started_at: seconds(cycle.startedAt),
    updated_at: seconds(cycle.updatedAt),
  };
}

export function canaryView(canary: CanaryStatus): CanaryView {
  return {
    id: canary.id,
    version: canary.version,
    against: canary.against,
    share: canary.share,
    gate_passed: canary.gateId !== undefined,
    conversations: canary.read,
    started_at: seconds(canary.startedAt),
  };
}

export function evaluationView(evaluation: Evaluation): EvaluationView {
  return {
    id: evaluation.id,
    version: evaluation.version,
    task_set: evaluation.taskSet,
    results: evaluation.results.map((result) => ({
      task_id: result.taskId,
      trajectory_id: result.trajectoryId,
      score: result.score,
    })),
    created_at: seconds(evaluation.createdAt),
  };
}

export function reportView({
  id,
  version,
  taskSet,
  setting,
  numbers,
  createdAt,
}: EvaluationReport): EvaluationReportView {
  return {
    id,
    version,
    task_set: taskSet,
    setting,
    tasks: numbers.tasks,
    unanswered: numbers.unanswered,
    right: numbers.right,
    pass_at: numbers.passAt,
    exact_match: numbers.exactMatch ?? null,
    f1: numbers.f1 ?? null,
    good_steps: numbers.goodSteps,
    good_trajectories: numbers.goodTrajectories,
    process_labels: numbers.processLabels,
    tool_call_rate: numbers.toolCallRate,
    parse_failures: numbers.parseFailures,
    steps_a_trajectory: numbers.stepsATrajectory,
    tokens_a_step: numbers.tokensAStep,
    tokens_a_trajectory: numbers.tokensATrajectory,
    created_at: seconds(createdAt),
  };
}
