/** Logged steps that may become states of a batch, the states themselves, and how many of them there are. */
import type { FilterName, TrainMode } from './cycle.js';

/** One logged step with everything a rule looks at. Verdicts are undefined where no judge has given one. */
export interface Candidate {
  /** Absent where an upstream sampled. */
  readonly policyVersion?: number | undefined;
  /** Whether an upstream sampled it as a teacher, on a task: its states may be drawn at, its actions are nobody's. */
  readonly taught?: boolean | undefined;
  /** Whether its response was deleted by itself: what it said stays in what was said after it. */
  readonly withdrawn: boolean;
  readonly consent: boolean;
  readonly heldout: boolean;
  readonly evaluated: boolean;
  readonly finished: boolean;
  readonly hasState: boolean;
  readonly notTrainable?: string | undefined;
  readonly good?: boolean | undefined;
  /** Whether every step that its state was made by was judged good; undefined when one has no verdict. */
  readonly earlierGood?: boolean | undefined;
  /** Whether every step of the trajectory was judged good. */
  readonly allGood?: boolean | undefined;
  /** The verdict on the answer that it is a part of. */
  readonly outcomeGood?: boolean | undefined;
  /** Whether a judge that knows right from wrong has decided about it. */
  readonly told: boolean;
}

/** By what candidates are kept. Two rules of one name give the same reasons. */
export interface CandidateRule {
  readonly name: string;
  readonly mode: TrainMode;
  readonly filter: FilterName;
  /** Why it is dropped; empty where it is kept. */
  readonly reasonOf: (candidate: Candidate) => string;
}

/** What became of drawing at the state of a step. */
export interface Visited {
  readonly stepId: string;
  /** The version that was drawn from. */
  readonly version: number;
  /** How many of the drawn actions were good, of 1; absent while nobody knows. */
  readonly rate?: number | undefined;
  /** Why the engine did not take the state; the second time it is set aside. */
  readonly refused?: string | undefined;
}

/** A state that a cycle may take up. */
export interface OpenState {
  /** The first step that has it. */
  readonly stepId: string;
  readonly trajectoryId: string;
  /** Whose share of a batch it counts towards; undefined for the operator's own. */
  readonly giver: string | undefined;
  /** How often it was visited. */
  readonly visits: number;
  /** How many of the actions that were drawn there last were good, of 1. */
  readonly lastRate: number | undefined;
  /** Whether a judge that knows right from wrong has decided about a step that has it. */
  readonly told: boolean;
  /** What was decided about the action that was taken there. */
  readonly good: boolean | undefined;
  /** How many further steps have it. */
  readonly again: number;
}

/** The open states of one giver, or of the operator. */
export interface Giver {
  readonly giver: string | undefined;
  readonly states: number;
}

/** What is counted of a policy's candidates and states. */
export interface StateTally {
  /** Whose candidates; undefined for those of everyone. */
  readonly keyId?: string | undefined;
  /** States that a cycle may take up, and how many of them a judge that knows right from wrong has told of. */
  readonly open: number;
  readonly told: number;
  readonly givers: readonly Giver[];
  /** Steps by why they are left out, and of states that wait for another version or were set aside. */
  readonly dropped: Readonly<Record<string, number>>;
  /** Where not everything is counted yet: trajectories that are, of how many. */
  readonly counting?: { readonly done: number; readonly total: number } | undefined;
}
