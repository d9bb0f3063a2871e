/** What the rows say of versions, for whoever serves them or tells of them. */
import type { LearningNews } from '../core/learning/cycle.js';
import type { Db } from '../store/file/db.js';
import { countCycles, cyclesOf } from '../store/learning/cycles.js';
import { decisionsOf, headVersion, servingVersion } from '../store/learning/decisions.js';
import { versionNumbers } from '../store/learning/versions.js';
import type { Followed } from './follow.js';

/** Decisions read at a time: more than are ever made within one interval. */
const DECISIONS = 20;

export function followed(db: Db): Followed {
  return {
    versions: versionNumbers(db),
    serving: servingVersion(db),
    head: headVersion(db),
    previous: decisionsOf(db, 100)
      .filter(({ kind }) => kind === 'promotion' || kind === 'rollback')
      .slice(0, 1)
      .flatMap(({ against }) => (against === undefined ? [] : [against])),
  };
}

export function learningNews(db: Db): LearningNews {
  return {
    head: headVersion(db),
    newest: cyclesOf(db, 1)[0],
    cycles: countCycles(db),
    decisions: decisionsOf(db, DECISIONS),
  };
}
