/** Versions, what was decided about them, and how they were evaluated. */
import type { DecisionRows, EvaluationRows, VersionRows } from '../../core/ports.js';
import type { Db } from '../file/db.js';
import { decide, decisionsOf, headVersion, servingVersion } from '../learning/decisions.js';
import { evaluationOf, saveEvaluation } from '../learning/evaluations.js';
import { allVersions, saveVersion } from '../learning/versions.js';
import { weightsRemoved } from '../learning/weights.js';

export function versionRows(db: Db): VersionRows {
  return {
    async all() {
      return allVersions(db);
    },
    async head() {
      return headVersion(db);
    },
    async serving() {
      return servingVersion(db);
    },
    async save(version) {
      saveVersion(db, version);
    },
    async removed() {
      return weightsRemoved(db);
    },
  };
}

export function decisionRows(db: Db): DecisionRows {
  return {
    async add(decision) {
      return decide(db, decision);
    },
    async newest(limit, version) {
      return decisionsOf(db, limit, version);
    },
  };
}

export function evaluationRows(db: Db): EvaluationRows {
  return {
    async of(version, taskSet) {
      return evaluationOf(db, version, taskSet);
    },
    async save(evaluation) {
      saveEvaluation(db, evaluation);
    },
  };
}
