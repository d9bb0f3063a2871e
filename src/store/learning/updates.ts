/** Updates of a policy as their numbers tell of them. */
import { and, desc, eq } from 'drizzle-orm';

import { alarmsOf, BOUNDS, type Update } from '../../core/learning/alarms.js';
import { updateNumbers, type UpdateNumbers } from '../../core/learning/update.js';
import type { Db } from '../file/db.js';
import { versions } from '../file/schema.js';
import { servingVersion } from './decisions.js';

type Row = typeof versions.$inferSelect;

/** The update that made a version; undefined for one that no update made. */
export function updateOf(db: Db, policy: string, version: number): Update | undefined {
  const row = rowOf(db, policy, version);
  return row?.kind === 'trained' ? told(db, row) : undefined;
}

/**
 * The updates that made a version out of what serves, or out of the base; newest first. Copies have the updates of
 * their weights. Each comes out of a lower number, so that this ends.
 */
export function updatesOf(db: Db, policy: string, version: number): Update[] {
  const weights = (of: number): Row | undefined => {
    let row = rowOf(db, policy, of);
    while (typeof row?.copyOf === 'number') row = rowOf(db, policy, row.copyOf);
    return row;
  };
  const served = weights(servingVersion(db, policy))?.version;
  const found: Update[] = [];
  for (let row = weights(version); row?.kind === 'trained' && row.version !== served;) {
    found.push(told(db, row));
    row = row.parent === null ? undefined : weights(row.parent);
  }
  return found;
}

/** The newest; undefined before the first. */
export function lastUpdate(db: Db, policy: string): Update | undefined {
  const isTrained = and(eq(versions.policy, policy), eq(versions.kind, 'trained'));
  const row = db.select().from(versions).where(isTrained).orderBy(desc(versions.version)).get();
  return row === undefined ? undefined : told(db, row);
}

function told(db: Db, { policy, version, parent, metrics }: Row): Update {
  const numbers = numbersIn(metrics);
  const before: UpdateNumbers[] = [];
  for (let at = parent; at !== null && before.length < BOUNDS.updates;) {
    const row = rowOf(db, policy, at);
    // After a rollback it is compared with the update that made the weights it was trained on.
    if (typeof row?.copyOf !== 'number' && row !== undefined) before.push(numbersIn(row.metrics));
    at = row?.copyOf ?? row?.parent ?? null;
  }
  return { version, numbers, alarms: alarmsOf(numbers, before) };
}

function rowOf(db: Db, policy: string, version: number): Row | undefined {
  const isIt = and(eq(versions.policy, policy), eq(versions.version, version));
  return db.select().from(versions).where(isIt).get();
}

function numbersIn(metrics: string): UpdateNumbers {
  return updateNumbers(JSON.parse(metrics) as Record<string, unknown>);
}
