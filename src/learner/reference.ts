/** Which reference a logged step may be compared with: a request only claims to be a task's. */
import type { Reference } from '../core/learning/task.js';
import type { Db } from '../store/file/db.js';
import { isAdminKey } from '../store/keys/keys.js';
import { asks, taskById } from '../store/learning/tasks.js';
import type { LoggedState } from '../store/read/state.js';

/**
 * What the learner asked itself is its task's. A client's claim (`metadata.gyre_task`) holds where what it said is the
 * task's question and nothing else, or its key is an admin's: else whoever knows a task's name could read its reference
 * off the verdicts, and choose the reward of words of their own. Without keys nobody has shown to be anyone, so the
 * question has to be the task's there, too. Held-out tasks are asked by the learner alone.
 */
export function referenceOf(
  db: Db,
  { taskId, origin, keyId, messages }: Pick<LoggedState, 'taskId' | 'origin' | 'keyId' | 'messages'>,
): Reference | undefined {
  const task = taskId === undefined ? undefined : taskById(db, taskId);
  if (task === undefined || origin !== 'live') return task?.reference;
  if (task.split === 'heldout') return undefined;
  return isAdminKey(db, keyId) || asks(db, task.id, messages) ? task.reference : undefined;
}
