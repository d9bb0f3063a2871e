/** Versions of judges that are trained here, and the labels they are trained on. */
import { and, desc, eq, inArray, sql } from 'drizzle-orm';

import type { HeldOut, Label, LearnedVersion, NewLearnedVersion, TrainedJudge } from '../../core/judging/learned.js';
import { GYRE_POLICY } from '../../core/learning/policy_name.js';
import { prepared, type Db } from '../file/db.js';
import { judgeVersions } from '../file/schema.js';
import { UPSTREAM_STEP } from '../file/policy_version.js';
import { isNewest } from '../learning/verdicts.js';

type Row = typeof judgeVersions.$inferSelect;

/** The column `gold`. Earlier builds wrote the steps alone. */
interface Gold {
  readonly steps: readonly string[];
  readonly heldOut?: HeldOut | undefined;
}

/** Newest first. */
export function judgeVersionsOf(db: Db, judge: string): LearnedVersion[] {
  return db
    .select()
    .from(judgeVersions)
    .where(eq(judgeVersions.judge, judge))
    .orderBy(desc(judgeVersions.version))
    .all()
    .map(versionOf);
}

/** The one that is asked now. */
export function servingJudge(db: Db, judge: string): LearnedVersion | undefined {
  const row = db
    .select()
    .from(judgeVersions)
    .where(and(eq(judgeVersions.judge, judge), eq(judgeVersions.state, 'serving')))
    .orderBy(desc(judgeVersions.version))
    .limit(1)
    .get();
  return row === undefined ? undefined : versionOf(row);
}

/** Of every judge those whose adapters are needed: what serves, and what is in the making. */
export function judgesWithAdapters(db: Db): readonly Pick<LearnedVersion, 'judge' | 'version' | 'state'>[] {
  return db
    .select({ judge: judgeVersions.judge, version: judgeVersions.version, state: judgeVersions.state })
    .from(judgeVersions)
    .where(inArray(judgeVersions.state, ['serving', 'training']))
    .all();
}

/** Under the next number of its judge. */
export function beginJudge(db: Db, wanted: NewLearnedVersion, now = Date.now()): LearnedVersion {
  return db.transaction(
    (tx) => {
      const last = tx
        .select({ version: sql<number | null>`max(${judgeVersions.version})` })
        .from(judgeVersions)
        .where(eq(judgeVersions.judge, wanted.judge))
        .get()?.version;
      const { good, bad, known, gold, heldOut, ...plain } = wanted;
      const row = {
        ...plain,
        version: (last ?? 0) + 1,
        state: 'training' as const,
        good: JSON.stringify(good),
        bad: JSON.stringify(bad),
        known: JSON.stringify(known),
        gold: JSON.stringify({ steps: gold, heldOut } satisfies Gold),
        note: '',
        createdAt: now,
        updatedAt: now,
      };
      return versionOf(tx.insert(judgeVersions).values(row).returning().get());
    },
    { behavior: 'immediate' },
  );
}

/** It is asked from now on, and the one before it no more. */
export function judgeTrained(db: Db, judge: string, version: number, made: TrainedJudge, now = Date.now()): void {
  db.transaction(
    (tx) => {
      tx.update(judgeVersions)
        .set({ state: 'replaced', updatedAt: now })
        .where(and(eq(judgeVersions.judge, judge), eq(judgeVersions.state, 'serving')))
        .run();
      tx.update(judgeVersions)
        .set({
          state: 'serving',
          report: JSON.stringify(made.report),
          scaling: JSON.stringify(made.scaling),
          adapter: made.adapter,
          judgeVersion: made.judgeVersion,
          updatedAt: now,
        })
        .where(and(eq(judgeVersions.judge, judge), eq(judgeVersions.version, version)))
        .run();
    },
    { behavior: 'immediate' },
  );
}

/** It speaks of less from now on, and so is another in its verdicts. */
export function judgeNarrowed(
  db: Db,
  judge: string,
  version: number,
  { known, judgeVersion }: Required<Pick<LearnedVersion, 'known' | 'judgeVersion'>>,
  now = Date.now(),
): void {
  db.update(judgeVersions)
    .set({ known: JSON.stringify(known), judgeVersion, updatedAt: now })
    .where(and(eq(judgeVersions.judge, judge), eq(judgeVersions.version, version)))
    .run();
}

export function judgeEnded(
  db: Db,
  judge: string,
  version: number,
  state: 'failed' | 'lost',
  note: string,
  now = Date.now(),
): void {
  db.update(judgeVersions)
    .set({ state, note, updatedAt: now })
    .where(and(eq(judgeVersions.judge, judge), eq(judgeVersions.version, version)))
    .run();
}

export function judgeCalibrated(db: Db, judge: string, version: number, note: string, now = Date.now()): void {
  db.update(judgeVersions)
    .set({ calibratedAt: now, note, updatedAt: now })
    .where(and(eq(judgeVersions.judge, judge), eq(judgeVersions.version, version)))
    .run();
}

/**
 * What those who label said of steps, as each says it now: of one step the word of the first of `by` who could tell.
 * The newest steps first, at most `limit` of each. An abstention of one who said something before takes it back.
 */
export function labelsOf(db: Db, by: readonly string[], limit: number): Label[] {
  const said = new Map<string, readonly Omit<Label, 'by'>[]>();
  for (const judge of by) {
    const rows = prepared<[{ judge: string; limit: number }], { stepId: string; good: number | null; author: string }>(
      db,
      `SELECT s.id AS stepId, v.good AS good,
          CASE s.policy_version WHEN ${UPSTREAM_STEP} THEN t.model ELSE '${GYRE_POLICY}' END AS author
        FROM verdicts v JOIN steps s ON s.id = v.subject_id JOIN trajectories t ON t.id = s.trajectory_id
        WHERE v.subject_kind = 'step' AND v.judge = @judge AND s.consent
          AND ${isNewest('v')}
        ORDER BY s.seq DESC LIMIT @limit`,
    ).all({ judge, limit });
    said.set(
      judge,
      rows.flatMap(({ good, ...row }) => (good === null ? [] : [{ ...row, good: good === 1 }])),
    );
  }
  const labels = new Map<string, Label>();
  for (const judge of by)
    for (const label of said.get(judge) ?? [])
      if (!labels.has(label.stepId)) labels.set(label.stepId, { ...label, by: judge });
  return [...labels.values()].slice(0, limit);
}

function versionOf(row: Row): LearnedVersion {
  const gold = JSON.parse(row.gold) as Gold | readonly string[];
  const { steps, heldOut }: Gold = 'steps' in gold ? gold : { steps: gold };
  return {
    judge: row.judge,
    version: row.version,
    state: row.state,
    labels: row.labels,
    labelsHash: row.labelsHash,
    recipe: row.recipe,
    good: JSON.parse(row.good) as LearnedVersion['good'],
    bad: JSON.parse(row.bad) as LearnedVersion['bad'],
    known: JSON.parse(row.known) as LearnedVersion['known'],
    gold: steps,
    heldOut,
    report: row.report === null ? undefined : (JSON.parse(row.report) as LearnedVersion['report']),
    scaling: row.scaling === null ? undefined : (JSON.parse(row.scaling) as LearnedVersion['scaling']),
    adapter: row.adapter ?? undefined,
    judgeVersion: row.judgeVersion ?? undefined,
    calibratedAt: row.calibratedAt ?? undefined,
    note: row.note,
    createdAt: row.createdAt,
    updatedAt: row.updatedAt,
  };
}
