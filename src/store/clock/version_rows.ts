/** Versions, what was decided about them, and how they were evaluated. */
import type { DecisionRows, EvaluationRows, VersionRows } from '../../core/ports.js';
import type { Db } from '../file/db.js';
import { decide, decisionsOf, headVersion, servingVersion } from '../learning/decisions.js';
import { evaluationOf, saveEvaluation } from '../learning/evaluations.js';
import { allVersions, saveVersion } from '../learning/versions.js';
import { weightsRemoved } from '../learning/weights.js';

export function versionRows(db: Db, policy: string): VersionRows {
  return {
    async all() {
      return allVersions(db, policy);
    },
    async head() {
      return headVersion(db, policy);
    },
    async serving() {
      return servingVersion(db, policy);
    },
    async save(version) {
      saveVersion(db, policy, version);
    },
    async removed() {
      return weightsRemoved(db, policy);
    },
  };
}

export function decisionRows(db: Db, policy: string): DecisionRows {
  return {
    async add(decision) {
      return decide(db, policy, decision);
    },
    async newest(limit, version) {
      return decisionsOf(db, policy, limit, version);
    },
  };
}

export function evaluationRows(db: Db, policy: string): EvaluationRows {
  return {
    async of(version, taskSet) {
      return evaluationOf(db, policy, version, taskSet);
    },
    async save(evaluation) {
      saveEvaluation(db, policy, evaluation);
    },
  };
}
