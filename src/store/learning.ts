/**
 * The learning clock's queries: candidates for a filter, claims, samples, batches, versions, decisions,
 * evaluations. Every verb is idempotent or refused by a unique index, so a stage can be run again from
 * its rows. Knows nothing of judges or trainers.
 */
import { and, desc, eq, inArray, sql } from 'drizzle-orm';

import { internal } from '../core/errors.js';
import { chain } from '../core/hash.js';
import { newId } from '../core/ids.js';
import type { SubjectKind, Verdict } from '../core/judging.js';
import type { TrainMode } from '../core/cycle.js';
import type { Sample } from '../core/sample.js';
import type { Task } from '../core/task.js';
import { NO_VERSION } from '../core/trajectory.js';
import type { Decision, Evaluation, Version } from '../core/version.js';
import type { Db } from './file/db.js';
import { appendLedger, contentHashOf } from './file/ledger.js';
import { cycleSteps, decisions, evaluations, samples, steps, tasks, verdicts, versions } from './file/schema.js';
import { packF32, packU32, unpackF32, unpackU32 } from './file/tokens.js';

/**
 * Keeps the tasks; a known id gets the new content. The hash is the chain tip of its messages, by which a held-out
 * question is known wherever it is asked.
 */
export function saveTasks(db: Db, list: readonly Task[]): void {
  const createdAt = Date.now();
  db.transaction(
    (tx) => {
      for (const task of list) {
        const row = { hash: chain(task.messages).at(-1) ?? '', split: task.split, body: JSON.stringify(task) };
        tx.insert(tasks)
          .values({ id: task.id, ...row, createdAt })
          .onConflictDoUpdate({ target: tasks.id, set: row })
          .run();
      }
    },
    { behavior: 'immediate' },
  );
}

export function taskById(db: Db, id: string): Task | undefined {
  const row = db.select({ body: tasks.body }).from(tasks).where(eq(tasks.id, id)).get();
  return row === undefined ? undefined : (JSON.parse(row.body) as Task);
}

/** Tasks of a split in the order of their ids. */
export function tasksOf(db: Db, split: Task['split']): Task[] {
  return db
    .select({ body: tasks.body })
    .from(tasks)
    .where(eq(tasks.split, split))
    .orderBy(tasks.id)
    .all()
    .map((row) => JSON.parse(row.body) as Task);
}

/** A step that at least one of the judges, in its present version, has not looked at. */
export interface Unjudged {
  readonly stepId: string;
  readonly trajectoryId: string;
  readonly index: number;
  readonly taskId: string | null;
  /** True for the last step of a completed answer: its text is the trajectory's outcome. */
  readonly last: boolean;
}

/** Consented steps of the policy with an action that lack a verdict of `judge` at `version`, oldest first. */
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
    WHERE s.consent = 1 AND t.consent = 1 AND s.policy_version > ${NO_VERSION} AND s.outcome = 'done'
      AND s.action_tip IS NOT NULL
      AND NOT EXISTS (SELECT 1 FROM verdicts v WHERE v.subject_kind = 'step' AND v.subject_id = s.id
        AND v.judge = ${judge.name} AND v.judge_version = ${judge.version})
    ORDER BY s.seq LIMIT ${limit}`);
}

/** Adds verdicts; one that is there already stays as it is. */
export function saveVerdicts(db: Db, list: readonly Verdict[]): void {
  db.transaction(
    (tx) => {
      const added: [string, string, string][] = [];
      for (const verdict of list) {
        const row = { ...verdict, score: verdict.score ?? null, good: verdict.good ?? null };
        if (tx.insert(verdicts).values(row).onConflictDoNothing().run().changes > 0)
          added.push(['verdicts', row.id, contentHashOf('verdicts', row)]);
      }
      appendLedger(tx, added);
    },
    { behavior: 'immediate' },
  );
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
      const verdict: Verdict = { ...row, ...(score === null ? {} : { score }), ...(good === null ? {} : { good }) };
      found.set(row.subjectId, [...(found.get(row.subjectId) ?? []), verdict]);
    }
  }
  return found;
}

/** What a filter looks at; the fields of `filter`'s Candidate, absence as null. */
export interface CandidateRow {
  readonly stepId: string;
  readonly trajectoryId: string;
  readonly index: number;
  readonly policyVersion: number;
  readonly consent: 0 | 1;
  readonly heldout: 0 | 1;
  readonly evaluated: 0 | 1;
  readonly finished: 0 | 1;
  readonly used: 0 | 1;
  readonly hasState: 0 | 1;
  readonly notTrainable: string | null;
  readonly good: 0 | 1 | null;
  readonly earlierGood: 0 | 1 | null;
  readonly allGood: 0 | 1 | null;
  readonly outcomeGood: 0 | 1 | null;
}

/**
 * The newest steps of the policy no batch of this mode has taken up, with their verdicts folded: `deciding` lists
 * judges, the one that decides first. The fold of several steps is bad if one is bad, else unknown if one is unknown.
 */
export function candidateRows(
  db: Db,
  mode: TrainMode,
  decidingJudges: readonly string[],
  limit: number,
): CandidateRow[] {
  const rank = sql.join(
    decidingJudges.map((judge, at) => sql`WHEN ${judge} THEN ${at}`),
    sql` `,
  );
  const fold = (where: ReturnType<typeof sql>): ReturnType<typeof sql> => sql`(
    SELECT CASE WHEN min(d2.good) = 0 THEN 0 WHEN count(*) > count(d2.good) THEN NULL ELSE 1 END
    FROM steps s2 LEFT JOIN deciding d2 ON d2.id = s2.id WHERE s2.trajectory_id = s.trajectory_id AND ${where})`;
  return db.all<CandidateRow>(sql`
    WITH recent AS (
      SELECT s.* FROM steps s WHERE s.policy_version > ${NO_VERSION}
        AND NOT EXISTS (SELECT 1 FROM cycle_steps c WHERE c.step_id = s.id AND c.mode = ${mode})
      ORDER BY s.seq DESC LIMIT ${limit}),
    deciding AS (
      SELECT id, good FROM (
        SELECT v.subject_id AS id, v.good, row_number() OVER (PARTITION BY v.subject_id
          ORDER BY CASE v.judge ${rank} END, v.created_at DESC) AS place
        FROM verdicts v WHERE v.subject_kind = 'step' AND v.good IS NOT NULL AND v.judge IN (${sql.join(
          decidingJudges.map((judge) => sql`${judge}`),
          sql`, `,
        )})
          AND v.subject_id IN (SELECT s3.id FROM steps s3 WHERE s3.trajectory_id IN (SELECT trajectory_id FROM recent)))
      WHERE place = 1)
    SELECT s.id AS stepId, s.trajectory_id AS trajectoryId, s.idx AS "index", s.policy_version AS policyVersion,
      (s.consent AND t.consent) AS consent,
      (coalesce(k.split, '') = 'heldout' OR EXISTS (
        SELECT 1 FROM steps s0 JOIN tasks h ON h.hash = s0.state_tip
          AND h.split = 'heldout' WHERE s0.trajectory_id = s.trajectory_id)) AS heldout,
      (t.origin = 'evaluate') AS evaluated,
      (s.outcome = 'done' AND EXISTS (SELECT 1 FROM responses r WHERE r.id = s.response_id)) AS finished,
      0 AS used,
      (s.prompt_suffix IS NOT NULL AND coalesce(s.not_trainable, '') NOT IN ('upstream', 'constrained',
        'no_token_ids')) AS hasState,
      s.not_trainable AS notTrainable, d.good AS good,
      CASE WHEN s.idx = 0 THEN 1 ELSE ${fold(sql`s2.idx < s.idx`)} END AS earlierGood,
      ${fold(sql`1 = 1`)} AS allGood,
      (SELECT v.good FROM verdicts v WHERE v.subject_kind = 'trajectory' AND v.subject_id = s.trajectory_id
        AND v.good IS NOT NULL
        ORDER BY v.created_at DESC LIMIT 1) AS outcomeGood
    FROM recent s
    JOIN trajectories t ON t.id = s.trajectory_id
    LEFT JOIN tasks k ON k.id = t.task_id
    LEFT JOIN deciding d ON d.id = s.id
    ORDER BY s.seq`);
}

/** How many of the newest `limit` steps are upstreams': they are no candidates, and take no candidate's place. */
export function upstreamSteps(db: Db, limit: number): number {
  return db.get<{ steps: number }>(
    sql`SELECT count(*) AS steps FROM (SELECT policy_version FROM steps ORDER BY seq DESC LIMIT ${limit})
      WHERE policy_version = ${NO_VERSION}`,
  ).steps;
}

/** Takes steps up for a cycle. Returns those that were free; a step is taken up at most once per mode. */
export function claim(db: Db, cycleId: string, mode: TrainMode, stepIds: readonly string[]): string[] {
  return db.transaction(
    (tx) =>
      stepIds.filter(
        (stepId) => tx.insert(cycleSteps).values({ stepId, mode, cycleId }).onConflictDoNothing().run().changes > 0,
      ),
    { behavior: 'immediate' },
  );
}

/** Gives back what a cycle took up and no batch holds. */
export function unclaim(db: Db, cycleId: string): void {
  db.run(sql`DELETE FROM cycle_steps WHERE cycle_id = ${cycleId} AND NOT EXISTS (
    SELECT 1 FROM batch_items i JOIN batches b ON b.id = i.batch_id
    WHERE i.step_id = cycle_steps.step_id AND b.cycle_id = cycle_steps.cycle_id)`);
}

export function claimed(db: Db, cycleId: string): { stepId: string; trajectoryId: string }[] {
  return db
    .select({ stepId: steps.id, trajectoryId: steps.trajectoryId })
    .from(cycleSteps)
    .innerJoin(steps, eq(steps.id, cycleSteps.stepId))
    .where(eq(cycleSteps.cycleId, cycleId))
    .orderBy(steps.seq)
    .all();
}

/** All samples of one state in one transaction: a state has its whole group or nothing. */
export function saveSamples(db: Db, list: readonly Sample[]): void {
  db.transaction(
    (tx) => {
      for (const { promptTokenIds, tokenIds, logprobs, text, calls, temperature, cut, ...row } of list) {
        const body = JSON.stringify({ text, calls, temperature, cut });
        tx.insert(samples)
          .values({
            ...row,
            body,
            promptTokenIds: packU32(promptTokenIds),
            tokenIds: packU32(tokenIds),
            logprobs: packF32(logprobs),
          })
          .run();
      }
    },
    { behavior: 'immediate' },
  );
}

export function samplesOf(db: Db, cycleId: string): Sample[] {
  return db
    .select()
    .from(samples)
    .where(eq(samples.cycleId, cycleId))
    .orderBy(samples.id)
    .all()
    .map(({ body, ...row }) => ({
      ...row,
      ...(JSON.parse(body) as Pick<Sample, 'text' | 'calls' | 'temperature' | 'cut'>),
      promptTokenIds: unpackU32(row.promptTokenIds),
      tokenIds: unpackU32(row.tokenIds),
      logprobs: unpackF32(row.logprobs),
    }));
}

/** Adds a version; a number that is taken is refused: versions only grow. */
export function saveVersion(db: Db, version: Version): void {
  db.transaction(
    (tx) => {
      const newest =
        tx.select({ version: versions.version }).from(versions).orderBy(desc(versions.version)).get()?.version ?? -1;
      if (
        version.version === newest &&
        tx.select().from(versions).where(eq(versions.version, newest)).get()?.batchId === (version.batchId ?? null) &&
        version.batchId !== undefined
      )
        return;
      if (version.version <= newest)
        throw internal(`version ${version.version} is not newer than ${newest}: policy versions only grow`);
      const { parent = null, batchId = null, copyOf = null, metrics, ...row } = version;
      tx.insert(versions)
        .values({ ...row, parent, batchId, copyOf, metrics: JSON.stringify(metrics) })
        .run();
    },
    { behavior: 'immediate' },
  );
}

export function allVersions(db: Db): Version[] {
  return db
    .select()
    .from(versions)
    .orderBy(versions.version)
    .all()
    .map(({ parent, batchId, copyOf, metrics, ...row }) => ({
      ...row,
      ...(parent === null ? {} : { parent }),
      ...(batchId === null ? {} : { batchId }),
      ...(copyOf === null ? {} : { copyOf }),
      metrics: JSON.parse(metrics) as Record<string, unknown>,
    }));
}

export function decide(db: Db, decision: Omit<Decision, 'id' | 'createdAt'>): Decision {
  const made: Decision = { id: newId('dec'), createdAt: Date.now(), ...decision };
  const row = { ...made, against: made.against ?? null, numbers: JSON.stringify(made.numbers) };
  db.transaction(
    (tx) => {
      tx.insert(decisions).values(row).run();
      appendLedger(tx, [['decisions', row.id, contentHashOf('decisions', row)]]);
    },
    { behavior: 'immediate' },
  );
  return made;
}

/** Newest first. */
export function decisionsOf(db: Db, limit: number, version?: number): Decision[] {
  const rows = db
    .select()
    .from(decisions)
    .where(version === undefined ? undefined : eq(decisions.version, version))
    .orderBy(desc(decisions.id))
    .limit(limit)
    .all();
  return rows.map(({ against, numbers, ...row }) => ({
    ...row,
    ...(against === null ? {} : { against }),
    numbers: JSON.parse(numbers) as Record<string, unknown>,
  }));
}

/** Version of the last promotion or rollback that passed; 0 before the first. */
export function servingVersion(db: Db): number {
  return (
    db
      .select({ version: decisions.version })
      .from(decisions)
      .where(and(inArray(decisions.kind, ['promotion', 'rollback']), eq(decisions.passed, true)))
      .orderBy(desc(decisions.id))
      .get()?.version ?? 0
  );
}

/** The version training and sampling follow: the newest of trained versions and head resets. */
export function headVersion(db: Db): number {
  const reset = db
    .select({ version: decisions.version, at: decisions.createdAt })
    .from(decisions)
    .where(inArray(decisions.kind, ['head_reset', 'rollback']))
    .orderBy(desc(decisions.id))
    .get();
  const trained = db
    .select({ version: versions.version, at: versions.createdAt })
    .from(versions)
    .where(eq(versions.kind, 'trained'))
    .orderBy(desc(versions.version))
    .get();
  if (trained === undefined) return reset?.version ?? 0;
  return reset !== undefined && reset.at >= trained.at ? reset.version : trained.version;
}

export function saveEvaluation(db: Db, evaluation: Evaluation): void {
  db.insert(evaluations)
    .values({ ...evaluation, results: JSON.stringify(evaluation.results) })
    .run();
}

/** The newest evaluation of a version on a task set. */
export function evaluationOf(db: Db, version: number, taskSet: string): Evaluation | undefined {
  const row = db
    .select()
    .from(evaluations)
    .where(and(eq(evaluations.version, version), eq(evaluations.taskSet, taskSet)))
    .orderBy(desc(evaluations.createdAt))
    .get();
  return row === undefined ? undefined : { ...row, results: JSON.parse(row.results) as Evaluation['results'] };
}
