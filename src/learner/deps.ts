/** What the stages of a cycle work with. `src/run/learner.ts` builds it; every stage takes it as its first argument. */
import type { Config } from '../core/config.js';
import type { DeclaredJudge } from '../core/learning/deciding.js';
import { LEAST_GROUPS } from '../core/learning/group.js';
import type { CalibrationNumbers } from '../core/judging/calibration.js';
import type { Judge, Subject } from '../core/learning/judging.js';
import type { LiveJudge } from '../core/judging/live.js';
import type { LearnedJudges } from '../judge/learned/judge.js';
import type { StepLog } from '../core/log.js';
import type { Policy } from '../core/policy.js';
import type { LearningStore } from '../core/ports.js';
import type { Toolbox } from '../core/tool.js';
import type { Trainer } from '../train/client.js';

/** One line of progress: which stage, how far, in numbers a terminal or a page can draw. */
export interface Progress {
  readonly stage: string;
  readonly done: number;
  readonly total: number;
  readonly note?: string | undefined;
}

/** What the learning clock keeps to, whatever is configured. */
export interface Bounds {
  /** Informative groups that an update takes at least. */
  readonly leastGroups: number;
}

export const BOUNDS: Bounds = { leastGroups: LEAST_GROUPS };

/** A subject, and whether it is good. */
interface GoldItem {
  readonly subject: Subject;
  readonly truth: boolean;
}

export interface Learner {
  readonly rows: LearningStore;
  readonly dataDir: string;
  readonly config: Config;
  readonly log: StepLog;
  readonly policy: Policy;
  readonly toolbox: Toolbox;
  /**
   * Starts the tool servers that these tools come from, where they are not in the toolbox yet. Servers whose tools no
   * task names are never started by the learning clock.
   */
  readonly prepareTools: (names: readonly string[]) => Promise<void>;
  /** Those that can be asked. */
  readonly judges: readonly Judge[];
  /** Those that are trained here, of which `judges` has the ones that are; absent where none is configured. */
  readonly learned?: LearnedJudges | undefined;
  /** Called with how well a judge that was just trained does on gold items. */
  readonly calibrated?:
    ((judge: Judge, numbers: CalibrationNumbers, gold: readonly GoldItem[]) => Promise<void>) | undefined;
  /** Those that may decide, and who before whom: as their calibrations are now. */
  readonly declared: readonly DeclaredJudge[];
  /** Who compares answers to live conversations; absent where nobody does. */
  readonly live?: LiveJudge | undefined;
  /** Absent when there is nothing to train with: an engine given by address, or a trainer that is not up. */
  readonly trainer: Trainer | undefined;
  /** Hash of the engine's chat template, as the trainer reports it; absent until it does. */
  readonly templateHash: string | undefined;
  /** Tokens of prompt and answer together, as the trainer reports it; absent until it does. */
  readonly contextLength: number | undefined;
  readonly bounds: Bounds;
  /** The engine's model name of a version. */
  readonly engineModel: (version: number) => string;
  /** Called after a decision row was added; resolves when serving follows it. */
  readonly decided: () => Promise<void>;
  readonly progress: (progress: Progress) => void;
  readonly signal: AbortSignal;
}
