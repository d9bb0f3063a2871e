/** The learning clock's ports over SQLite, for one policy. Every verb is done when its promise is made. */
import { type DeclaredJudge, JUDGES } from '../../core/learning/deciding.js';
import type { LearningStore } from '../../core/ports.js';
import type { Db } from '../file/db.js';
import { batchRows } from './batch_rows.js';
import { cycleRows } from './cycle_rows.js';
import { liveRows } from './live_rows.js';
import { stateRows } from './state_rows.js';
import { judgeRows } from './judge_rows.js';
import { statusRows } from './status_facts.js';
import { stepRows } from './step_rows.js';
import { decisionRows, evaluationRows, versionRows } from './version_rows.js';
import { learningLock } from './lock.js';
import { demonstrationRows, giverRows, sampleRows, taskRows, verdictRows } from './judged_rows.js';
import { learnedRows } from './learned_rows.js';

/** `policy`: the name its rows carry. `judges`: who decides about what is judged, now or at each use. */
export function learningStore(
  db: Db,
  policy: string,
  judges: readonly DeclaredJudge[] | (() => readonly DeclaredJudge[]) = JUDGES,
): LearningStore {
  return {
    policy,
    steps: stepRows(db),
    tasks: taskRows(db),
    verdicts: verdictRows(db, typeof judges === 'function' ? judges : () => judges),
    judges: judgeRows(db, policy),
    states: stateRows(db, policy),
    views: statusRows(db, policy),
    cycles: cycleRows(db, policy),
    samples: sampleRows(db, policy),
    demonstrations: demonstrationRows(db, policy),
    batches: batchRows(db, policy),
    versions: versionRows(db, policy),
    decisions: decisionRows(db, policy),
    evaluations: evaluationRows(db, policy),
    givers: giverRows(db),
    live: liveRows(db, policy),
    learned: learnedRows(db),
    lock: learningLock(db, policy),
  };
}
