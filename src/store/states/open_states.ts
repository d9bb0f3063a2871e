/** The states that a cycle may take up: some of each key, in an order that begins elsewhere each time. */
import type { OpenState } from '../../core/learning/candidate.js';
import type { OpenQuery } from '../../core/ports.js';
import { sha256 } from '../../core/text/hash.js';
import { prepared, type Db } from '../file/db.js';
import { unpacked } from './facts.js';
import { drawOf } from './state_row.js';

interface Row {
  readonly id: number;
  readonly stepId: string;
  readonly trajectoryId: string;
  readonly visits: number;
  readonly lastRate: number | null;
  readonly told: number;
  readonly steps: number;
  readonly draw: number;
  readonly policyVersion: number;
  readonly facts: number;
  readonly notTrainable: string | null;
}

/** Rows that are looked at before a key's states are enough as they are: many of them may be of one conversation. */
const LOOKED_AT = 2_000;

const PAGE = `SELECT x.id, s.id AS stepId, s.trajectory_id AS trajectoryId, x.visits, x.last_rate AS lastRate, x.told,
    x.steps, x.draw, c.policy_version AS policyVersion, c.facts, c.not_trainable AS notTrainable
  FROM states x CROSS JOIN steps s ON s.seq = x.first CROSS JOIN candidates c ON c.seq = x.first AND c.policy = x.policy
  WHERE x.policy = @policy AND x.mode = @mode AND x.key_id = @keyId AND x.own = @own AND x.bucket = @bucket
    AND x.known = @known AND x.draw >= @from AND x.draw < @to AND x.steps > 0 AND x.set_aside IS NULL
    AND x.visits < @reuse AND x.last_version <> @head
  ORDER BY x.draw LIMIT ${LOOKED_AT}`;

const GIVERS = `SELECT DISTINCT c.key_id AS keyId, c.own,
    CASE WHEN c.own OR EXISTS (SELECT 1 FROM keys a WHERE a.id = c.key_id AND a.role = 'admin') THEN NULL
      ELSE c.key_id END AS giver
  FROM visit_counts c WHERE c.policy = ? AND c.mode = ? AND c.states > 0`;

const ALL = 2 ** 32;

export function openStates(db: Db, policy: string, query: OpenQuery): OpenState[] {
  const { mode, head, reuse, limit, perTrajectory, seed } = query;
  const start = drawOf(sha256(seed).slice(3));
  const keys = prepared<[string, string], { keyId: string; own: 0 | 1; giver: string | null }>(db, GIVERS).all(
    policy,
    mode,
  );
  const open: { readonly at: number; readonly state: OpenState }[] = [];
  for (const { keyId, own, giver } of keys)
    for (const known of [1, 0])
      for (const bucket of [0, 1, 2]) {
        const inTrajectory = new Map<string, number>();
        let taken = 0;
        for (const [from, to] of [
          [start, ALL],
          [0, start],
        ]) {
          const page = prepared<[object], Row>(db, PAGE);
          for (const row of page.iterate({ policy, mode, head, reuse, keyId, own, bucket, known, from, to })) {
            if (taken >= limit) break;
            const before = inTrajectory.get(row.trajectoryId) ?? 0;
            if (before >= perTrajectory) continue;
            inTrajectory.set(row.trajectoryId, before + 1);
            taken += 1;
            open.push({ at: (row.draw - start + ALL) % ALL, state: opened(row, giver ?? undefined) });
          }
        }
      }
  return open.sort((a, b) => a.at - b.at).map(({ state }) => state);
}

function opened(row: Row, giver: string | undefined): OpenState {
  const { stepId, trajectoryId, visits, lastRate, told, steps } = row;
  return {
    stepId,
    trajectoryId,
    giver,
    visits,
    lastRate: lastRate ?? undefined,
    told: told > 0,
    good: unpacked(row).good,
    again: steps - 1,
  };
}
