/** Tasks, by id and by the hash of their question. */
import { parseJson, writeJson } from '../../core/text/json.js';
import { count, eq } from 'drizzle-orm';

import { chain } from '../../core/text/hash.js';
import { ordered } from '../../core/text/order.js';
import { normaliseMessages } from '../../core/text/spelling.js';
import type { Message } from '../../core/message.js';
import type { Task } from '../../core/learning/task.js';
import { prepared, type Db } from '../file/db.js';
import { tasks } from '../file/schema.js';

/**
 * Keeps the tasks; a known id gets the new content. The hash is the chain tip of its messages, spelled and ordered as
 * the log has them, by which a held-out question is known wherever it is asked.
 */
export function saveTasks(db: Db, list: readonly Task[]): void {
  const createdAt = Date.now();
  db.transaction(
    (tx) => {
      for (const task of list) {
        const row = { hash: questionHash(task.messages), split: task.split, body: writeJson(task) };
        tx.insert(tasks)
          .values({ id: task.id, ...row, createdAt })
          .onConflictDoUpdate({ target: tasks.id, set: row })
          .run();
      }
    },
    { behavior: 'immediate' },
  );
}

/** Whether messages are a task's question and what was answered to it since, with no word of anyone else. */
export function asks(db: Db, taskId: string, messages: readonly Message[]): boolean {
  const row = db.select({ hash: tasks.hash, body: tasks.body }).from(tasks).where(eq(tasks.id, taskId)).get();
  if (row === undefined) return false;
  const { length } = (parseJson(row.body) as Task).messages;
  return (
    questionHash(messages.slice(0, length)) === row.hash &&
    messages.slice(length).every(({ role }) => role === 'assistant' || role === 'tool')
  );
}

/** Whether a trajectory answers a held-out task, asks the question of one, or was taken to measure a version. */
export function isHeldOut(db: Db, trajectoryId: string): boolean {
  const sql = `SELECT 1 FROM trajectories t LEFT JOIN tasks k ON k.id = t.task_id
    WHERE t.id = ? AND (t.origin = 'evaluate' OR k.split = 'heldout' OR EXISTS (
      SELECT 1 FROM steps s JOIN tasks h ON h.hash = s.state_tip AND h.split = 'heldout'
      WHERE s.trajectory_id = t.id))`;
  return prepared<[string]>(db, sql).get(trajectoryId) !== undefined;
}

function questionHash(messages: readonly Message[]): string {
  return chain(normaliseMessages(ordered(messages))).at(-1) ?? '';
}

export function taskById(db: Db, id: string): Task | undefined {
  const row = db.select({ body: tasks.body }).from(tasks).where(eq(tasks.id, id)).get();
  return row === undefined ? undefined : (parseJson(row.body) as Task);
}

export function countTasks(db: Db, split: Task['split']): number {
  return db.select({ total: count() }).from(tasks).where(eq(tasks.split, split)).get()?.total ?? 0;
}

/** Tasks of a split in the order of their ids. */
export function tasksOf(db: Db, split: Task['split']): Task[] {
  return db
    .select({ body: tasks.body })
    .from(tasks)
    .where(eq(tasks.split, split))
    .orderBy(tasks.id)
    .all()
    .map((row) => parseJson(row.body) as Task);
}
