/** What the learning clock works with. Built once by the composer; every stage takes it as its first argument. */
import type { Config } from '../core/config.js';
import type { Judge } from '../core/learning/judging.js';
import type { StepLog } from '../core/log.js';
import type { Policy } from '../core/policy.js';
import type { Toolbox } from '../core/tool.js';
import type { Db } from '../store/file/db.js';
import type { Trainer } from '../train/client.js';

/** One line of progress: which stage, how far, in numbers a terminal or a page can draw. */
export interface Progress {
  readonly stage: string;
  readonly done: number;
  readonly total: number;
  readonly note?: string | undefined;
}

export interface Learner {
  readonly db: Db;
  readonly dataDir: string;
  readonly config: Config;
  readonly log: StepLog;
  readonly policy: Policy;
  readonly toolbox: Toolbox;
  /**
   * Brings up what the named tools need that are not in the toolbox yet: a learning clock that calls none of a server's
   * never starts it.
   */
  readonly prepareTools: (names: readonly string[]) => Promise<void>;
  readonly judges: readonly Judge[];
  /** Absent when there is nothing to train with: a plain upstream, or a trainer that was not started. */
  readonly trainer: Trainer | undefined;
  /** Chat template hash of the engine, when the trainer told it. */
  readonly templateHash: string | undefined;
  /** The engine's model name of a version. */
  readonly engineModel: (version: number) => string;
  /** Called after a decision row was added, so that serving follows without waiting for its next look. */
  readonly decided: () => Promise<void>;
  readonly progress: (progress: Progress) => void;
  readonly signal: AbortSignal;
}
