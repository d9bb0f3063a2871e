/** What there is to learn from, out of counts that triggers keep: as quick in a large log as in a small one. */
import type { CandidateRule, Giver, StateTally } from '../../core/learning/candidate.js';
import type { ReuseBounds } from '../../core/ports.js';
import { prepared, type Db } from '../file/db.js';
import { type FactsRow, unpacked } from './facts.js';
import { isCounted } from './fold.js';

interface Kind {
  readonly giver: string | null;
  readonly open: 0 | 1;
  readonly known: 0 | 1;
  readonly states: number;
}

export interface TallyQuery extends ReuseBounds {
  readonly rule: CandidateRule;
  /** Only this key's. */
  readonly keyId?: string | undefined;
}

/** Of those that may be visited as often, the ones that the head has drawn from last are none. */
const AT_HEAD = `FROM state_counts INDEXED BY state_counts_version
  WHERE policy = @policy AND mode = @mode AND last_version = @head AND visits < @reuse AND states > 0`;

const KINDS = `SELECT CASE WHEN c.own OR EXISTS (SELECT 1 FROM keys a WHERE a.id = c.key_id AND a.role = 'admin')
      THEN NULL ELSE c.key_id END AS giver,
    c.open, c.known, sum(c.states) AS states
  FROM (SELECT key_id, own, known, visits < @reuse AS open, states FROM visit_counts
      WHERE policy = @policy AND mode = @mode AND states > 0
    UNION ALL SELECT key_id, own, known, 1, -states ${AT_HEAD}
    UNION ALL SELECT key_id, own, known, 0, states ${AT_HEAD}) c
  WHERE @keyId IS NULL OR c.key_id = @keyId
  GROUP BY 1, 2, 3 HAVING sum(c.states) > 0`;

const REASONS = `SELECT reason, sum(steps) AS steps FROM candidate_counts
  WHERE policy = @policy AND (@keyId IS NULL OR key_id = @keyId) GROUP BY reason`;

const ASIDE = `SELECT count(*) AS states, coalesce(sum(steps), 0) AS steps FROM states
  WHERE policy = @policy AND mode = @mode AND steps > 0 AND set_aside IS NOT NULL
    AND (@keyId IS NULL OR key_id = @keyId)`;

export function tallyOf(db: Db, policy: string, { rule, head, reuse, keyId }: TallyQuery): StateTally {
  const asked = { policy, mode: rule.mode, head, reuse, keyId: keyId ?? null };
  const kinds = prepared<[object], Kind>(db, KINDS).all(asked);
  const sum = (of: (kind: Kind) => boolean): number =>
    kinds.filter(of).reduce((total, { states }) => total + states, 0);
  const dropped: Record<string, number> = {};
  let kept = 0;
  for (const { reason, steps } of prepared<[object], { reason: string; steps: number }>(db, REASONS).all(asked))
    if (reason === '') kept = steps;
    else if (steps > 0) dropped[reason] = steps;
  const aside = prepared<[object], { states: number; steps: number }>(db, ASIDE).get(asked);
  const add = (reason: string, count: number): void => {
    if (count > 0) dropped[reason] = count;
  };
  add(
    'used',
    sum(({ open }) => open === 0),
  );
  add('set_aside', aside?.states ?? 0);
  add('same_state', keyId === undefined ? kept - sum(() => true) - (aside?.states ?? 0) : 0);
  const givers = new Map<string | null, number>();
  for (const { giver, open, states } of kinds) if (open === 1) givers.set(giver, (givers.get(giver) ?? 0) + states);
  return {
    keyId,
    open: sum(({ open }) => open === 1),
    told: sum(({ open, known }) => open === 1 && known === 1),
    givers: [...givers].map(([giver, states]): Giver => ({ giver: giver ?? undefined, states })),
    dropped,
    counting: countingOf(db, policy, rule),
  };
}

function countingOf(db: Db, policy: string, rule: CandidateRule): StateTally['counting'] {
  if (isCounted(db, policy, rule)) return undefined;
  const row = prepared<[string, string], { left: number; total: number }>(
    db,
    `SELECT (SELECT count(*) FROM touched WHERE policy = ?)
        + (SELECT count(DISTINCT s.trajectory_id) FROM steps s WHERE s.seq > c.steps_to) AS left, total
      FROM countings c WHERE policy = ?`,
  ).get(policy, policy);
  const total = Math.max(row?.total ?? 0, row?.left ?? 0);
  return { done: total - (row?.left ?? 0), total };
}

/** Of how many trajectories each of these rules keeps a step. */
export function trajectoriesBy(db: Db, policy: string, rules: readonly CandidateRule[]): readonly number[] {
  const rows = prepared<[string], FactsRow & { readonly trajectoryId: string }>(
    db,
    `SELECT DISTINCT s.trajectory_id AS trajectoryId, c.policy_version AS policyVersion, c.facts,
        c.not_trainable AS notTrainable
      FROM candidates c JOIN steps s ON s.seq = c.seq WHERE c.policy = ?`,
  );
  const kept = rules.map(() => new Set<string>());
  for (const row of rows.iterate(policy)) {
    const candidate = unpacked(row);
    rules.forEach((rule, at) => {
      if (rule.reasonOf(candidate) === '') kept[at]?.add(row.trajectoryId);
    });
  }
  return kept.map(({ size }) => size);
}

/** By which reasons each of these rules drops candidates, kept ones under an empty one: one look at each candidate. */
export function reasonsBy(
  db: Db,
  policy: string,
  rules: readonly CandidateRule[],
): readonly Readonly<Record<string, number>>[] {
  const alike = prepared<[string], FactsRow & { readonly steps: number }>(
    db,
    `SELECT policy_version AS policyVersion, facts, not_trainable AS notTrainable, count(*) AS steps
      FROM candidates WHERE policy = ? GROUP BY 1, 2, 3`,
  ).all(policy);
  return rules.map((rule) => {
    const counts: Record<string, number> = {};
    for (const row of alike) {
      const reason = rule.reasonOf(unpacked(row));
      counts[reason] = (counts[reason] ?? 0) + row.steps;
    }
    return counts;
  });
}
