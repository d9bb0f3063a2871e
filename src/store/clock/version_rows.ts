/** Versions, what was decided about them, and how they were evaluated. */
import type { DecisionRows, EvaluationRows, VersionRows } from '../../core/ports.js';
import type { Db } from '../file/db.js';
import {
  decide,
  decideGate,
  decisionsOf,
  headVersion,
  servingVersion,
  sincePromotion,
  ungatedUpdates,
} from '../learning/decisions.js';
import {
  answersOf,
  evaluationOf,
  reportsOf,
  saveAnswers,
  saveEvaluation,
  saveReport,
  taskUsesOf,
  testedSincePromotion,
} from '../learning/evaluations.js';
import { copiedWeights, promotion, wayBack, waysOn } from '../learning/steering.js';
import { updatesOf } from '../learning/updates.js';
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
    async ungated() {
      return ungatedUpdates(db, policy);
    },
    async save(version) {
      saveVersion(db, policy, version);
    },
    async wayBack() {
      return wayBack(db, policy);
    },
    async waysOn() {
      return waysOn(db, policy);
    },
    async copied(copy, reason) {
      return copiedWeights(db, policy, copy, reason);
    },
    async updates(version) {
      return updatesOf(db, policy, version);
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
    async sincePromotion() {
      return sincePromotion(db, policy);
    },
    async gate(decision, tasks, canary) {
      return decideGate(db, policy, decision, tasks, canary);
    },
    async promote(version) {
      return promotion(db, policy, version);
    },
  };
}

export function evaluationRows(db: Db, policy: string): EvaluationRows {
  return {
    async answers(version, tasks, judges) {
      return answersOf(db, policy, version, tasks, judges);
    },
    async save(answers) {
      saveAnswers(db, policy, answers);
    },
    async tested() {
      return testedSincePromotion(db, policy);
    },
    async uses() {
      return taskUsesOf(db, policy);
    },
    async of(version, taskSet) {
      return evaluationOf(db, policy, version, taskSet);
    },
    async close(evaluation) {
      saveEvaluation(db, policy, evaluation);
    },
    async report(report) {
      saveReport(db, policy, report);
    },
    async reports(limit, version) {
      return reportsOf(db, policy, { limit, version });
    },
  };
}
