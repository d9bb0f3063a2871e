/**
 * Labels as rows. What people say of a step now is a verdict of the judge `person`, written in the transaction that
 * adds a label or takes one back: on the step, and where an answer ends with it on that answer.
 */
import { and, desc, eq, lt } from 'drizzle-orm';

import { badRequest, GyreError, missing, quoted } from '../../core/errors.js';
import { newId } from '../../core/ids.js';
import { Demonstration, type LabelView, type NewLabel, type Withdrawal } from '../../core/judging/labels.js';
import { type Listing, listingOf, pageOf } from '../../core/paging.js';
import type { FunctionSpec } from '../../core/policy.js';
import type { Query } from '../../core/reading.js';
import { seconds } from '../../core/seconds.js';
import { isObjectJson } from '../../core/text/arguments.js';
import { parseJson } from '../../core/text/json.js';
import { prepared, type Db, type Tx } from '../file/db.js';
import { wasDeleted } from '../file/deletions.js';
import { appendLedger, contentHashOf } from '../file/ledger.js';
import { labels } from '../file/schema.js';
import { speak } from './person.js';
import type { Spoken } from './spoken.js';
import { IS_ANSWER, MAY_BE_LEARNED, STEP_WITH_ALL } from './step_facts.js';

type Row = typeof labels.$inferSelect;

/** A step that somebody speaks of. */
interface LabelledStep extends Spoken {
  readonly trajectoryId: string;
  readonly mayBeLearned: 0 | 1;
  readonly hasAction: 0 | 1;
  readonly gone: 0 | 1;
  readonly toolSet: string;
}

const STEP = `SELECT s.id, s.trajectory_id AS trajectoryId, s.response_id AS responseId, ${IS_ANSWER} AS isAnswer,
    ${MAY_BE_LEARNED} AS mayBeLearned, s.outcome = 'done' AND s.action_tip IS NOT NULL AS hasAction,
    EXISTS (SELECT 1 FROM withdrawals w WHERE w.id = s.response_id) AS gone, s.tool_set AS toolSet
  FROM ${STEP_WITH_ALL}`;

/** Adds all of them or none; throws 400, 404 or 409 on the field at fault, of several with `[N].` before it. */
export function addLabels(
  db: Db,
  list: readonly (NewLabel | Withdrawal)[],
  who: string,
  at: number = Date.now(),
): readonly LabelView[] {
  return db.transaction(
    (tx) => {
      const ids = list.map((label, index) => {
        try {
          return 'withdraw' in label ? takeBack(db, tx, label.withdraw, who, at) : add(db, tx, label, who, at);
        } catch (thrown) {
          if (list.length === 1 || !(thrown instanceof GyreError)) throw thrown;
          const { side, status, code, message, param = '' } = thrown;
          throw new GyreError({ side, status, code, message: `[${index}]: ${message}`, param: `[${index}].${param}` });
        }
      });
      return ids.map((id) => viewOf(db, rowOf(db, id) as Row));
    },
    { behavior: 'immediate' },
  );
}

function add(db: Db, tx: Tx, label: NewLabel, who: string, at: number): string {
  const step = label.trajectory_id === undefined ? stepBy(db, label.step_id ?? '') : answerOf(db, label.trajectory_id);
  const param = label.trajectory_id === undefined ? 'step_id' : 'trajectory_id';
  if (step.hasAction === 0)
    throw conflict('no_action', `In step ${quoted(step.id)} nothing was done: its policy call failed.`, param);
  if (step.mayBeLearned === 0)
    throw conflict(
      'no_consent',
      `Step ${quoted(step.id)}, or one before it, was given without consent to learn from it: it is not judged.`,
      param,
    );
  if (label.demonstration !== undefined) checkCalls(db, label.demonstration, step.toolSet);
  const row = {
    id: newId('lbl', at),
    stepId: step.id,
    trajectoryId: step.trajectoryId,
    about: label.trajectory_id === undefined ? ('step' as const) : ('trajectory' as const),
    good: label.good,
    comment: label.comment ?? null,
    demonstration: label.demonstration === undefined ? null : JSON.stringify(label.demonstration),
    who,
    withdraws: null,
    createdAt: at,
  };
  save(tx, row);
  speak(db, step, row.id, at);
  return row.id;
}

/** Taking back what was taken back is the row that is there. */
function takeBack(db: Db, tx: Tx, id: string, who: string, at: number): string {
  const label = rowOf(db, id);
  if (label === undefined) throw missing('label', `There is no label ${quoted(id)}.`, 'withdraw');
  if (label.withdraws !== null)
    throw badRequest(`${quoted(id)} itself takes a label back: label the step anew.`, 'withdraw');
  const before = withdrawalOf(db, id);
  if (before !== undefined) return before;
  const row = {
    ...label,
    id: newId('lbl', at),
    good: null,
    comment: null,
    demonstration: null,
    who,
    withdraws: id,
    createdAt: at,
  };
  save(tx, row);
  speak(db, stepBy(db, label.stepId), row.id, at);
  return row.id;
}

function save(tx: Tx, row: Row): void {
  tx.insert(labels).values(row).run();
  appendLedger(tx, [['labels', row.id, contentHashOf('labels', row)]], row.createdAt);
}

function stepBy(db: Db, id: string): LabelledStep {
  const step = prepared<[string], LabelledStep>(db, `${STEP} WHERE s.id = ?`).get(id);
  if (step === undefined)
    throw missing('step', `There is no step ${quoted(id)}: it was never logged, or was deleted or pruned.`, 'step_id');
  if (step.gone === 1) throw missing('step', `The response with step ${quoted(id)} was deleted.`, 'step_id');
  return step;
}

/** The last step of a trajectory that is an answer. */
function answerOf(db: Db, id: string): LabelledStep {
  const there = prepared<[string]>(db, 'SELECT 1 FROM trajectories WHERE id = ?').get(id) !== undefined;
  if (!there)
    throw missing(
      'trajectory',
      wasDeleted(db, id) ? `The trajectory ${quoted(id)} was deleted.` : `There is no trajectory ${quoted(id)}.`,
      'trajectory_id',
    );
  const found = prepared<[string], LabelledStep>(
    db,
    `${STEP} WHERE s.trajectory_id = ? AND ${IS_ANSWER} AND s.response_id NOT IN (SELECT id FROM withdrawals)
      ORDER BY s.idx DESC LIMIT 1`,
  ).get(id);
  if (found !== undefined) return found;
  throw conflict(
    'no_answer',
    `No completed response of the trajectory ${quoted(id)} ends in an answer: label its steps ("step_id").`,
    'trajectory_id',
  );
}

/** What was not offered could not have been called, and arguments are a JSON object. */
function checkCalls(db: Db, { tool_calls: calls = [] }: Demonstration, toolSet: string): void {
  if (calls.length === 0) return;
  const row = prepared<[string], { body: string }>(db, 'SELECT body FROM tool_sets WHERE hash = ?').get(toolSet);
  const names = row === undefined ? [] : (parseJson(row.body) as FunctionSpec[]).map(({ name }) => name);
  for (const [at, { function: called }] of calls.entries()) {
    const param = `demonstration.tool_calls.${at}.function`;
    if (!names.includes(called.name))
      throw badRequest(
        `${quoted(called.name)} could not be called in this step; there ${
          names.length === 0 ? 'was no tool' : `were ${names.join(', ')}`
        }.`,
        `${param}.name`,
      );
    if (!isObjectJson(called.arguments))
      throw badRequest(`${quoted(called.arguments)} is no JSON object.`, `${param}.arguments`);
  }
}

function conflict(code: string, message: string, param: string): GyreError {
  return new GyreError({ side: 'client', status: 409, code, message, param });
}

function rowOf(db: Db, id: string): Row | undefined {
  return db.select().from(labels).where(eq(labels.id, id)).get();
}

function withdrawalOf(db: Db, id: string): string | undefined {
  return prepared<[string], { id: string }>(db, 'SELECT id FROM labels WHERE withdraws = ?').get(id)?.id;
}

/** Newest first; of one step or one trajectory where that is asked for. Throws 400 on the query. */
export function listLabels(db: Db, query: Query): Listing<LabelView> {
  const page = pageOf(query, (id) => rowOf(db, id) !== undefined, ['step_id', 'trajectory_id']);
  const { step_id: stepId, trajectory_id: trajectoryId } = query;
  const rows = db
    .select()
    .from(labels)
    .where(
      and(
        page.after === undefined ? undefined : lt(labels.id, page.after),
        stepId === undefined ? undefined : eq(labels.stepId, stepId),
        trajectoryId === undefined ? undefined : eq(labels.trajectoryId, trajectoryId),
      ),
    )
    .orderBy(desc(labels.id))
    .limit(page.limit + 1)
    .all();
  return listingOf(rows, page, (row) => viewOf(db, row));
}

/** Those on a trajectory and its steps, oldest first. */
export function labelsOf(db: Db, trajectoryId: string): readonly LabelView[] {
  const rows = db.select().from(labels).where(eq(labels.trajectoryId, trajectoryId)).orderBy(labels.id).all();
  return rows.map((row) => viewOf(db, row));
}

function viewOf(db: Db, row: Row): LabelView {
  return {
    id: row.id,
    step_id: row.stepId,
    trajectory_id: row.trajectoryId,
    about: row.about,
    good: row.good,
    comment: row.comment,
    demonstration: row.demonstration === null ? null : Demonstration.parse(parseJson(row.demonstration)),
    who: row.who === '' ? null : row.who,
    withdraws: row.withdraws,
    withdrawn: withdrawalOf(db, row.id) !== undefined,
    created_at: seconds(row.createdAt),
  };
}
