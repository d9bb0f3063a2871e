/** Whether a trajectory was deleted: known by the id of its row, however many deletions there are. */
import { prepared, type Db } from './db.js';

/** The id of the row of a trajectory's deletion. */
export function deletionId(trajectoryId: string): string {
  return `del-${trajectoryId}`;
}

export function wasDeleted(db: Pick<Db, '$client'>, trajectoryId: string): boolean {
  return prepared<[string]>(db, 'SELECT 1 FROM deletions WHERE id = ?').get(deletionId(trajectoryId)) !== undefined;
}
