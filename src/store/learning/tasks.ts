/** Tasks, by id and by the hash of their question. */
import { parseJson, writeJson } from '../../core/text/json.js';
import { eq } from 'drizzle-orm';

import { chain } from '../../core/text/hash.js';
import { ordered } from '../../core/text/order.js';
import { normaliseMessages } from '../../core/text/spelling.js';
import type { Task } from '../../core/learning/task.js';
import type { Db } from '../file/db.js';
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
        const hash = chain(normaliseMessages(ordered(task.messages))).at(-1) ?? '';
        const row = { hash, split: task.split, body: writeJson(task) };
        tx.insert(tasks)
          .values({ id: task.id, ...row, createdAt })
          .onConflictDoUpdate({ target: tasks.id, set: row })
          .run();
      }
    },
    { behavior: 'immediate' },
  );
}

export function taskById(db: Db, id: string): Task | undefined {
  const row = db.select({ body: tasks.body }).from(tasks).where(eq(tasks.id, id)).get();
  return row === undefined ? undefined : (parseJson(row.body) as Task);
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
