/** What the rows say of versions, for whoever serves them or tells of them. */
import type { LearningNews } from '../../core/learning/cycle.js';
import type { Followed } from '../../core/learning/version.js';
import type { Db } from '../file/db.js';
import { driftsOf } from '../judges/drifts.js';
import { waitingJudges } from '../judges/facts.js';
import { countCycles, cyclesOf } from '../learning/cycles.js';
import { canaryStatus, servedCanary } from '../live/canary.js';
import { decisionsOf, headVersion, servingVersion } from '../learning/decisions.js';
import { lastUpdate } from '../learning/updates.js';
import { keptWeights, versionsWithWeights } from '../learning/weights.js';

/** Decisions read at a time: more than are ever made within one interval. */
const DECISIONS = 20;

export function followed(db: Db, policy: string): Followed {
  return {
    versions: versionsWithWeights(db, policy).map(({ version }) => version),
    serving: servingVersion(db, policy),
    head: headVersion(db, policy),
    previous: decisionsOf(db, policy, 100)
      .filter(({ kind }) => kind === 'promotion' || kind === 'rollback')
      .slice(0, 1)
      .flatMap(({ against }) => (against === undefined ? [] : [against])),
    needed: [...keptWeights(db, policy)],
    canary: servedCanary(db, policy),
  };
}

export function learningNews(db: Db, policy: string): LearningNews {
  const head = headVersion(db, policy);
  return {
    head,
    newest: cyclesOf(db, policy, 1)[0],
    cycles: countCycles(db, policy),
    decisions: decisionsOf(db, policy, DECISIONS),
    update: lastUpdate(db, policy),
    canary: canaryStatus(db, policy),
    drifts: driftsOf(db, policy, [servingVersion(db, policy), head]),
    waiting: waitingJudges(db),
  };
}
