/** The log in this very thread, as those who stand before it see it. */
import type { Opening, StepLog, Thread } from '../../core/log.js';

/** The log in this very thread. */
export interface LocalLog extends StepLog {
  open(opening: Opening): Thread;
  /** A conversation that is known to go on from nothing, under an id its caller made. */
  begin(opening: Opening, trajectoryId: string): Thread;
  /**
   * A thread that was open before, perhaps in another process: what it says again and is there already is not written
   * twice.
   */
  recall(opening: Opening, trajectoryId: string): Thread;
  /** Counts and tells a fault met on the way here. */
  fail(reason: unknown): void;
}
