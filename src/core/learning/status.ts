/** What there is to tell of learning, before it is told. */
import type { Calibration } from '../judging/calibration.js';
import type { Drift } from '../judging/drift.js';
import type { StateTally } from './candidate.js';
import type { Cycle } from './cycle.js';
import type { CanaryStatus } from '../judging/live.js';
import type { Burst } from './views.js';

/** As one key may see it where it is for one: its own steps, and of cycles only how many of these they took up. */
export interface StatusFacts {
  readonly serving: number;
  readonly head: number;
  /** Updates of the head since the gate decided about one of its versions. */
  readonly ungated: number;
  /** How many there are; for a key how many learned from its steps. */
  readonly versions: number;
  readonly tally: StateTally;
  /** Keys that share batches because they were heard lately. */
  readonly heardLately: readonly string[];
  readonly heldoutTasks: number;
  /** Steps, answers and samples of which a judge has spoken that nobody has declared. */
  readonly unknownJudged: number;
  /** Whoever's. */
  readonly running: Cycle | undefined;
  /** Newest first. */
  readonly newest: readonly Cycle[];
  readonly bursts: readonly Burst[];
  /** The one that goes on. */
  readonly canary: CanaryStatus | undefined;
  /** Newest first; none for a key. */
  readonly calibrations: readonly Calibration[];
  /** How the judges that reward do on what serves and on the head. */
  readonly drifts: readonly Drift[];
}
