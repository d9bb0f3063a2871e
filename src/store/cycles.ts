/** Rows that move: cycles and batches. Only along the transitions of `core/learning`; the writer enforces it. */
import { desc, eq, inArray, sql } from 'drizzle-orm';

import type { Batch } from '../core/batch.js';
import { internal } from '../core/errors.js';
import { BATCH_TRANSITIONS, CYCLE_TRANSITIONS, type BatchState, type Cycle } from '../core/cycle.js';
import type { Db } from './file/db.js';
import { batches, batchItems, cycles } from './file/schema.js';

export function saveCycle(db: Db, cycle: Cycle): void {
  db.insert(cycles)
    .values({ ...cycle, counts: JSON.stringify(cycle.counts) })
    .run();
}

/** Moves a cycle. Throws when its state may not go there. */
export function moveCycle(
  db: Db,
  id: string,
  change: Partial<Pick<Cycle, 'state' | 'stage' | 'counts' | 'note'>>,
): Cycle {
  return db.transaction(
    (tx) => {
      const row = tx.select().from(cycles).where(eq(cycles.id, id)).get();
      if (row === undefined) throw internal(`there is no cycle ${id}`);
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

/** Newest first. */
export function cyclesOf(db: Db, limit: number, after?: string): Cycle[] {
  return db
    .select()
    .from(cycles)
    .where(after === undefined ? undefined : sql`${cycles.id} < ${after}`)
    .orderBy(desc(cycles.id))
    .limit(limit)
    .all()
    .map(readCycle);
}

export function cycleById(db: Db, id: string): Cycle | undefined {
  const row = db.select().from(cycles).where(eq(cycles.id, id)).get();
  return row === undefined ? undefined : readCycle(row);
}

/** How many cycles are in each state. */
export function countCycles(db: Db): Readonly<Record<Cycle['state'], number>> {
  const counts = { running: 0, done: 0, failed: 0, skipped: 0 };
  for (const { state, total } of db
    .select({ state: cycles.state, total: sql<number>`count(*)` })
    .from(cycles)
    .groupBy(cycles.state)
    .all())
    counts[state] = total;
  return counts;
}

/** The cycle a crash or a stop left behind: to be resumed before a new one starts. */
export function runningCycle(db: Db): Cycle | undefined {
  const row = db.select().from(cycles).where(eq(cycles.state, 'running')).orderBy(desc(cycles.id)).get();
  return row === undefined ? undefined : readCycle(row);
}

function readCycle(row: typeof cycles.$inferSelect): Cycle {
  return {
    ...row,
    stage: row.stage as Cycle['stage'],
    filter: row.filter as Cycle['filter'],
    counts: JSON.parse(row.counts) as Record<string, number>,
  };
}

/** What of a batch is a row: its body goes to the trainer as it stands here, however often it is sent. */
export interface BatchRow {
  readonly id: string;
  readonly cycleId: string;
  readonly state: BatchState;
  readonly batch: Batch;
}

/** Which sample or step stands in the batch. */
export interface BatchItem {
  readonly itemId: string;
  readonly stepId: string;
  readonly advantage: number;
}

/** A batch and its items, whole or not at all. An item that stands in a batch already is refused by the index. */
export function saveBatch(db: Db, cycleId: string, batch: Batch, items: readonly BatchItem[]): void {
  const at = Date.now();
  db.transaction(
    (tx) => {
      tx.insert(batches)
        .values({
          id: batch.batch_id,
          cycleId,
          state: 'assembled',
          baseVersion: batch.base_version,
          targetVersion: batch.target_version,
          body: JSON.stringify(batch),
          note: '',
          createdAt: at,
          updatedAt: at,
        })
        .run();
      for (const item of items)
        tx.insert(batchItems)
          .values({ batchId: batch.batch_id, ...item })
          .run();
    },
    { behavior: 'immediate' },
  );
}

export function batchOf(db: Db, cycleId: string): BatchRow | undefined {
  const row = db.select().from(batches).where(eq(batches.cycleId, cycleId)).get();
  return row === undefined ? undefined : readBatch(row);
}

/** Batches the trainer was sent and whose fate nobody heard, oldest first. */
export function openBatches(db: Db): BatchRow[] {
  return db.select().from(batches).where(eq(batches.state, 'sent')).orderBy(batches.targetVersion).all().map(readBatch);
}

function readBatch({ id, cycleId, state, body }: typeof batches.$inferSelect): BatchRow {
  return { id, cycleId, state, batch: JSON.parse(body) as Batch };
}

export function moveBatch(db: Db, id: string, state: BatchState, note = ''): void {
  db.transaction(
    (tx) => {
      const now = tx.select({ state: batches.state }).from(batches).where(eq(batches.id, id)).get()?.state;
      if (now === undefined) throw internal(`there is no batch ${id}`);
      if (!BATCH_TRANSITIONS[now].includes(state)) throw internal(`batch ${id} is ${now} and cannot become ${state}`);
      tx.update(batches).set({ state, note, updatedAt: Date.now() }).where(eq(batches.id, id)).run();
      // A failed batch trained nothing: what stood in it is free for another.
      if (state === 'failed') tx.delete(batchItems).where(eq(batchItems.batchId, id)).run();
    },
    { behavior: 'immediate' },
  );
}

/** The newest version number a batch has been promised, whether or not it came to be. */
export function promisedVersion(db: Db): number {
  return (
    db
      .select({ version: batches.targetVersion })
      .from(batches)
      .where(inArray(batches.state, ['assembled', 'sent', 'applied', 'failed']))
      .orderBy(desc(batches.targetVersion))
      .get()?.version ?? 0
  );
}
