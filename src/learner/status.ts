/** What learning waits for, with counts per reason: the answer to "why is nothing training?". */
import type { Config } from '../core/config.js';
import type { Cycle, FilterName, TrainMode } from '../core/learning/cycle.js';
import { cycleView, type LearningStatus } from '../core/learning/views.js';
import { cyclesOf, runningCycle } from '../store/learning/cycles.js';
import type { Db } from '../store/file/db.js';
import { allVersions } from '../store/learning/versions.js';
import { headVersion, servingVersion } from '../store/learning/decisions.js';
import { tasksOf } from '../store/learning/tasks.js';
import { select } from './states.js';

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
  const running = runningCycle(db);
  const last = cyclesOf(db, 5).find((cycle) => cycle.state !== 'running');
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
    running: running === undefined ? null : cycleView(running),
    last: last === undefined ? null : cycleView(last),
  };
}

function waiting(
  part: { trainer: boolean; learn: boolean },
  running: Cycle | undefined,
  have: number,
  needed: number,
  heldout: number,
): string {
  if (running !== undefined) return `cycle ${running.id} is at stage "${running.stage}"`;
  if (!part.trainer) return 'a trainer: none is running, and an engine given by address has none of its own';
  if (!part.learn) return 'being asked: learning is off (start with --learn on, or run "gyre learn")';
  if (have < needed)
    return `${needed - have} more new steps that pass the filter (${have} of ${needed}; see "dropped" for the others)`;
  return heldout === 0
    ? 'its turn; note that without held-out tasks nothing can be promoted'
    : 'its turn: the next cycle is about to start';
}
