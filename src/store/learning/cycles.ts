/** Cycles: rows that move, and only along the transitions of `core/cycle`. */
import { and, desc, eq, type SQL, sql } from 'drizzle-orm';

import { type Cycle, CYCLE_TRANSITIONS } from '../../core/learning/cycle.js';
import { internal } from '../../core/errors.js';
import type { Db } from '../file/db.js';
import { cycles } from '../file/schema.js';

export function saveCycle(db: Db, policy: string, cycle: Cycle): void {
  db.insert(cycles)
    .values({ ...cycle, policy, counts: JSON.stringify(cycle.counts) })
    .run();
}

/** Changes a cycle. Throws when `CYCLE_TRANSITIONS` does not allow the state. */
export function moveCycle(
  db: Db,
  policy: string,
  id: string,
  change: Partial<Pick<Cycle, 'state' | 'stage' | 'counts' | 'note'>>,
): Cycle {
  return db.transaction(
    (tx) => {
      const row = tx.select().from(cycles).where(isThe(policy, id)).get();
      if (row === undefined) throw internal(`there is no cycle ${id} of the policy ${policy}`);
      const now = readCycle(row);
      const state = change.state ?? now.state;
      if (!CYCLE_TRANSITIONS[now.state].includes(state))
        throw internal(`cycle ${id} is ${now.state} and cannot become ${state}`);
      const next: Cycle = { ...now, ...change, counts: { ...now.counts, ...change.counts }, updatedAt: Date.now() };
      tx.update(cycles)
        .set({ ...next, counts: JSON.stringify(next.counts) })
        .where(eq(cycles.id, id))
        .run();
      return next;
    },
    { behavior: 'immediate' },
  );
}

/** Newest first. `keyId`: only those that took up a step of this key. */
export function cyclesOf(db: Db, policy: string, limit: number, after?: string, keyId?: string): Cycle[] {
  return db
    .select()
    .from(cycles)
    .where(
      and(
        eq(cycles.policy, policy),
        after === undefined ? undefined : sql`${cycles.id} < ${after}`,
        keyId === undefined ? undefined : of(policy, keyId),
      ),
    )
    .orderBy(desc(cycles.id))
    .limit(limit)
    .all()
    .map(readCycle);
}

export function cycleById(db: Db, policy: string, id: string, keyId?: string): Cycle | undefined {
  const row = db
    .select()
    .from(cycles)
    .where(and(isThe(policy, id), keyId === undefined ? undefined : of(policy, keyId)))
    .get();
  return row === undefined ? undefined : readCycle(row);
}

/** How many steps of a key a cycle took up. */
export function statesOfKey(db: Db, policy: string, cycleId: string, keyId: string): number {
  return db.get<{ states: number }>(
    sql`SELECT coalesce(sum(states), 0) AS states FROM given_states
      WHERE cycle_id = ${cycleId} AND policy = ${policy} AND key_id = ${keyId}`,
  ).states;
}

function isThe(policy: string, id: string): SQL | undefined {
  return and(eq(cycles.policy, policy), eq(cycles.id, id));
}

function of(policy: string, keyId: string): SQL {
  return sql`${cycles.id} IN (SELECT cycle_id FROM given_states WHERE policy = ${policy} AND key_id = ${keyId})`;
}

/** How many cycles are in each state. */
export function countCycles(db: Db, policy: string): Readonly<Record<Cycle['state'], number>> {
  const counts = { running: 0, done: 0, failed: 0, skipped: 0 };
  for (const { state, total } of db
    .select({ state: cycles.state, total: sql<number>`count(*)` })
    .from(cycles)
    .where(eq(cycles.policy, policy))
    .groupBy(cycles.state)
    .all())
    counts[state] = total;
  return counts;
}

/** The cycle that was running when its process crashed or was stopped: it is resumed before a new one starts. */
export function runningCycle(db: Db, policy: string): Cycle | undefined {
  const isRunning = and(eq(cycles.policy, policy), eq(cycles.state, 'running'));
  const row = db.select().from(cycles).where(isRunning).orderBy(desc(cycles.id)).get();
  return row === undefined ? undefined : readCycle(row);
}

function readCycle({ policy: _, ...row }: typeof cycles.$inferSelect): Cycle {
  return {
    ...row,
    stage: row.stage as Cycle['stage'],
    filter: row.filter as Cycle['filter'],
    counts: JSON.parse(row.counts) as Record<string, number>,
  };
}
