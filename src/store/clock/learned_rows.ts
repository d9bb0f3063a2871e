/** Judges that are trained here, and what they are trained on. */
import type { LearnedRows } from '../../core/ports.js';
import type { Db } from '../file/db.js';
import {
  beginJudge,
  judgeCalibrated,
  judgeEnded,
  judgeNarrowed,
  judgesWithAdapters,
  judgeTrained,
  judgeVersionsOf,
  labelsOf,
} from '../judges/judge_versions.js';

export function learnedRows(db: Db): LearnedRows {
  return {
    async labels(by, limit) {
      return labelsOf(db, by, limit);
    },
    async versions(judge) {
      return judgeVersionsOf(db, judge);
    },
    async needed() {
      return judgesWithAdapters(db);
    },
    async begin(version) {
      return beginJudge(db, version);
    },
    async trained(judge, version, made) {
      judgeTrained(db, judge, version, made);
    },
    async narrowed(judge, version, made) {
      judgeNarrowed(db, judge, version, made);
    },
    async ended(judge, version, state, note) {
      judgeEnded(db, judge, version, state, note);
    },
    async calibrated(judge, version, note) {
      judgeCalibrated(db, judge, version, note);
    },
  };
}
