/**
 * Verdicts: only added, one per subject, judge and version of the judge; with each, who decides about its subject. What
 * a judge failed at is no verdict: it is an attempt, after which the judge is asked again.
 */
import { and, eq, inArray } from 'drizzle-orm';

import { newId } from '../../core/ids.js';
import { type DeclaredJudge, JUDGES } from '../../core/learning/deciding.js';
import type {
  Judged,
  JudgeCost,
  JudgeFault,
  JudgeRef,
  JudgingTurn,
  SubjectKind,
  Verdict,
} from '../../core/learning/judging.js';
import { prepared, type Db } from '../file/db.js';
import { appendLedger, contentHash, ledgeredShape, type LedgerEntry } from '../file/ledger.js';
import { verdicts } from '../file/schema.js';
import { writeDecided } from './decided.js';

/** A judge that failed is asked again after this long, and after each further failure after twice as long. */
const FIRST_WAIT_MS = 5_000;
const LONGEST_WAIT_MS = 3_600_000;

const TABLES = { step: 'steps', response: 'responses', trajectory: 'trajectories', sample: 'samples' } as const;

/** Adds verdicts; one that is there already stays as it is, and of what was deleted meanwhile none is kept. */
export function saveVerdicts(db: Db, list: readonly Verdict[]): void {
  saveJudged(db, { verdicts: list, faults: [] });
}

/** In one transaction: what was said, who decides now, what has to be asked again, and how far judging has come. */
export function saveJudged(
  db: Db,
  judged: Judged,
  turn?: JudgingTurn,
  { now = Date.now(), judges = JUDGES }: { readonly now?: number; readonly judges?: readonly DeclaredJudge[] } = {},
): void {
  db.transaction(
    (tx) => {
      const touched = new Subjects(db);
      const added: LedgerEntry[] = [];
      for (const verdict of judged.verdicts) {
        if (!touched.has(verdict.subjectKind, verdict.subjectId)) continue;
        const values = SHAPE.values(verdict);
        if (prepared<[unknown[]]>(db, SHAPE.insertOrIgnore).run(values).changes > 0)
          added.push(['verdicts', verdict.id, contentHash(SHAPE, values)]);
        else continue;
        if (verdict.cost !== undefined) addCost(db, verdict, verdict.cost);
      }
      settleAttempts(db, judged, turn, now);
      for (const fault of judged.faults) {
        touched.has(fault.subjectKind, fault.subjectId);
        // Paid for also where the subject is gone.
        if (fault.cost !== undefined) addCost(db, { id: newId('flt'), judge: fault.judge, createdAt: now }, fault.cost);
      }
      for (const [kind, id] of touched.there()) writeDecided(db, kind, id, judged.gradable?.has(id), judges);
      if (turn !== undefined) takeTurn(db, turn);
      appendLedger(tx, added);
    },
    { behavior: 'immediate' },
  );
}

const SHAPE = ledgeredShape('verdicts');

export function addCost(
  db: Db,
  { id, judge, createdAt }: Pick<Verdict, 'id' | 'judge' | 'createdAt'>,
  { promptTokens, completionTokens, ms, money }: JudgeCost,
): void {
  prepared(
    db,
    `INSERT INTO judge_costs (verdict_id, judge, prompt_tokens, completion_tokens, ms, money, created_at)
      VALUES (@id, @judge, @promptTokens, @completionTokens, @ms, @money, @createdAt)`,
  ).run({ id, judge, createdAt, promptTokens, completionTokens, ms, money: money ?? null });
}

/** Tokens that a judge has used since then: of verdicts that are there, of faults, calibrations and comparisons. */
export function spentOf(db: Db, judge: string, since: number): number {
  return (
    prepared<[{ judge: string; since: number }], { tokens: number | null }>(
      db,
      `SELECT sum(tokens) AS tokens FROM (
        SELECT prompt_tokens + completion_tokens AS tokens FROM judge_costs
          WHERE judge = @judge AND created_at >= @since
        UNION ALL SELECT prompt_tokens + completion_tokens FROM live_comparisons
          WHERE judge = @judge AND created_at >= @since)`,
    ).get({ judge, since })?.tokens ?? 0
  );
}

/** How many verdicts and faults of a judge have taken something since then. */
export function timesSpent(db: Db, judge: string, since: number): number {
  return (
    prepared<[string, number], { n: number }>(
      db,
      'SELECT count(*) AS n FROM judge_costs WHERE judge = ? AND created_at >= ?',
    ).get(judge, since)?.n ?? 0
  );
}

/** Subjects that are looked up once, in the order in which they came. */
class Subjects {
  readonly #db: Db;
  readonly #known = new Map<string, { readonly kind: SubjectKind; readonly id: string; readonly there: boolean }>();

  constructor(db: Db) {
    this.#db = db;
  }

  has(kind: SubjectKind, id: string): boolean {
    const key = `${kind} ${id}`;
    let known = this.#known.get(key);
    if (known === undefined) {
      const there = prepared<[string]>(this.#db, `SELECT 1 FROM ${TABLES[kind]} WHERE id = ?`).get(id) !== undefined;
      this.#known.set(key, (known = { kind, id, there }));
    }
    return known.there;
  }

  *there(): Generator<readonly [SubjectKind, string]> {
    for (const { kind, id, there } of this.#known.values()) if (there) yield [kind, id];
  }
}

/** A verdict ends the attempts of its judge, also those of earlier versions of it; a fault adds to them. */
function settleAttempts(db: Db, { verdicts: said, faults }: Judged, turn: JudgingTurn | undefined, now: number): void {
  if (faults.length === 0 && prepared(db, 'SELECT 1 FROM judge_attempts LIMIT 1').get() === undefined) return;
  const tries = faults.map((fault) => triesOf(db, fault));
  const end = prepared<[SubjectKind, string, string]>(
    db,
    'DELETE FROM judge_attempts WHERE subject_kind = ? AND subject_id = ? AND judge = ?',
  );
  for (const { subjectKind, subjectId, judge } of [...said, ...(turn?.retried ?? []), ...faults])
    end.run(subjectKind, subjectId, judge);
  for (const [at, fault] of faults.entries()) {
    const there = prepared<[string]>(db, `SELECT 1 FROM ${TABLES[fault.subjectKind]} WHERE id = ?`);
    if (there.get(fault.subjectId) === undefined) continue;
    const before = tries[at] ?? 0;
    const { subjectKind, subjectId, judge, judgeVersion, stepId, reason, retryAfterMs } = fault;
    prepared(
      db,
      `INSERT INTO judge_attempts (subject_kind, subject_id, judge, judge_version, step_id, tries, reason, due_at)
        VALUES (@subjectKind, @subjectId, @judge, @judgeVersion, @stepId, @tries, @reason, @dueAt)`,
    ).run({
      ...{ subjectKind, subjectId, judge, judgeVersion, stepId, reason },
      tries: before + 1,
      dueAt: now + Math.max(retryAfterMs ?? 0, Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** before)),
    });
  }
}

function triesOf(db: Db, { subjectKind, subjectId, judge, judgeVersion }: JudgeFault): number {
  const sql = `SELECT tries FROM judge_attempts
    WHERE subject_kind = ? AND subject_id = ? AND judge = ? AND judge_version = ?`;
  const row = prepared<string[], { tries: number }>(db, sql).get(subjectKind, subjectId, judge, judgeVersion);
  return row?.tries ?? 0;
}

function takeTurn(db: Db, { reached, late, noLongerLate }: JudgingTurn): void {
  const end = prepared<[string]>(db, 'DELETE FROM late_steps WHERE step_id = ?');
  for (const id of noLongerLate) end.run(id);
  const wait = prepared(
    db,
    `INSERT INTO late_steps (step_id, key_id, due_at) SELECT @stepId, @keyId, @dueAt
      WHERE EXISTS (SELECT 1 FROM steps WHERE id = @stepId)
      ON CONFLICT DO UPDATE SET due_at = @dueAt`,
  );
  for (const step of late) wait.run(step);
  if (reached === undefined) return;
  // The number may be another step's by now, or may yet be: of one that comes after the newest was deleted.
  const there = prepared<[number], { seq: number; id: string }>(
    db,
    'SELECT seq, id FROM steps WHERE seq >= ? ORDER BY seq LIMIT 1',
  ).get(reached.seq);
  if (there === undefined || (there.seq === reached.seq ? there.id : null) !== reached.stepId) return;
  for (const judge of reached.judges) markJudged(db, judge, reached.seq);
}

/** In SQL, of a verdict by that name: its judge has said nothing of its subject since. */
export function isNewest(verdict: string): string {
  return `NOT EXISTS (SELECT 1 FROM verdicts n WHERE n.subject_kind = ${verdict}.subject_kind
    AND n.subject_id = ${verdict}.subject_id AND n.judge = ${verdict}.judge
    AND (n.created_at, n.id) > (${verdict}.created_at, ${verdict}.id))`;
}

/** How far this version of a judge has come, by the number of what it was asked of last. */
export function judgedTo(db: Db, { name, version }: JudgeRef): number {
  return (
    prepared<[string, string], { seq: number }>(
      db,
      'SELECT seq FROM judge_marks WHERE judge = ? AND judge_version = ?',
    ).get(name, version)?.seq ?? 0
  );
}

/** It has come so far, and never goes back. */
export function markJudged(db: Db, { name, version }: JudgeRef, seq: number): void {
  prepared<[string, string, number]>(
    db,
    `INSERT INTO judge_marks (judge, judge_version, seq) VALUES (?, ?, ?)
      ON CONFLICT DO UPDATE SET seq = max(seq, excluded.seq)`,
  ).run(name, version, seq);
}

export function verdictsOf(db: Db, kind: SubjectKind, ids: readonly string[]): Map<string, Verdict[]> {
  const found = new Map<string, Verdict[]>();
  for (let from = 0; from < ids.length; from += 500) {
    const rows = db
      .select()
      .from(verdicts)
      .where(and(eq(verdicts.subjectKind, kind), inArray(verdicts.subjectId, ids.slice(from, from + 500))))
      .all();
    for (const { score, good, confidence, ...row } of rows) {
      const verdict: Verdict = {
        ...row,
        score: score ?? undefined,
        good: good ?? undefined,
        ...(confidence === null ? {} : { confidence }),
      };
      found.set(row.subjectId, [...(found.get(row.subjectId) ?? []), verdict]);
    }
  }
  return found;
}
