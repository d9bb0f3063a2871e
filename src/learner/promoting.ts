/**
 * From evaluations to a serving version: the gate's decision, promotion, rollback, and the reset of a head that the
 * gate refused too often.
 */
import { GyreError, missing } from '../core/errors.js';
import { GYRE_POLICY } from '../core/learning/policy_name.js';
import type { Decision, Evaluation, Version, WayBack } from '../core/learning/version.js';
import { gate } from '../promote/gate.js';
import { allVersions, saveVersion } from '../store/learning/versions.js';
import { promisedVersion } from '../store/learning/batches.js';
import { decide, decisionsOf, headVersion, servingVersion } from '../store/learning/decisions.js';
import type { Db } from '../store/file/db.js';
import { weightsRemoved } from '../store/learning/weights.js';
import type { Trainer } from '../train/client.js';
import type { Learner } from './deps.js';

/** Refusals in a row after which a worse head is set back to what serves. */
const REFUSALS = 4;

/** Puts the candidate through the gate and, when it passes, promotes it. */
export async function gateAndPromote(learner: Learner, candidate: Evaluation, serving: Evaluation): Promise<Decision> {
  const outcome = gate(candidate, serving, learner.config['gate.confidence']);
  const decision = decide(learner.db, GYRE_POLICY, {
    kind: 'gate',
    version: candidate.version,
    against: serving.version,
    ...outcome,
  });
  if (decision.passed) {
    decide(learner.db, GYRE_POLICY, {
      kind: 'promotion',
      version: candidate.version,
      against: serving.version,
      passed: true,
      reason: decision.reason,
      numbers: { gate: decision.id },
    });
    await learner.decided();
  } else if (learner.trainer !== undefined && refusals(learner, serving.version) >= REFUSALS && isWorse(decision)) {
    await resetHead(learner, learner.trainer, serving.version);
  }
  return decision;
}

/** Gate decisions in a row that refused, since the last promotion, rollback or reset. */
function refusals(learner: Learner, serving: number): number {
  let count = 0;
  for (const decision of decisionsOf(learner.db, GYRE_POLICY, 200)) {
    if (decision.kind === 'gate' && !decision.passed && decision.against === serving) count += 1;
    else if (decision.kind !== 'gate' && decision.kind !== 'parity') break;
  }
  return count;
}

/** A refused head that is no worse than serving may still get there; only one that lost accuracy is reset. */
function isWorse(decision: Decision): boolean {
  const difference = decision.numbers['difference'] as { difference?: number | undefined } | undefined;
  return (difference?.difference ?? 0) < 0;
}

async function resetHead(learner: Learner, trainer: Trainer, serving: number): Promise<void> {
  const head = headVersion(learner.db, GYRE_POLICY);
  await trainer.resetHead(serving);
  decide(learner.db, GYRE_POLICY, {
    kind: 'head_reset',
    version: serving,
    against: head,
    passed: true,
    reason: `version ${head} was refused by the gate ${REFUSALS} times and is worse than version ${serving}`,
    numbers: {},
  });
}

/** Throws a 409 where a version can neither serve nor be gone back to. */
function requireWeights(db: Db, version: number): void {
  const removed = weightsRemoved(db, GYRE_POLICY).get(version);
  if (removed === undefined) return;
  throw new GyreError({
    side: 'client',
    status: 409,
    code: 'weights_removed',
    message:
      `the weights of version ${version} were removed on ${new Date(removed.createdAt).toISOString().slice(0, 10)}, ` +
      `because ${removed.reason}; "gyre versions" shows which are there. Where a backup has them, restore that`,
  });
}

/** Promotes by hand. */
export async function promote(learner: Pick<Learner, 'db' | 'decided'>, version: number): Promise<Decision> {
  const decision = promotion(learner.db, version);
  await learner.decided();
  return decision;
}

/** The decision that promotes a version by hand. Only one whose gate passed may serve. */
export function promotion(db: Db, version: number): Decision {
  const known = allVersions(db, GYRE_POLICY);
  if (!known.some((candidate) => candidate.version === version)) {
    const numbers = known.map((candidate) => candidate.version).join(', ');
    throw missing('version', `there is no version ${version}; versions are ${numbers || 'none yet'}`, 'version');
  }
  const passed = decisionsOf(db, GYRE_POLICY, 50, version).find(
    (decision) => decision.kind === 'gate' && decision.passed,
  );
  if (passed === undefined) {
    throw new GyreError({
      side: 'client',
      status: 409,
      code: 'gate_not_passed',
      message:
        `version ${version} has not passed the gate, and only a passed gate promotes; run "gyre ` +
        'evaluate" and "gyre learn" with held-out tasks first',
    });
  }
  requireWeights(db, version);
  return decide(db, GYRE_POLICY, {
    kind: 'promotion',
    version,
    against: servingVersion(db, GYRE_POLICY),
    passed: true,
    reason: 'promoted by hand',
    numbers: { gate: passed.id },
  });
}

/** Serves the weights of the version that served before, under a new number. */
export async function rollback(
  learner: Pick<Learner, 'db' | 'decided'>,
  trainer: Trainer,
  reason: string,
): Promise<Version> {
  const way = wayBack(learner.db);
  await trainer.copyVersion(way.version, way.weights, true);
  const version = goneBack(learner.db, way, reason);
  await learner.decided();
  return version;
}

/** Throws 409 where there is nothing to go back to. */
export function wayBack(db: Db): WayBack {
  const serving = servingVersion(db, GYRE_POLICY);
  const known = allVersions(db, GYRE_POLICY);
  const weights = (version: number): number =>
    known.find((candidate) => candidate.version === version)?.copyOf ?? version;
  const earlier = decisionsOf(db, GYRE_POLICY, 1000)
    .filter((decision) => (decision.kind === 'promotion' || decision.kind === 'rollback') && decision.passed)
    .map((decision) => decision.version);
  const target = [...earlier, 0].find((version) => weights(version) !== weights(serving));
  if (target === undefined)
    throw new GyreError({
      side: 'client',
      status: 409,
      code: 'nothing_to_roll_back',
      message: `version ${serving} is what always served: there is no earlier version to go back to`,
    });
  requireWeights(db, weights(target));
  const version = Math.max(promisedVersion(db, GYRE_POLICY), ...known.map((candidate) => candidate.version)) + 1;
  return { version, weights: weights(target), from: serving };
}

/** The rows of a rollback whose weights are copied. Throws 409 where the number is taken by now. */
export function goneBack(db: Db, { version, weights, from }: WayBack, reason: string): Version {
  if (allVersions(db, GYRE_POLICY).some((candidate) => candidate.version >= version)) {
    throw new GyreError({
      side: 'client',
      status: 409,
      code: 'version_taken',
      message:
        `another version ${version} was made in the meantime, by another rollback perhaps; look at ` +
        'the versions and try again if it is still wanted',
    });
  }
  const row: Version = {
    version,
    kind: 'rollback',
    parent: from,
    copyOf: weights,
    metrics: {},
    createdAt: Date.now(),
  };
  saveVersion(db, GYRE_POLICY, row);
  decide(db, GYRE_POLICY, {
    kind: 'rollback',
    version,
    against: from,
    passed: true,
    reason,
    numbers: { copy_of: weights },
  });
  return row;
}
