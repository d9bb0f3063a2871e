/**
 * What only one process may do at a time, on one data folder: a row that names its holder by pid and start time, so
 * that a crashed holder is recognised and a recycled pid is not mistaken for it.
 */
import { randomUUID } from 'node:crypto';

import { and, eq } from 'drizzle-orm';

import { GyreError, internal } from '../../core/errors.js';
import { alive, processOf } from '../../core/running/process.js';
import type { Db } from '../file/db.js';
import { leases } from '../file/schema.js';

export type LeaseName = (typeof leases.$inferSelect)['name'];

/**
 * Leases that this process has given back, where the row could not be removed: the disk was full, or another program
 * held the lock. Its holder lives, and nobody is at it any more.
 */
const givenBack = new Set<string>();

/** `what` it is taken for, as a sentence begins with it. Throws 409 naming the holder; returns what gives it back. */
export function takeLease(db: Db, policy: string, name: LeaseName, what: string): string {
  const self = processOf(process.pid);
  if (self === undefined) throw internal('this process has no entry in /proc');
  const token = randomUUID();
  return db.transaction(
    (tx) => {
      const held = tx.select().from(leases).where(isThe(policy, name)).get();
      if (held !== undefined && alive(held) && !givenBack.has(held.token))
        throw new GyreError({
          side: 'gateway',
          status: 409,
          code: `${name}_running`,
          message: `${held.what} is running in process ${held.pid}; wait for it, or end that process`,
        });
      const row = { policy, name, token, ...self, what, takenAt: Date.now() };
      tx.insert(leases)
        .values(row)
        .onConflictDoUpdate({ target: [leases.policy, leases.name], set: row })
        .run();
      if (held !== undefined) givenBack.delete(held.token);
      return token;
    },
    { behavior: 'immediate' },
  );
}

/** Nothing where another holds it by now. */
export function releaseLease(db: Db, policy: string, name: LeaseName, token: string): void {
  givenBack.add(token);
  db.delete(leases)
    .where(and(isThe(policy, name), eq(leases.token, token)))
    .run();
  givenBack.delete(token);
}

function isThe(policy: string, name: LeaseName): ReturnType<typeof and> {
  return and(eq(leases.policy, policy), eq(leases.name, name));
}
