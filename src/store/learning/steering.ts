/** What an operator decides: which version serves, and going back to earlier weights. Each is one transaction. */
import { GyreError, missing } from '../../core/errors.js';
import { standingPass } from '../../core/learning/standing.js';
import type { CopiedWeights, Decision, Version, WayBack, WaysOn } from '../../core/learning/version.js';
import type { Db } from '../file/db.js';
import { promisedVersion } from './batches.js';
import { decided, decisionsOf, headVersion, servingVersion } from './decisions.js';
import { allVersions, saveVersion } from './versions.js';
import { saveRemovedWeights, weightsRemoved } from './weights.js';

/** Promotes by hand. Only a version that was shown to be better than what serves now may serve. */
export function promotion(db: Db, policy: string, version: number): Decision {
  return db.transaction(
    (tx) => {
      const known = allVersions(db, policy);
      if (!known.some((candidate) => candidate.version === version)) {
        const numbers = known.map((candidate) => candidate.version).join(', ');
        throw missing('version', `there is no version ${version}; versions are ${numbers || 'none yet'}`, 'version');
      }
      const serving = servingVersion(db, policy);
      if (version === serving) throw refused('already_serving', `version ${version} is what serves`);
      const pass = standingPass(decisionsOf(db, policy, -1, version), version, serving);
      if (typeof pass === 'string')
        throw refused(
          'gate_not_passed',
          `${pass}; only a pass against what serves promotes. "gyre learn" gates the head`,
        );
      requireWeights(db, policy, version);
      return decided(tx, policy, {
        kind: 'promotion',
        version,
        against: serving,
        passed: true,
        reason: 'promoted by hand',
        numbers: { gate: pass.id },
      });
    },
    { behavior: 'immediate' },
  );
}

/** Throws 409 where there is nothing to go back to. */
export function wayBack(db: Db, policy: string): WayBack {
  const serving = servingVersion(db, policy);
  const known = allVersions(db, policy);
  const weights = (version: number): number =>
    known.find((candidate) => candidate.version === version)?.copyOf ?? version;
  const earlier = decisionsOf(db, policy, -1)
    .filter((decision) => (decision.kind === 'promotion' || decision.kind === 'rollback') && decision.passed)
    .map((decision) => decision.version);
  const target = [...earlier, 0].find((version) => weights(version) !== weights(serving));
  if (target === undefined)
    throw refused(
      'nothing_to_roll_back',
      `version ${serving} is what always served: there is no earlier version to go back to`,
    );
  requireWeights(db, policy, weights(target));
  return { version: nextNumber(db, policy), weights: weights(target), from: serving };
}

/** Weights that are known to be gone are no way on; the model itself, version 0, always is one. */
export function waysOn(db: Db, policy: string): WaysOn {
  const removed = weightsRemoved(db, policy);
  return {
    version: nextNumber(db, policy),
    head: headVersion(db, policy),
    serving: servingVersion(db, policy),
    candidates: allVersions(db, policy)
      .map(({ version }) => version)
      .filter((version) => !removed.has(version))
      .reverse(),
  };
}

/** A number that no version has, and that no batch was promised. */
function nextNumber(db: Db, policy: string): number {
  return Math.max(promisedVersion(db, policy), ...allVersions(db, policy).map(({ version }) => version)) + 1;
}

/** The rows of a rollback or a restart whose weights are copied. Throws 409 where its number is another's by now. */
export function copiedWeights(db: Db, policy: string, copy: CopiedWeights, reason: string): Version {
  const { version, weights, from, kind, lost = [] } = copy;
  return db.transaction(
    (tx) => {
      const serving = servingVersion(db, policy);
      if (kind === 'rollback' && serving !== from)
        throw refused('serving_changed', `version ${serving} began to serve in the meantime, in place of ${from}`);
      if (nextNumber(db, policy) > version)
        throw refused(
          'version_taken',
          `another version ${version} was made or is being trained in the meantime; look at the versions and try ` +
            'again if it is still wanted',
        );
      const at = Date.now();
      const row: Version = { version, kind, parent: from, copyOf: weights, metrics: {}, createdAt: at };
      saveVersion(db, policy, row);
      for (const each of lost)
        saveRemovedWeights(db, policy, { version: each, reason: 'the trainer has lost them', createdAt: at });
      const decision = { version, passed: true, reason, numbers: { copy_of: weights } };
      decided(tx, policy, { ...decision, kind, against: from });
      if (kind === 'restart' && lost.includes(serving)) {
        const gone = `the weights of version ${serving}, which served, are lost`;
        decided(tx, policy, { ...decision, kind: 'rollback', against: serving, reason: gone });
      }
      return row;
    },
    { behavior: 'immediate' },
  );
}

function requireWeights(db: Db, policy: string, version: number): void {
  const removed = weightsRemoved(db, policy).get(version);
  if (removed === undefined) return;
  throw refused(
    'weights_removed',
    `the weights of version ${version} were removed on ${new Date(removed.createdAt).toISOString().slice(0, 10)}, ` +
      `because ${removed.reason}; "gyre versions" shows which are there. Where a backup has them, restore that`,
  );
}

function refused(code: string, message: string): GyreError {
  return new GyreError({ side: 'client', status: 409, code, message });
}
