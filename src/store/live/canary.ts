/** The canary as rows: which version answers a share of the conversations, how they went, and how it ended. */
import { newId } from '../../core/ids.js';
import { isInShare } from '../../core/judging/conversation.js';
import type { Canary, CanaryOutcome, CanaryStatus, ServedCanary } from '../../core/judging/live.js';
import type { Decision, NewDecision } from '../../core/learning/version.js';
import { prepared, type Db } from '../file/db.js';
import { consented } from '../learning/consent.js';
import { decided, servingVersion } from '../learning/decisions.js';
import { type HeldOut, heldOutOf, liveHoldoutOf } from '../learning/held_out.js';
import { wentOf } from './went.js';

/** Steps that are read in one transaction. */
const AT_ONCE = 500;

const COLUMNS = `id, version, against, share, gate_id AS gateId, candidate, started_at AS startedAt`;

interface Row extends Omit<Canary, 'gateId'> {
  readonly gateId: string | null;
}

/** The one that goes on. */
export function openCanary(db: Db, policy: string): Canary | undefined {
  const row = prepared<[string], Row>(db, `SELECT ${COLUMNS} FROM canaries WHERE policy = ? AND ended_at IS NULL`).get(
    policy,
  );
  return row === undefined ? undefined : { ...row, gateId: row.gateId ?? undefined };
}

export function canaryStatus(db: Db, policy: string): CanaryStatus | undefined {
  const canary = openCanary(db, policy);
  if (canary === undefined) return undefined;
  const rows = prepared<[string], { arm: 'candidate' | 'serving'; count: number }>(
    db,
    'SELECT arm, count(*) AS count FROM canary_outcomes WHERE canary_id = ? GROUP BY arm',
  ).all(canary.id);
  const read = { candidate: 0, serving: 0 };
  for (const { arm, count } of rows) read[arm] = count;
  return { ...canary, read };
}

/** As serving sees it: none once another version serves than what it is compared with. */
export function servedCanary(db: Db, policy: string): ServedCanary | undefined {
  const canary = openCanary(db, policy);
  if (canary === undefined || canary.against !== servingVersion(db, policy)) return undefined;
  return { id: canary.id, version: canary.version, share: canary.share, salt: liveHoldoutOf(db).salt };
}

/** Undefined where one goes on, or another version serves by now. */
export function beginCanary(db: Db, policy: string, begun: Omit<Canary, 'id' | 'startedAt'>): Canary | undefined {
  return db.transaction(
    () => {
      if (openCanary(db, policy) !== undefined || servingVersion(db, policy) !== begun.against) return undefined;
      const canary: Canary = { id: newId('can'), startedAt: Date.now(), ...begun };
      prepared(
        db,
        `INSERT INTO canaries (id, policy, version, against, share, gate_id, candidate, since, read_to, started_at)
          SELECT @id, @policy, @version, @against, @share, @gateId, @candidate, coalesce(max(seq), 0),
            coalesce(max(seq), 0), @startedAt FROM steps`,
      ).run({ ...canary, gateId: canary.gateId ?? null, policy });
      return canary;
    },
    { behavior: 'immediate' },
  );
}

interface StepRow {
  readonly seq: number;
  readonly stepId: string;
  readonly trajectoryId: string;
  readonly policyVersion: number;
  readonly stateAt: number;
  readonly stateTip: string;
  readonly startedAt: number;
  readonly isLive: 0 | 1;
  readonly began: 0 | 1;
}

/**
 * Reads how conversations went that began with the canary and have had until `settledBy`, each once. Whether there are
 * more to read.
 */
export function readOutcomes(db: Db, canary: Canary, settledBy: number): boolean {
  return db.transaction(
    () => {
      const mark = prepared<[string], { since: number; readTo: number }>(
        db,
        'SELECT since, read_to AS readTo FROM canaries WHERE id = ? AND ended_at IS NULL',
      ).get(canary.id);
      if (mark === undefined) return false;
      const rows = prepared<[{ since: number; readTo: number }], StepRow>(
        db,
        `SELECT s.seq, s.id AS stepId, s.trajectory_id AS trajectoryId, s.policy_version AS policyVersion,
            s.state_at AS stateAt, s.state_tip AS stateTip, s.started_at AS startedAt,
            t.origin = 'live' AND t.model = 'gyre' AS isLive,
            NOT EXISTS (SELECT 1 FROM steps e WHERE e.trajectory_id = s.trajectory_id AND e.seq <= @since) AS began
          FROM steps s JOIN trajectories t ON t.id = s.trajectory_id
          WHERE s.seq > @readTo ORDER BY s.seq LIMIT ${AT_ONCE}`,
      ).all(mark);
      let { readTo } = mark;
      let more = rows.length === AT_ONCE;
      const heldOut = heldOutOf(db);
      for (const row of rows) {
        if (row.startedAt > settledBy) {
          more = false;
          break;
        }
        readOne(db, canary, heldOut, row);
        readTo = row.seq;
      }
      prepared<[number, string]>(db, 'UPDATE canaries SET read_to = ? WHERE id = ?').run(readTo, canary.id);
      return more;
    },
    { behavior: 'immediate' },
  );
}

function readOne(db: Db, canary: Canary, heldOut: HeldOut, row: StepRow): void {
  const { policyVersion, trajectoryId } = row;
  if (row.isLive === 0 || row.began === 0) return;
  if (policyVersion !== canary.version && policyVersion !== canary.against) return;
  const conversation = heldOut.conversationAt(row.stateAt, row.stateTip);
  if (conversation === undefined) return;
  // Whoever names a version has chosen it, and one that could not be loaded answered nobody: neither is drawn by lot.
  const drawn = isInShare(conversation, canary.id, canary.share);
  if (drawn !== (policyVersion === canary.version)) return;
  if (!consented(db, [row.stepId]).has(row.stepId)) return;
  const went = wentOf(db, trajectoryId);
  prepared(
    db,
    `INSERT INTO canary_outcomes (canary_id, conversation, trajectory_id, arm, score, source, failed, created_at)
      VALUES (@canaryId, @conversation, @trajectoryId, @arm, @score, @source, @failed, @createdAt)
      ON CONFLICT DO NOTHING`,
  ).run({
    canaryId: canary.id,
    conversation,
    trajectoryId,
    arm: drawn ? 'candidate' : 'serving',
    score: went.score ?? null,
    source: went.source ?? null,
    failed: Number(went.failed),
    createdAt: Date.now(),
  });
}

/** In the order in which they were read. */
export function outcomesOf(db: Db, canaryId: string): CanaryOutcome[] {
  return prepared<
    [string],
    Omit<CanaryOutcome, 'score' | 'source' | 'failed'> & {
      readonly score: number | null;
      readonly source: string | null;
      readonly failed: 0 | 1;
    }
  >(
    db,
    `SELECT conversation, coalesce(trajectory_id, '') AS trajectoryId, arm, score, source, failed
      FROM canary_outcomes WHERE canary_id = ? ORDER BY seq`,
  )
    .all(canaryId)
    .map(({ score, source, failed, ...row }) => ({
      ...row,
      ...(score === null ? {} : { score, source: source ?? undefined }),
      failed: failed === 1,
    }));
}

/**
 * Ends it: with what was decided, and the promotion that follows where that passed and what it was compared with still
 * serves; or without, where others have decided meanwhile. Undefined where it has ended.
 */
export function endCanary(
  db: Db,
  policy: string,
  canary: Canary,
  decision: NewDecision | undefined,
): { readonly decision: Decision | undefined; readonly promoted: boolean } | undefined {
  return db.transaction(
    (tx) => {
      if (openCanary(db, policy)?.id !== canary.id) return undefined;
      const made = decision === undefined ? undefined : decided(tx, policy, decision);
      prepared<[number, string | null, string]>(
        db,
        'UPDATE canaries SET ended_at = ?, decision_id = ? WHERE id = ?',
      ).run(Date.now(), made?.id ?? null, canary.id);
      const promoted = made?.passed === true && servingVersion(db, policy) === canary.against;
      if (promoted)
        decided(tx, policy, {
          kind: 'promotion',
          version: canary.version,
          against: canary.against,
          passed: true,
          reason: made.reason,
          numbers: { canary: made.id, ...(canary.gateId === undefined ? {} : { gate: canary.gateId }) },
        });
      return { decision: made, promoted };
    },
    { behavior: 'immediate' },
  );
}
