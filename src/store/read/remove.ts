/**
 * Deletion on request, one of the two exceptions to "rows are only added". A trajectory is deleted with its messages
 * and with every sample drawn from it, out of the tables and out of the files; what stays is a row that records the
 * deletion and which batches and versions had used the data before.
 */
import { and, eq, inArray } from 'drizzle-orm';

import type { SubjectKind } from '../../core/learning/judging.js';
import type { Removal } from '../../core/reading.js';
import { prepared, type Db, type Tx } from '../file/db.js';
import { deletionId } from '../file/deletions.js';
import { appendLedger, contentHashOf } from '../file/ledger.js';
import { emptyBatch } from '../learning/batches.js';
import { forgetClaims } from '../learning/claims.js';
import { forgetJudging } from '../learning/decided.js';
import { forgetAnswers } from '../learning/evaluations.js';
import { freeGroups } from '../learning/groups.js';
import { responseOf } from './conversation.js';
import { versionsNamed } from './deletion.js';
import { reachedBy, withTrainer } from './lineage.js';
import {
  batches,
  batchItems,
  deletions,
  feedback,
  groups,
  labels,
  responses,
  samples,
  steps,
  trajectories,
  verdicts,
  withdrawals,
} from '../file/schema.js';

/** How often, and for how long, the files are scrubbed again while another process is reading them. */
const SCRUB_EVERY_MS = 50;
const SCRUB_FOR_MS = 60_000;

/**
 * Deletes a trajectory, with what every policy made of it; answers what that was of this one. Undefined when there is
 * none (any more), or none of this key's.
 */
export function removeTrajectory(
  db: Db,
  policy: string,
  id: string,
  keyId?: string,
  at: number = Date.now(),
): Removal | undefined {
  const reached = db.transaction(
    (tx) => {
      const trajectory = tx.select().from(trajectories).where(eq(trajectories.id, id)).get();
      if (trajectory === undefined || (keyId !== undefined && trajectory.keyId !== keyId)) return undefined;
      const all = removeRows(db, tx, id, at);
      return all.get(policy) ?? { batches: [], versions: [], pending: [] };
    },
    { behavior: 'immediate' },
  );
  if (reached === undefined) return undefined;
  scrub(db, performance.now() + SCRUB_FOR_MS);
  return { id, deleted: true, ...reached };
}

/**
 * Withdraws a response of the key. What it said is a part of every later prompt of its conversation, so rows are
 * deleted only when no response of the trajectory is left: then all of it is. False when there is no such response.
 */
export function withdrawResponse(db: Db, id: string, keyId: string, at: number = Date.now()): boolean {
  const left = db.transaction(
    (tx) => {
      const response = responseOf(db, keyId, id);
      if (response === undefined) return undefined;
      const { trajectoryId } = response;
      withdraw(tx, id, trajectoryId, at);
      const rest =
        prepared<[string], { count: number }>(
          db,
          'SELECT count(*) AS count FROM steps WHERE trajectory_id = ? AND response_id NOT IN ' +
            '(SELECT id FROM withdrawals)',
        ).get(trajectoryId)?.count ?? 0;
      if (rest === 0) removeRows(db, tx, trajectoryId, at);
      return rest;
    },
    { behavior: 'immediate' },
  );
  if (left === 0) scrub(db, performance.now() + SCRUB_FOR_MS);
  return left !== undefined;
}

type Reached = Omit<Removal, 'id' | 'deleted'>;

/** What it has reached before, by policy. */
function removeRows(db: Db, tx: Tx, id: string, at: number): ReadonlyMap<string, Reached> {
  const removed = tx.select().from(steps).where(eq(steps.trajectoryId, id)).all();
  const stepIds = removed.map((step) => step.id);
  const sampleIds = tx
    .select({ id: samples.id })
    .from(samples)
    .where(inArray(samples.stepId, stepIds))
    .all()
    .map((sample) => sample.id);
  const reached = new Map(
    policiesOf(tx, stepIds).map((policy) => {
      const { batches: ids, versions } = reachedBy(tx, policy, stepIds);
      return [policy, { batches: ids, versions, pending: withTrainer(tx, policy, ids) }] as const;
    }),
  );
  const inBatches = [...reached.values()].flatMap((of) => of.batches).sort();
  emptyBatches(tx, inBatches, at);
  forgetClaims(db, stepIds);
  tx.delete(groups).where(inArray(groups.stepId, stepIds)).run();

  const deleted: (readonly [table: string, id: string])[] = [['trajectories', id]];
  const record = (table: string, rows: readonly { readonly id: string }[]): void =>
    rows.forEach((row) => deleted.push([table, row.id]));
  const responseIds = [...new Set(removed.map((step) => step.responseId))];
  const isAbout = (kind: SubjectKind, ids: readonly string[]): ReturnType<typeof and> =>
    and(eq(verdicts.subjectKind, kind), inArray(verdicts.subjectId, [...ids]));
  const subjects: readonly (readonly [SubjectKind, readonly string[]])[] = [
    ['step', stepIds],
    ['sample', sampleIds],
    ['response', responseIds],
    ['trajectory', [id]],
  ];
  for (const [kind, ids] of subjects)
    record('verdicts', tx.delete(verdicts).where(isAbout(kind, ids)).returning({ id: verdicts.id }).all());
  record('samples', tx.delete(samples).where(inArray(samples.id, sampleIds)).returning({ id: samples.id }).all());
  record('feedback', tx.delete(feedback).where(eq(feedback.trajectoryId, id)).returning({ id: feedback.id }).all());
  record('labels', tx.delete(labels).where(eq(labels.trajectoryId, id)).returning({ id: labels.id }).all());
  record(
    'responses',
    tx.delete(responses).where(inArray(responses.id, responseIds)).returning({ id: responses.id }).all(),
  );
  for (const responseId of responseIds) withdraw(tx, responseId, id, at);
  forgetAnswers(db, id);
  record('steps', tx.delete(steps).where(eq(steps.trajectoryId, id)).returning({ id: steps.id }).all());
  const trajectory = tx
    .delete(trajectories)
    .where(eq(trajectories.id, id))
    .returning({ keyId: trajectories.keyId })
    .get();
  removeMessages(db, removed);
  forgetJudging(
    db,
    subjects.flatMap(([kind, ids]) => ids.map((subject) => [kind, subject] as const)),
  );

  const row = {
    id: deletionId(id),
    trajectoryId: id,
    keyId: trajectory?.keyId ?? null,
    rows: JSON.stringify(deleted),
    batches: JSON.stringify(inBatches),
    versions: JSON.stringify([...reached].flatMap(([policy, { versions }]) => versionsNamed(policy, versions))),
    createdAt: at,
  };
  tx.insert(deletions).values(row).run();
  appendLedger(tx, [['deletions', row.id, contentHashOf('deletions', row)]], at);
  return reached;
}

/** Those that have a batch with one of these steps. */
function policiesOf(tx: Tx, stepIds: readonly string[]): string[] {
  return tx
    .selectDistinct({ policy: batchItems.policy })
    .from(batchItems)
    .where(inArray(batchItems.stepId, [...stepIds]))
    .orderBy(batchItems.policy)
    .all()
    .map(({ policy }) => policy);
}

/** Nobody goes on from the response any more, wherever it is still remembered. */
function withdraw(tx: Tx, id: string, trajectoryId: string, at: number): void {
  const row = { id, trajectoryId, createdAt: at };
  if (tx.insert(withdrawals).values(row).onConflictDoNothing().run().changes > 0)
    appendLedger(tx, [['withdrawals', id, contentHashOf('withdrawals', row)]], at);
}

/**
 * A batch that was not sent yet fails; one that was sent keeps its row without tokens, because by its id the trainer is
 * asked whether it was applied.
 */
export function emptyBatches(
  tx: Tx,
  ids: readonly string[],
  at: number,
  note = 'emptied: a trajectory in it was deleted',
): void {
  for (const id of ids) {
    emptyBatch(tx, id);
    tx.update(batches).set({ note, updatedAt: at }).where(eq(batches.id, id)).run();
    const failed = tx
      .update(batches)
      .set({ state: 'failed' })
      .where(and(eq(batches.id, id), eq(batches.state, 'assembled')))
      .run();
    if (failed.changes === 0) continue;
    tx.delete(batchItems).where(eq(batchItems.batchId, id)).run();
    freeGroups(tx, id);
  }
}

/** What a step refers to. */
export type RemovedStep = Pick<
  typeof steps.$inferSelect,
  'clientAt' | 'clientTip' | 'actionTip' | 'stateAt' | 'policyAt' | 'toolSet'
>;

/**
 * Deletes messages and tool lists that only the removed steps refer to: from each tip up to one that is referred to.
 */
export function removeMessages(db: Db, removed: readonly RemovedStep[]): void {
  // Equal answers to one state may be several rows. A step refers to them by hash, so all of them are looked at.
  const withHash = prepared<[number, string], { id: number }>(
    db,
    'SELECT id FROM messages WHERE parent = ? AND hash = ?',
  );
  const byId = prepared<[number], { parent: number; hash: string }>(
    db,
    'SELECT parent, hash FROM messages WHERE id = ?',
  );
  const referredTo = prepared<[{ id: number; parent: number; hash: string }]>(
    db,
    `
    SELECT 1 WHERE EXISTS (SELECT 1 FROM messages WHERE parent = @id)
      OR EXISTS (SELECT 1 FROM steps WHERE policy_at = @id AND policy_tip <> client_tip)
      OR EXISTS (SELECT 1 FROM steps WHERE client_at = @id AND client_at <> state_at)
      OR EXISTS (SELECT 1 FROM steps WHERE client_tip = @hash AND client_at = @parent)
      OR EXISTS (SELECT 1 FROM steps WHERE action_tip = @hash AND state_at = @parent AND action_tip <> policy_tip)`,
  );
  const remove = prepared<[number]>(db, 'DELETE FROM messages WHERE id = ?');
  for (const step of removed) {
    const answers = withHash.all(step.clientAt, step.clientTip);
    const actions = step.actionTip === null ? [] : withHash.all(step.stateAt, step.actionTip);
    for (const tip of [
      ...answers.map((row) => row.id),
      ...actions.map((row) => row.id),
      step.policyAt,
      step.clientAt,
    ]) {
      for (let id = tip; id !== 0;) {
        const row = byId.get(id);
        if (row === undefined || referredTo.get({ id, ...row }) !== undefined) break;
        remove.run(id);
        id = row.parent;
      }
    }
  }
  const removeToolSet = prepared<[string, string]>(
    db,
    'DELETE FROM tool_sets WHERE hash = ? AND NOT EXISTS (SELECT 1 FROM steps WHERE tool_set = ?)',
  );
  for (const hash of new Set(removed.map((step) => step.toolSet))) removeToolSet.run(hash, hash);
}

/**
 * SQLite has overwritten the freed cells with zeros (secure_delete); what is left is the write-ahead log and the pages
 * it replaces. Folding it in waits for every reader to have moved on: tried now, and again until it is done.
 */
function scrub(db: Db, until: number): void {
  const sqlite = db.$client;
  if (!sqlite.open) return;
  const wait = sqlite.pragma('busy_timeout', { simple: true }) as number;
  sqlite.pragma('busy_timeout = 0');
  let done = false;
  try {
    // Most of it is folded in without the write lock, for which commits would have to wait.
    sqlite.pragma('wal_checkpoint(PASSIVE)');
    const [result] = sqlite.pragma('wal_checkpoint(TRUNCATE)') as { readonly busy: number }[];
    done = result?.busy === 0;
  } catch {
    // The database is busy or the disk is full. The deletion is committed; only the scrubbing is tried again.
  } finally {
    sqlite.pragma(`busy_timeout = ${wait}`);
  }
  if (!done && performance.now() < until) setTimeout(() => scrub(db, until), SCRUB_EVERY_MS);
}
