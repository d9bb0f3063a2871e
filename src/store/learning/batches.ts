/**
 * Batches: what is sent to the trainer, as it stands here however often it is sent, and which samples stand in
 * it. Their state moves only along the transitions of `core/cycle`.
 */
import { and, desc, eq, inArray, type SQL } from 'drizzle-orm';

import type { Batch, BatchItem, BatchRow, TokenTree } from '../../core/learning/batch.js';
import { BATCH_TRANSITIONS, type BatchState } from '../../core/learning/cycle.js';
import { internal } from '../../core/errors.js';
import { prepared, type Db, type Tx } from '../file/db.js';
import { batches, batchItems } from '../file/schema.js';
import { freeGroups, takeGroups } from './groups.js';
import { packTree, unpackTree } from './packed_tree.js';

/** What stands in the body, whose tree is a column of its own. */
const NO_TREE: TokenTree = { tokens: [], parent: [] };

/**
 * A batch and its items, whole or not at all. An item that stands in a batch already is refused by the index. False,
 * and nothing, where a step was deleted since the items were read.
 */
export function saveBatch(db: Db, policy: string, cycleId: string, batch: Batch, items: readonly BatchItem[]): boolean {
  const at = Date.now();
  return db.transaction(
    (tx) => {
      const isThere = prepared<[string]>(db, 'SELECT 1 FROM steps WHERE id = ?');
      if (items.some(({ stepId }) => isThere.get(stepId) === undefined)) return false;
      tx.insert(batches)
        .values({
          id: batch.batch_id,
          cycleId,
          state: 'assembled',
          baseVersion: batch.base_version,
          targetVersion: batch.target_version,
          body: JSON.stringify({ ...batch, tree: NO_TREE }),
          tree: packTree(batch.tree),
          note: '',
          createdAt: at,
          updatedAt: at,
          policy,
        })
        .run();
      for (const item of items)
        tx.insert(batchItems)
          .values({ ...item, batchId: batch.batch_id, policy })
          .run();
      takeGroups(db, batch.batch_id);
      return true;
    },
    { behavior: 'immediate' },
  );
}

export function batchOf(db: Db, policy: string, cycleId: string): BatchRow | undefined {
  const row = db
    .select()
    .from(batches)
    .where(and(eq(batches.policy, policy), eq(batches.cycleId, cycleId)))
    .get();
  return row === undefined ? undefined : readBatch(row);
}

/** As its row has it now: a deletion may have emptied it. */
export function batchById(db: Db, policy: string, id: string): BatchRow | undefined {
  const row = db.select().from(batches).where(isThe(policy, id)).get();
  return row === undefined ? undefined : readBatch(row);
}

/** Batches that were sent to the trainer and are neither applied nor failed, oldest first. */
export function openBatches(db: Db, policy: string): BatchRow[] {
  return db
    .select()
    .from(batches)
    .where(and(eq(batches.policy, policy), eq(batches.state, 'sent')))
    .orderBy(batches.targetVersion)
    .all()
    .map(readBatch);
}

function isThe(policy: string, id: string): SQL | undefined {
  return and(eq(batches.policy, policy), eq(batches.id, id));
}

function readBatch({ id, cycleId, state, body, tree, note }: typeof batches.$inferSelect): BatchRow {
  const batch = JSON.parse(body) as Batch;
  return { id, cycleId, state, batch: tree === null ? batch : { ...batch, tree: unpackTree(tree) }, note };
}

/** The steps whose states a batch is made of. */
export function stepsInBatch(db: Db, policy: string, id: string): string[] {
  return db
    .selectDistinct({ stepId: batchItems.stepId })
    .from(batchItems)
    .where(and(eq(batchItems.policy, policy), eq(batchItems.batchId, id)))
    .all()
    .map(({ stepId }) => stepId);
}

/** `tried`: the trainer has refused what came of it, and would again. */
export function moveBatch(db: Db, policy: string, id: string, state: BatchState, note = '', tried = false): void {
  db.transaction(
    (tx) => {
      const now = tx.select({ state: batches.state }).from(batches).where(isThe(policy, id)).get()?.state;
      if (now === undefined) throw internal(`there is no batch ${id} of the policy ${policy}`);
      if (!BATCH_TRANSITIONS[now].includes(state)) throw internal(`batch ${id} is ${now} and cannot become ${state}`);
      tx.update(batches).set({ state, note, updatedAt: Date.now() }).where(eq(batches.id, id)).run();
      // A failed batch trained nothing and never will: its items may be used by another, and what it spells is gone, as
      // nothing tells any longer whose it was.
      if (state !== 'failed') return;
      tx.delete(batchItems).where(eq(batchItems.batchId, id)).run();
      freeGroups(tx, id, tried);
      emptyBatch(tx, id);
    },
    { behavior: 'immediate' },
  );
}

/**
 * Of any policy. The tokens of a batch spell what was said. Without them its row still tells which version it was to
 * become.
 */
export function emptyBatch(tx: Tx, id: string): void {
  const row = tx.select({ body: batches.body }).from(batches).where(eq(batches.id, id)).get();
  if (row === undefined) return;
  const body = JSON.stringify({
    ...(JSON.parse(row.body) as Batch),
    tree: { tokens: [], parent: [] },
    actions: [],
    counts: { logical_tokens: 0, distinct_tokens: 0, actions: 0 },
  } satisfies Batch);
  tx.update(batches).set({ body, tree: null }).where(eq(batches.id, id)).run();
}

/** The newest version number any batch of the policy was to become, whether or not it did. */
export function promisedVersion(db: Db, policy: string): number {
  return (
    db
      .select({ version: batches.targetVersion })
      .from(batches)
      .where(and(eq(batches.policy, policy), inArray(batches.state, ['assembled', 'sent', 'applied', 'failed'])))
      .orderBy(desc(batches.targetVersion))
      .get()?.version ?? 0
  );
}
