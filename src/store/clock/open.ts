/** The learning clock's ports over SQLite, for one policy. Every verb is done when its promise is made. */
import { type DeclaredJudge, JUDGES } from '../../core/learning/deciding.js';
import type { LearningStore } from '../../core/ports.js';
import type { Db } from '../file/db.js';
import { batchRows } from './batch_rows.js';
import { cycleRows } from './cycle_rows.js';
import { stateRows } from './state_rows.js';
import { statusRows } from './status_facts.js';
import { stepRows } from './step_rows.js';
import { decisionRows, evaluationRows, versionRows } from './version_rows.js';
import { learningLock } from './lock.js';
import { learnedRows } from './learned_rows.js';
import { giverRows, sampleRows, taskRows, verdictRows } from './judged_rows.js';

/** `policy`: the name its rows carry. `judges`: who decides about what is judged. */
export function learningStore(db: Db, policy: string, judges: readonly DeclaredJudge[] = JUDGES): LearningStore {
  return {
    policy,
    steps: stepRows(db),
    tasks: taskRows(db),
    verdicts: verdictRows(db, judges),
    states: stateRows(db, policy),
    views: statusRows(db, policy),
    cycles: cycleRows(db, policy),
    samples: sampleRows(db, policy),
    batches: batchRows(db, policy),
    versions: versionRows(db, policy),
    decisions: decisionRows(db, policy),
    evaluations: evaluationRows(db, policy),
    givers: giverRows(db),
    learned: learnedRows(db),
    lock: learningLock(db, policy),
  };
}
