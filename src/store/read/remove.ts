/**
 * Deletion on request, one of the two exceptions to "rows are only added". A trajectory goes with
 * everything said in it and everything drawn from it, out of the tables and out of the files; what stays
 * is a row that says so, and where the data had gone before.
 */
import { and, eq, inArray } from 'drizzle-orm';

import type { Batch } from '../../core/learning/batch.js';
import type { Removal } from '../../core/reading.js';
import { prepared, type Db, type Tx } from '../file/db.js';
import { appendLedger, contentHashOf } from '../file/ledger.js';
import { reachedBy, type Reached } from './lineage.js';
import {
  batches,
  batchItems,
  deletions,
  feedback,
  responses,
  samples,
  steps,
  trajectories,
  verdicts,
} from '../file/schema.js';

/** How often, and for how long, the files are tried when another process is reading them. */
const SCRUB_EVERY_MS = 50;
const SCRUB_FOR_MS = 60_000;

/** Deletes a trajectory. Undefined when there is none (any more), or none of this key's. */
export function removeTrajectory(db: Db, id: string, keyId?: string, at: number = Date.now()): Removal | undefined {
  const reached = db.transaction(
    (tx) => {
      const trajectory = tx.select().from(trajectories).where(eq(trajectories.id, id)).get();
      return trajectory === undefined || (keyId !== undefined && trajectory.keyId !== keyId)
        ? undefined
        : removeRows(db, tx, id, at);
    },
    { behavior: 'immediate' },
  );
  if (reached === undefined) return undefined;
  scrub(db, Date.now() + SCRUB_FOR_MS);
  return { id, deleted: true, ...reached };
}

function removeRows(db: Db, tx: Tx, id: string, at: number): Reached {
  const taken = tx.select().from(steps).where(eq(steps.trajectoryId, id)).all();
  const stepIds = taken.map((step) => step.id);
  const drawn = tx
    .select({ id: samples.id })
    .from(samples)
    .where(inArray(samples.stepId, stepIds))
    .all()
    .map((sample) => sample.id);
  const reached = reachedBy(tx, stepIds);
  emptyBatches(tx, reached.batches, at);

  const gone: (readonly [table: string, id: string])[] = [['trajectories', id]];
  const said = (table: string, rows: readonly { readonly id: string }[]): void =>
    void gone.push(...rows.map((row) => [table, row.id] as const));
  const isAbout = (kind: 'step' | 'trajectory' | 'sample', ids: readonly string[]): ReturnType<typeof and> =>
    and(eq(verdicts.subjectKind, kind), inArray(verdicts.subjectId, [...ids]));
  said('verdicts', tx.delete(verdicts).where(isAbout('step', stepIds)).returning({ id: verdicts.id }).all());
  said('verdicts', tx.delete(verdicts).where(isAbout('sample', drawn)).returning({ id: verdicts.id }).all());
  said(
    'verdicts',
    tx
      .delete(verdicts)
      .where(isAbout('trajectory', [id]))
      .returning({ id: verdicts.id })
      .all(),
  );
  said('samples', tx.delete(samples).where(inArray(samples.id, drawn)).returning({ id: samples.id }).all());
  said('feedback', tx.delete(feedback).where(eq(feedback.trajectoryId, id)).returning({ id: feedback.id }).all());
  said(
    'responses',
    tx
      .delete(responses)
      .where(inArray(responses.id, [...new Set(taken.map((step) => step.responseId))]))
      .returning({ id: responses.id })
      .all(),
  );
  said('steps', tx.delete(steps).where(eq(steps.trajectoryId, id)).returning({ id: steps.id }).all());
  tx.delete(trajectories).where(eq(trajectories.id, id)).run();
  removeMessages(db, taken);

  const row = {
    id: `del-${id}`,
    trajectoryId: id,
    rows: JSON.stringify(gone),
    batches: JSON.stringify(reached.batches),
    versions: JSON.stringify(reached.versions),
    createdAt: at,
  };
  tx.insert(deletions).values(row).run();
  appendLedger(tx, [['deletions', row.id, contentHashOf('deletions', row)]], at);
  return reached;
}

/**
 * The tokens of a batch are the deleted words in another form. One that was not sent yet is given up; one
 * that was sent is kept as an empty shell under its id, by which the trainer knows whether it was applied.
 */
function emptyBatches(tx: Tx, ids: readonly string[], at: number): void {
  const note = 'emptied: a trajectory in it was deleted';
  for (const row of tx
    .select()
    .from(batches)
    .where(inArray(batches.id, [...ids]))
    .all()) {
    const batch = JSON.parse(row.body) as Batch;
    const body = JSON.stringify({
      ...batch,
      tree: { tokens: [], parent: [] },
      actions: [],
      counts: { logical_tokens: 0, distinct_tokens: 0, actions: 0 },
    } satisfies Batch);
    tx.update(batches)
      .set({ body, note, updatedAt: at, ...(row.state === 'assembled' ? { state: 'failed' as const } : {}) })
      .where(eq(batches.id, row.id))
      .run();
    if (row.state === 'assembled') tx.delete(batchItems).where(eq(batchItems.batchId, row.id)).run();
  }
}

/** Messages and tool lists that only the deleted steps held: leaf after leaf, up to what another chain holds. */
function removeMessages(db: Db, taken: readonly (typeof steps.$inferSelect)[]): void {
  // Answers to one state in the same words may be several rows: all of them, since only their words are referred to.
  const saying = prepared<[number, string], { id: number }>(
    db,
    'SELECT id FROM messages WHERE parent = ? AND hash = ?',
  );
  const one = prepared<[number], { parent: number; hash: string }>(
    db,
    'SELECT parent, hash FROM messages WHERE id = ?',
  );
  const held = prepared<[{ id: number; parent: number; hash: string }]>(
    db,
    `
    SELECT 1 WHERE EXISTS (SELECT 1 FROM messages WHERE parent = @id)
      OR EXISTS (SELECT 1 FROM steps WHERE policy_at = @id AND policy_tip <> client_tip)
      OR EXISTS (SELECT 1 FROM steps WHERE client_at = @id AND client_at <> state_at)
      OR EXISTS (SELECT 1 FROM steps WHERE client_tip = @hash AND client_at = @parent)
      OR EXISTS (SELECT 1 FROM steps WHERE action_tip = @hash AND state_at = @parent AND action_tip <> policy_tip)`,
  );
  const remove = prepared<[number]>(db, 'DELETE FROM messages WHERE id = ?');
  for (const step of taken) {
    const answers = saying.all(step.clientAt, step.clientTip);
    const actions = step.actionTip === null ? [] : saying.all(step.stateAt, step.actionTip);
    for (const tip of [
      ...answers.map((row) => row.id),
      ...actions.map((row) => row.id),
      step.policyAt,
      step.clientAt,
    ]) {
      for (let id = tip; id !== 0;) {
        const row = one.get(id);
        if (row === undefined || held.get({ id, ...row }) !== undefined) break;
        remove.run(id);
        id = row.parent;
      }
    }
  }
  const unheld = prepared<[string, string]>(
    db,
    'DELETE FROM tool_sets WHERE hash = ? AND NOT EXISTS (SELECT 1 FROM steps WHERE tool_set = ?)',
  );
  for (const hash of new Set(taken.map((step) => step.toolSet))) unheld.run(hash, hash);
}

/**
 * Freed cells are zero already (secure_delete); what is left is the write-ahead log and the pages it
 * replaces. Folding it in needs every reader to have moved on: tried now, and then until it is done.
 */
function scrub(db: Db, until: number): void {
  const sqlite = db.$client;
  if (!sqlite.open) return;
  const wait = sqlite.pragma('busy_timeout', { simple: true }) as number;
  sqlite.pragma('busy_timeout = 0');
  let done = false;
  try {
    const [result] = sqlite.pragma('wal_checkpoint(TRUNCATE)') as { readonly busy: number }[];
    done = result?.busy === 0;
  } catch {
    // A busy or full disk is no fault of the deletion, which is committed: it is tried again.
  } finally {
    sqlite.pragma(`busy_timeout = ${wait}`);
  }
  if (!done && Date.now() < until) setTimeout(() => scrub(db, until), SCRUB_EVERY_MS);
}
