/** How far judges can be trusted, as rows. */
import type { JudgeRows } from '../../core/ports.js';
import type { Db } from '../file/db.js';
import { goldOf, newestCalibrations, saveCalibration, spend } from '../judges/calibrations.js';
import { agreedWithPeople, processAndOutcome, saveDrifts } from '../judges/drifts.js';

export function judgeRows(db: Db, policy: string): JudgeRows {
  return {
    async calibrations() {
      return newestCalibrations(db);
    },
    async calibrated(calibration) {
      saveCalibration(db, calibration);
    },
    async spend(judge, id, cost) {
      spend(db, judge, id, cost);
    },
    async gold() {
      return goldOf(db, 'person');
    },
    async outcomes(version, judge, deciding) {
      return processAndOutcome(db, version, judge, deciding);
    },
    async agreed(version, judge) {
      return agreedWithPeople(db, version, judge);
    },
    async drifted(versions, list) {
      saveDrifts(db, policy, versions, list);
    },
  };
}
