/** What learning waits for, with counts per reason: the answer to "why is nothing training?". */
import type { Config } from '../core/config.js';
import type { Cycle, FilterName, TrainMode } from '../core/learning/cycle.js';
import { cyclesOf, runningCycle } from '../store/learning/cycles.js';
import type { Db } from '../store/file/db.js';
import { allVersions } from '../store/learning/versions.js';
import { headVersion, servingVersion } from '../store/learning/decisions.js';
import { tasksOf } from '../store/learning/tasks.js';
import { select } from './states.js';

export interface LearningStatus {
  readonly serving: number;
  readonly head: number;
  readonly versions: number;
  readonly learn: boolean;
  /** One sentence. */
  readonly waiting_for: string;
  readonly new_states: number;
  readonly needed_states: number;
  readonly dropped: Readonly<Record<string, number>>;
  readonly heldout_tasks: number;
  readonly running: Cycle | null;
  readonly last: Cycle | null;
}

export function learningStatus(
  db: Db,
  config: Config,
  part: { readonly trainer: boolean; readonly learn: boolean },
): LearningStatus {
  const { kept, dropped } = select(
    { db },
    config['learning.filter'] as FilterName,
    config['learning.mode'] as TrainMode,
  );
  const running = runningCycle(db) ?? null;
  const heldout = tasksOf(db, 'heldout').length;
  const needed = config['learning.min_steps'];
  return {
    serving: servingVersion(db),
    head: headVersion(db),
    versions: allVersions(db).length,
    learn: part.learn,
    waiting_for: waiting(part, running, kept.length, needed, heldout),
    new_states: kept.length,
    needed_states: needed,
    dropped,
    heldout_tasks: heldout,
    running,
    last: cyclesOf(db, 5).find((cycle) => cycle.state !== 'running') ?? null,
  };
}

function waiting(
  part: { trainer: boolean; learn: boolean },
  running: Cycle | null,
  have: number,
  needed: number,
  heldout: number,
): string {
  if (running !== null) return `cycle ${running.id} is at stage "${running.stage}"`;
  if (!part.trainer) return 'a trainer: none is running, and an engine given by address has none of its own';
  if (!part.learn) return 'being asked: learning is off (start with --learn on, or run "gyre learn")';
  if (have < needed)
    return `${needed - have} more new steps that pass the filter (${have} of ${needed}; see "dropped" for the others)`;
  return heldout === 0
    ? 'its turn; note that without held-out tasks nothing can be promoted'
    : 'its turn: the next cycle is about to start';
}
