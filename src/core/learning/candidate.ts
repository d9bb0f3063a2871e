/** Logged steps that may become states of a batch, and how many of them there are. */

/** One logged step with everything a rule looks at. Verdicts are undefined where no judge has given one. */
export interface Candidate {
  readonly stepId: string;
  readonly trajectoryId: string;
  readonly index: number;
  /** Absent where an upstream sampled. */
  readonly policyVersion?: number | undefined;
  readonly consent: boolean;
  readonly heldout: boolean;
  readonly evaluated: boolean;
  readonly finished: boolean;
  readonly hasState: boolean;
  readonly notTrainable?: string | undefined;
  readonly good?: boolean | undefined;
  /** Whether every earlier step of the trajectory was judged good; undefined when one has no verdict. */
  readonly earlierGood?: boolean | undefined;
  /** Whether every step of the trajectory was judged good. */
  readonly allGood?: boolean | undefined;
  /** The trajectory's outcome verdict. */
  readonly outcomeGood?: boolean | undefined;
}

/** A step that passed the filter, and what decides whether a batch has room for it. */
export interface Passed extends Candidate {
  /** Whose share of a batch it counts towards; undefined for the operator's own. */
  readonly giver: string | undefined;
  /** Equal where the state is the same, word for word. */
  readonly state: string;
  readonly stateAt: number;
  readonly toolSet: string;
}

/** How many steps would be taken up, how many each reason drops, and how many versions learned from others. */
export interface StateCounts {
  readonly kept: number;
  readonly dropped: Readonly<Record<string, number>>;
  readonly versions: number;
  /** The part of a batch that one key gives at most; of the counts of all. */
  readonly part?: number | undefined;
}

/** The same steps counted, all and those of each key. */
export interface StateTally {
  readonly all: StateCounts;
  readonly byKey: ReadonlyMap<string, StateCounts>;
}
