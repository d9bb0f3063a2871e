/** The numbers of a gate's decision as its row keeps them: enough to come to it again, which `recompute` does. */
import type { Kept } from './families.js';
import type { Proportion } from '../core/judging/proportion.js';
import type { PairedDifference } from './interval.js';
import type { Ending } from './look.js';
import type { GatePlan } from './plan.js';

/** 1 where a version was right, 0 where it was wrong, null where it did not answer: task, candidate, serving. */
export type Answered = readonly [taskId: string, candidate: 0 | 1 | null, serving: 0 | 1 | null];

export interface FamilyNumbers extends Kept {
  readonly name: string;
  readonly margin: number;
  readonly outcomes: readonly Answered[];
}

/** How often a judge errs as it compares, as a row has it; rows of before it was said how it compares are by words. */
export type ErrorNumbers =
  | {
      readonly by: 'words';
      readonly false_accept: number;
      readonly false_reject: number;
      readonly gold_items: number;
    }
  | { readonly by: 'pairs'; readonly right: number; readonly wrong: number; readonly gold_pairs: number };

/** Of a comparison by a judge: how often it errs, and what is gained truly where so much is seen. */
export type LiveNumbers = ErrorNumbers & {
  readonly margin: number;
  /** The part of a true gain that such a judge sees. */
  readonly seen: number;
  readonly gain: PairedDifference;
  /** Of whose answers the judge could not tell anything, so that these are ties. */
  readonly untold: { readonly candidate: readonly string[]; readonly serving: readonly string[] };
};

/** A decision row's numbers. A type, since a row takes any record. */
export type GateNumbers = {
  readonly test: GatePlan['test'];
  readonly candidate_number: number;
  readonly alpha_total: number;
  readonly alpha: number;
  readonly step: number;
  readonly max_tasks: number;
  readonly futility: { readonly after: number; readonly z: number } | null;
  readonly asked: Readonly<Record<string, unknown>>;
  readonly outcomes: readonly Answered[];
  /** Of each look: tasks, wins, losses, and what they showed in nats. */
  readonly looks: readonly (readonly [number, number, number, number])[];
  readonly tasks: number;
  readonly wins: number;
  readonly losses: number;
  readonly strength: number;
  readonly threshold: number;
  readonly coverage: { readonly candidate: number; readonly serving: number };
  readonly candidate: Proportion;
  readonly serving: Proportion;
  readonly difference: PairedDifference;
  readonly families: readonly FamilyNumbers[];
  /** Absent where references decide. */
  readonly live?: LiveNumbers;
  readonly alarms: readonly string[];
  readonly stopped: Ending | 'alarm' | 'family';
};
