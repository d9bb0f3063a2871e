/** Tasks, by id and by the hash of their question. */
import { parseJson, writeJson } from '../../core/text/json.js';
import { count, eq } from 'drizzle-orm';

import { chain, type Hash } from '../../core/text/hash.js';
import { ordered } from '../../core/text/order.js';
import { normaliseMessages } from '../../core/text/spelling.js';
import type { Message } from '../../core/message.js';
import type { Task } from '../../core/learning/task.js';
import { prepared, type Db } from '../file/db.js';
import { tasks } from '../file/schema.js';
import { heldOutOf } from './held_out.js';

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

/**
 * Whether a step was asked the task's question and nothing else: its state is the question, or what an earlier step of
 * its trajectory that was asked so left behind, with the policy's own words and what the gateway's tools said. Whatever
 * else stands in a state came from a client, in whichever role.
 */
export function asks(
  db: Db,
  taskId: string,
  { trajectoryId, index }: { readonly trajectoryId: string; readonly index: number },
): boolean {
  const row = db.select({ hash: tasks.hash }).from(tasks).where(eq(tasks.id, taskId)).get();
  if (row === undefined) return false;
  const steps = prepared<[string, number], { at: number; state: Hash; left: Hash }>(
    db,
    'SELECT idx AS at, state_tip AS state, policy_tip AS left FROM steps ' +
      'WHERE trajectory_id = ? AND idx <= ? ORDER BY idx',
  ).all(trajectoryId, index);
  const asked = new Set<Hash>([row.hash]);
  for (const { state, left } of steps) if (asked.has(state)) asked.add(left);
  const last = steps.at(-1);
  return last?.at === index && asked.has(last.state);
}

/** Whether a trajectory answers a held-out task, asks the question of one, or was taken to measure a version. */
export function isHeldOut(db: Db, trajectoryId: string): boolean {
  const sql = `SELECT 1 FROM trajectories t LEFT JOIN tasks k ON k.id = t.task_id
    WHERE t.id = ? AND (t.origin = 'evaluate' OR k.split = 'heldout')`;
  if (prepared<[string]>(db, sql).get(trajectoryId) !== undefined) return true;
  const heldOut = heldOutOf(db);
  return prepared<[string], { at: number }>(db, 'SELECT DISTINCT state_at AS at FROM steps WHERE trajectory_id = ?')
    .all(trajectoryId)
    .some(({ at }) => heldOut.isIn(at));
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
