/**
 * Takes a trajectory out of every table: its steps, responses and messages, what was said about them, and what was
 * drawn at them. A part of a transaction, which writes down what went.
 */
import type { SubjectKind } from '../../core/learning/judging.js';
import { prepared, type Db, type Tx } from '../file/db.js';
import { forgetJudging } from '../learning/decided.js';
import { forgetAnswers } from '../learning/evaluations.js';
import { emptyBatches, removeMessages, type RemovedStep } from '../read/remove.js';

interface Step extends RemovedStep {
  readonly id: string;
  readonly responseId: string;
  readonly consent: 0 | 1;
}

const STEPS = `SELECT id, response_id AS responseId, consent, client_at AS clientAt, client_tip AS clientTip,
  action_tip AS actionTip, state_at AS stateAt, policy_at AS policyAt, tool_set AS toolSet
  FROM steps WHERE trajectory_id = ?`;

/** Thrown where the trajectory has to stay; the caller rolls back to where it was. */
class HasToStay extends Error {}

/**
 * Adds the ids of what went to `pruned`. False, and nothing has changed, where it has to stay: where a step of it was
 * given without consent and another trajectory goes on from it, only its rows tell that the other is not learned from.
 */
export function takeOut(db: Db, tx: Tx, id: string, pruned: Map<string, string[]>, at: number): boolean {
  try {
    const went = db.$client.transaction(() => rowsOut(db, tx, id, at))();
    for (const [table, ids] of went) pruned.set(table, [...(pruned.get(table) ?? []), ...ids]);
    return true;
  } catch (thrown) {
    if (thrown instanceof HasToStay) return false;
    throw thrown;
  }
}

function rowsOut(db: Db, tx: Tx, id: string, at: number): ReadonlyMap<string, readonly string[]> {
  const steps = prepared<[string], Step>(db, STEPS).all(id);
  const out = (sql: string, keys: readonly (readonly string[])[]): string[] =>
    keys.flatMap((key) =>
      prepared<string[], { id: string }>(db, sql)
        .all(...key)
        .map((row) => row.id),
    );
  const stepKeys = steps.map((step) => [step.id]);
  const samples = out('DELETE FROM samples WHERE step_id = ? RETURNING id', stepKeys);
  const responseKeys = [...new Set(steps.map(({ responseId }) => responseId))].map((response) => [response]);
  const subjects: [SubjectKind, string][] = [
    ['trajectory', id],
    ...responseKeys.flat().map((response): [SubjectKind, string] => ['response', response]),
    ...steps.map((step): [SubjectKind, string] => ['step', step.id]),
    ...samples.map((sample): [SubjectKind, string] => ['sample', sample]),
  ];
  const batches = new Set(out('SELECT batch_id AS id FROM batch_items WHERE step_id = ?', stepKeys));
  emptyBatches(tx, [...batches], at, 'emptied: a trajectory in it was pruned');
  out('DELETE FROM batch_items WHERE step_id = ? RETURNING item_id AS id', stepKeys);
  out('DELETE FROM groups WHERE step_id = ? RETURNING step_id AS id', stepKeys);
  forgetAnswers(db, id);
  out('DELETE FROM cycle_steps WHERE step_id = ? RETURNING step_id AS id', stepKeys);
  const went = new Map([
    ['trajectories', out('DELETE FROM trajectories WHERE id = ? RETURNING id', [[id]])],
    ['steps', out('DELETE FROM steps WHERE trajectory_id = ? RETURNING id', [[id]])],
    ['responses', out('DELETE FROM responses WHERE id = ? RETURNING id', responseKeys)],
    ['withdrawals', out('DELETE FROM withdrawals WHERE id = ? RETURNING id', responseKeys)],
    ['feedback', out('DELETE FROM feedback WHERE trajectory_id = ? RETURNING id', [[id]])],
    ['labels', out('DELETE FROM labels WHERE trajectory_id = ? RETURNING id', [[id]])],
    ['verdicts', out('DELETE FROM verdicts WHERE subject_kind = ? AND subject_id = ? RETURNING id', subjects)],
    ['samples', samples],
  ]);
  removeMessages(db, steps);
  forgetJudging(db, subjects);
  if (steps.some((step) => step.consent === 0 && isGoneOnFrom(db, step))) throw new HasToStay();
  return went;
}

/** Whether the action of a step that is gone is still in the state of another. */
function isGoneOnFrom(db: Db, { stateAt, actionTip, clientAt, clientTip }: Step): boolean {
  const left = prepared<[number, string]>(db, 'SELECT 1 FROM messages WHERE parent = ? AND hash = ?');
  return (
    left.get(clientAt, clientTip) !== undefined || (actionTip !== null && left.get(stateAt, actionTip) !== undefined)
  );
}
