/** The log as it is counted by now: what a filter keeps and drops, and what the status tells of it. */
import type { Config } from '../../src/core/config.js';
import type { Candidate } from '../../src/core/learning/candidate.js';
import type { FilterName, TrainMode } from '../../src/core/learning/cycle.js';
import { GYRE_POLICY } from '../../src/core/learning/policy_name.js';
import type { LearningStatus } from '../../src/core/learning/views.js';
import { ruleOf } from '../../src/filter/filter.js';
import { type LearningPart, learningStatus, statusQuery } from '../../src/learner/status.js';
import { statusFacts } from '../../src/store/clock/status_facts.js';
import { type Db, prepared } from '../../src/store/file/db.js';
import { headVersion } from '../../src/store/learning/decisions.js';
import { type FactsRow, unpacked } from '../../src/store/states/facts.js';
import { fold } from '../../src/store/states/fold.js';

export interface Looked extends Candidate {
  readonly stepId: string;
  readonly reason: string;
}

/** Every candidate, in the order of the log, with why a rule drops it. */
export function lookedAt(db: Db, filter: FilterName = 'none', mode: TrainMode = 'resample'): Looked[] {
  const rule = ruleOf(filter, mode, headVersion(db, GYRE_POLICY));
  while (fold(db, GYRE_POLICY, rule));
  return prepared<[], FactsRow & { stepId: string; reason: string }>(
    db,
    `SELECT s.id AS stepId, c.policy_version AS policyVersion, c.facts, c.not_trainable AS notTrainable, c.reason
      FROM candidates c JOIN steps s ON s.seq = c.seq ORDER BY c.seq`,
  )
    .all()
    .map((row) => ({ ...unpacked(row), stepId: row.stepId, reason: row.reason }));
}

export function select(
  db: Db,
  filter: FilterName,
  mode: TrainMode,
): { readonly kept: readonly Looked[]; readonly dropped: Readonly<Record<string, number>> } {
  const all = lookedAt(db, filter, mode);
  const dropped: Record<string, number> = {};
  for (const { reason } of all) if (reason !== '') dropped[reason] = (dropped[reason] ?? 0) + 1;
  return { kept: all.filter(({ reason }) => reason === ''), dropped };
}

export function statusOf(db: Db, config: Config, part: LearningPart, keyId?: string): LearningStatus {
  const query = statusQuery(config, keyId);
  while (fold(db, GYRE_POLICY, query.ruleAt(headVersion(db, GYRE_POLICY))));
  return learningStatus(statusFacts(db, GYRE_POLICY, query), config, part);
}
