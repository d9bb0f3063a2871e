/** Updates of the policy as their numbers tell of them. */
import { desc, eq } from 'drizzle-orm';

import { alarmsOf, type Update } from '../../core/learning/alarms.js';
import { updateNumbers, type UpdateNumbers } from '../../core/learning/update.js';
import type { Db } from '../file/db.js';
import { versions } from '../file/schema.js';

type Row = typeof versions.$inferSelect;

/** The update that made a version; undefined for one that no update made. */
export function updateOf(db: Db, version: number): Update | undefined {
  const row = rowOf(db, version);
  return row?.kind === 'trained' ? told(db, row) : undefined;
}

/** The newest; undefined before the first. */
export function lastUpdate(db: Db): Update | undefined {
  const row = db.select().from(versions).where(eq(versions.kind, 'trained')).orderBy(desc(versions.version)).get();
  return row === undefined ? undefined : told(db, row);
}

function told(db: Db, { version, parent, metrics }: Row): Update {
  const numbers = numbersIn(metrics);
  // After a rollback it is compared with the update that made the weights it was trained on.
  let before = parent === null ? undefined : rowOf(db, parent);
  while (typeof before?.copyOf === 'number') before = rowOf(db, before.copyOf);
  return { version, numbers, alarms: alarmsOf(numbers, before === undefined ? {} : numbersIn(before.metrics)) };
}

function rowOf(db: Db, version: number): Row | undefined {
  return db.select().from(versions).where(eq(versions.version, version)).get();
}

function numbersIn(metrics: string): UpdateNumbers {
  return updateNumbers(JSON.parse(metrics) as Record<string, unknown>);
}
