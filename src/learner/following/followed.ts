/** What the rows say of versions, for whoever serves them or tells of them. */
import type { LearningNews } from '../../core/learning/cycle.js';
import { GYRE_POLICY } from '../../core/learning/policy_name.js';
import type { Followed } from '../../core/learning/version.js';
import type { Db } from '../../store/file/db.js';
import { countCycles, cyclesOf } from '../../store/learning/cycles.js';
import { decisionsOf, headVersion, servingVersion } from '../../store/learning/decisions.js';
import { lastUpdate } from '../../store/learning/updates.js';
import { keptWeights, versionsWithWeights } from '../../store/learning/weights.js';

/** Decisions read at a time: more than are ever made within one interval. */
const DECISIONS = 20;

export function followed(db: Db): Followed {
  return {
    versions: versionsWithWeights(db, GYRE_POLICY).map(({ version }) => version),
    serving: servingVersion(db, GYRE_POLICY),
    head: headVersion(db, GYRE_POLICY),
    previous: decisionsOf(db, GYRE_POLICY, 100)
      .filter(({ kind }) => kind === 'promotion' || kind === 'rollback')
      .slice(0, 1)
      .flatMap(({ against }) => (against === undefined ? [] : [against])),
    needed: [...keptWeights(db, GYRE_POLICY)],
  };
}

export function learningNews(db: Db): LearningNews {
  return {
    head: headVersion(db, GYRE_POLICY),
    newest: cyclesOf(db, GYRE_POLICY, 1)[0],
    cycles: countCycles(db, GYRE_POLICY),
    decisions: decisionsOf(db, GYRE_POLICY, DECISIONS),
    update: lastUpdate(db, GYRE_POLICY),
  };
}
