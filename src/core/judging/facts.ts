/** What the rows say of judges, beside their calibrations. */

/** A step of which a person has said whether it is good. */
export interface GoldStep {
  readonly stepId: string;
  readonly good: boolean;
  /** The family of its task, else the tool it called first, else `answer`. */
  readonly cluster: string;
  /** Which model took it: `gyre`, or an upstream's by name. */
  readonly by: string;
}

/** What a judge has said and not said, and what that took. */
export interface JudgeCounts {
  readonly judge: string;
  readonly good: number;
  readonly bad: number;
  readonly abstained: number;
  /** Subjects that it failed at and will be asked about again. */
  readonly waiting: number;
  /** Why, of the newest of these. */
  readonly reason?: string | undefined;
  readonly promptTokens: number;
  readonly completionTokens: number;
  readonly ms: number;
  /** Undefined where no price is known. */
  readonly money?: number | undefined;
  /** Tokens since midnight, UTC. */
  readonly today: number;
}

/** The newest words about one step, by judge. */
export interface Words {
  readonly id: string;
  readonly said: Readonly<Record<string, boolean>>;
}

export interface JudgeFacts {
  readonly counts: readonly JudgeCounts[];
  /** Of the steps of which judges have spoken last. */
  readonly newest: readonly Words[];
  /** Of the steps of which people have spoken last. */
  readonly labelled: readonly Words[];
}
