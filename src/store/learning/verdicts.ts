/** Verdicts: only added, one per subject, judge and version of the judge; and the steps that still lack one. */
import { and, eq, inArray, sql } from 'drizzle-orm';

import type { SubjectKind, Unjudged, Verdict } from '../../core/learning/judging.js';
import { prepared, type Db } from '../file/db.js';
import { appendLedger, contentHashOf } from '../file/ledger.js';
import { UPSTREAM_STEP } from '../file/policy_version.js';
import { verdicts } from '../file/schema.js';
import { CONSENTED } from './consent.js';

/** Steps that may be learned from, with an action, that lack a verdict of `judge` at `version`, oldest first. */
export function unjudgedSteps(
  db: Db,
  judge: { readonly name: string; readonly version: string },
  limit: number,
): Unjudged[] {
  return db.all<Unjudged>(sql`
    SELECT s.id AS stepId, s.trajectory_id AS trajectoryId, s.idx AS "index", t.task_id AS taskId,
      (r.outcome = 'completed' AND s.idx = (SELECT max(idx) FROM steps WHERE trajectory_id = s.trajectory_id)) AS last
    FROM steps s
    JOIN trajectories t ON t.id = s.trajectory_id
    JOIN responses r ON r.id = s.response_id
    WHERE ${CONSENTED} AND s.policy_version > ${UPSTREAM_STEP} AND s.outcome = 'done'
      AND s.action_tip IS NOT NULL
      AND NOT EXISTS (SELECT 1 FROM verdicts v WHERE v.subject_kind = 'step' AND v.subject_id = s.id
        AND v.judge = ${judge.name} AND v.judge_version = ${judge.version})
    ORDER BY s.seq LIMIT ${limit}`);
}

/** Adds verdicts; one that is there already stays as it is, and of what was deleted meanwhile none is kept. */
export function saveVerdicts(db: Db, list: readonly Verdict[]): void {
  db.transaction(
    (tx) => {
      const added: [string, string, string][] = [];
      for (const verdict of list) {
        if (!isThere(db, verdict)) continue;
        const row = { ...verdict, score: verdict.score ?? null, good: verdict.good ?? null };
        if (tx.insert(verdicts).values(row).onConflictDoNothing().run().changes > 0)
          added.push(['verdicts', row.id, contentHashOf('verdicts', row)]);
      }
      appendLedger(tx, added);
    },
    { behavior: 'immediate' },
  );
}

const TABLES = { step: 'steps', trajectory: 'trajectories', sample: 'samples' } as const;

function isThere(db: Db, { subjectKind, subjectId }: Pick<Verdict, 'subjectKind' | 'subjectId'>): boolean {
  return prepared<[string]>(db, `SELECT 1 FROM ${TABLES[subjectKind]} WHERE id = ?`).get(subjectId) !== undefined;
}

export function verdictsOf(db: Db, kind: SubjectKind, ids: readonly string[]): Map<string, Verdict[]> {
  const found = new Map<string, Verdict[]>();
  for (let from = 0; from < ids.length; from += 500) {
    const rows = db
      .select()
      .from(verdicts)
      .where(and(eq(verdicts.subjectKind, kind), inArray(verdicts.subjectId, ids.slice(from, from + 500))))
      .all();
    for (const { score, good, ...row } of rows) {
      const verdict: Verdict = { ...row, score: score ?? undefined, good: good ?? undefined };
      found.set(row.subjectId, [...(found.get(row.subjectId) ?? []), verdict]);
    }
  }
  return found;
}
