/** The log in the thread that has the store open: what a redactor, the recovery and the log's worker use of it. */
import type { Opening, Recording, StepLog } from '../../core/log.js';
import type { Sealed } from './writer.js';

export interface LocalLog extends StepLog {
  open(opening: Opening): Recording;
  /** A recording of a conversation that can only be new: it begins a trajectory, whose id the caller made. */
  begin(opening: Opening, trajectoryId: string): Recording;
  /**
   * A recording that was open before, perhaps in another process, and is replayed: steps that have their rows already
   * are not written twice.
   */
  reopen(opening: Opening, trajectoryId: string): Recording;
  /** Nobody records in this trajectory what it was opened for. */
  abandon(trajectoryId: string): void;
  /** Before the first answer of a gateway: everything it will need is opened. */
  begins(): void;
  /** Counts and reports a fault that was met before the log was reached. */
  fail(reason: unknown): void;
  /** The newest ledger row that this log has committed. */
  readonly sealed: Sealed | undefined;
}
