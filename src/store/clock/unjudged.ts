/**
 * What judges have still to look at. Each has a mark in the log, behind which the next slice begins, so that a long log
 * is gone through once; what could not be judged when it was its turn is remembered apart, and so is what failed.
 */
import { timeOf } from '../../core/ids.js';
import type { JudgeRef, JudgingTurn, Unjudged, UnjudgedSlice } from '../../core/learning/judging.js';
import { prepared, type Db } from '../file/db.js';
import { IS_ANSWER, IS_OPEN, IS_WITHHELD, STEP_WITH_ALL } from '../labels/step_facts.js';
import { judgedTo } from '../learning/verdicts.js';

/** A step whose response has no end yet is looked at again when it is twice as old, within these bounds. */
const SOONEST_MS = 5_000;
const LATEST_MS = 24 * 60 * 60 * 1000;

interface Facts {
  readonly seq: number;
  readonly id: string;
  readonly responseId: string;
  readonly keyId: string;
  /** Whether there is an action that may be learned from, as far as its steps' consent goes, and it was not deleted. */
  readonly open: 0 | 1;
  /** Whether its key withholds it now. */
  readonly withheld: 0 | 1;
  readonly ended: 0 | 1;
  /** Whether a completed response ends with it. */
  readonly last: 0 | 1;
}

const FACTS = `SELECT s.seq, s.id, s.response_id AS responseId, s.key_id AS keyId, ${IS_OPEN} AS open,
    ${IS_WITHHELD} AS withheld, r.id IS NOT NULL AS ended, ${IS_ANSWER} AS last
  FROM ${STEP_WITH_ALL}`;

export function unjudged(
  db: Db,
  judges: readonly JudgeRef[],
  limit: number,
  now: number = Date.now(),
): UnjudgedSlice | undefined {
  if (judges.length === 0) return undefined;
  return db.transaction(
    () => due(db, judges, limit, now) ?? late(db, judges, limit, now) ?? behindMarks(db, judges, limit, now),
  );
}

/** What failed and is to be asked again. */
function due(db: Db, judges: readonly JudgeRef[], limit: number, now: number): UnjudgedSlice | undefined {
  const sql = `SELECT subject_kind AS subjectKind, subject_id AS subjectId, step_id AS stepId, judge,
      judge_version AS judgeVersion FROM judge_attempts
    WHERE subject_kind = ? AND due_at <= ? AND judge || '@' || judge_version IN (SELECT value FROM json_each(?))
    ORDER BY due_at LIMIT ?`;
  type Row = UnjudgedSlice['turn']['retried'][number] & { readonly stepId: string };
  const names = JSON.stringify(judges.map(nameOf));
  const rows = (['step', 'response'] as const).flatMap((kind) =>
    prepared<unknown[], Row>(db, sql).all(kind, now, names, limit),
  );
  if (rows.length === 0) return undefined;
  // Consent may have been withdrawn since.
  const steps = factsOf(
    db,
    rows.map(({ stepId }) => stepId),
  );
  const free = new Set(steps.filter(({ open, withheld }) => open === 1 && withheld === 0).map(({ id }) => id));
  const subjects = rows
    .filter(({ stepId }) => free.has(stepId))
    .map(({ subjectKind, subjectId, stepId, judge }): Unjudged => ({
      kind: subjectKind === 'response' ? 'response' : 'step',
      id: subjectId,
      stepId,
      judges: [judge],
    }));
  const withheld = steps.filter((step) => step.open === 1 && step.withheld === 1);
  const waiting = withheld.map(({ id, keyId }) => ({ stepId: id, keyId, dueAt: null }));
  return { subjects, turn: { ...NOTHING, late: waiting, retried: rows } };
}

function factsOf(db: Db, ids: readonly string[]): readonly Facts[] {
  return prepared<[string], Facts>(db, `${FACTS} WHERE s.id IN (SELECT value FROM json_each(?)) ORDER BY s.seq`).all(
    JSON.stringify(ids),
  );
}

const NOTHING: JudgingTurn = { late: [], noLongerLate: [], retried: [] };

/** What could not be judged when it was its turn, and may be by now. */
function late(db: Db, judges: readonly JudgeRef[], limit: number, now: number): UnjudgedSlice | undefined {
  const looked = prepared<[number, number], { id: string }>(
    db,
    'SELECT step_id AS id FROM late_steps WHERE due_at IS NOT NULL AND due_at <= ? ORDER BY due_at LIMIT ?',
  ).all(now, limit);
  const free = prepared<[number], { id: string }>(
    db,
    `SELECT l.step_id AS id FROM keys k CROSS JOIN late_steps l ON l.key_id = k.id
      WHERE k.train AND l.due_at IS NULL LIMIT ?`,
  ).all(limit);
  const ids = [...new Set([...looked, ...free].map(({ id }) => id))];
  if (ids.length === 0) return undefined;
  const { subjects, waiting } = subjectsOf(db, judges, factsOf(db, ids), now);
  const stay = new Set(waiting.map(({ stepId }) => stepId));
  return { subjects, turn: { ...NOTHING, late: waiting, noLongerLate: ids.filter((id) => !stay.has(id)) } };
}

/** The next steps of the log, for the judges that have come the least far. */
function behindMarks(db: Db, all: readonly JudgeRef[], limit: number, now: number): UnjudgedSlice | undefined {
  const marks = all.map((judge) => ({ judge, seq: judgedTo(db, judge) }));
  const from = Math.min(...marks.map(({ seq }) => seq));
  const judges = marks.filter(({ seq }) => seq === from).map(({ judge }) => judge);
  // Looked up before the steps: what is committed meanwhile is not passed by.
  const newest = prepared<[], { seq: number | null }>(db, 'SELECT max(seq) AS seq FROM steps').get()?.seq ?? 0;
  const to = Math.min(newest, ...marks.map(({ seq }) => seq).filter((seq) => seq > from));
  if (to <= from) return undefined;
  const rows = prepared<[number, number, number], Facts>(
    db,
    `${FACTS} WHERE s.seq > ? AND s.seq <= ? AND (s.policy_version > -1 OR t.origin = 'generate')
      ORDER BY s.seq LIMIT ?`,
  ).all(from, to, limit);
  const seq = rows.length < limit ? to : (rows.at(-1)?.seq ?? to);
  const stepId = prepared<[number], { id: string }>(db, 'SELECT id FROM steps WHERE seq = ?').get(seq)?.id ?? null;
  const { subjects, waiting } = subjectsOf(db, judges, rows, now);
  return { subjects, turn: { ...NOTHING, reached: { judges, seq, stepId }, late: waiting } };
}

function subjectsOf(
  db: Db,
  judges: readonly JudgeRef[],
  rows: readonly Facts[],
  now: number,
): { readonly subjects: readonly Unjudged[]; readonly waiting: JudgingTurn['late'] } {
  const open = rows.filter((row) => row.open === 1);
  const ready = open.filter((row) => row.ended === 1 && row.withheld === 0);
  const waiting = open
    .filter((row) => row.ended === 0 || row.withheld === 1)
    .map(({ id, keyId, ended }) => ({ stepId: id, keyId, dueAt: ended === 1 ? null : now + wait(id, now) }));
  const seen = {
    step: judgedAlready(
      db,
      'step',
      judges,
      ready.map(({ id }) => id),
    ),
    response: judgedAlready(
      db,
      'response',
      judges,
      ready.flatMap((row) => (row.last === 1 ? [row.responseId] : [])),
    ),
  };
  const subjects = ready.flatMap((row): Unjudged[] => {
    const step = { kind: 'step' as const, id: row.id, stepId: row.id };
    const answer = { kind: 'response' as const, id: row.responseId, stepId: row.id };
    return (row.last === 1 ? [step, answer] : [step]).flatMap((subject) => {
      const left = judges.filter((judge) => !seen[subject.kind].has(`${subject.id} ${nameOf(judge)}`));
      return left.length === 0 ? [] : [{ ...subject, judges: left.map(({ name }) => name) }];
    });
  });
  return { subjects, waiting };
}

function wait(id: string, now: number): number {
  return Math.min(LATEST_MS, Math.max(SOONEST_MS, now - (timeOf(id) ?? now)));
}

/** `subject judge@version` of what has a verdict. */
function judgedAlready(
  db: Db,
  kind: 'step' | 'response',
  judges: readonly JudgeRef[],
  ids: readonly string[],
): ReadonlySet<string> {
  const found = new Set<string>();
  if (ids.length === 0) return found;
  const rows = prepared<[string, string], { id: string; judge: string; version: string }>(
    db,
    `SELECT v.subject_id AS id, v.judge, v.judge_version AS version FROM json_each(?) e CROSS JOIN verdicts v
      ON v.subject_kind = ? AND v.subject_id = e.value`,
  ).all(JSON.stringify(ids), kind);
  const names = new Set(judges.map(nameOf));
  for (const { id, judge, version } of rows)
    if (names.has(nameOf({ name: judge, version }))) found.add(`${id} ${judge}@${version}`);
  return found;
}

function nameOf({ name, version }: JudgeRef): string {
  return `${name}@${version}`;
}
