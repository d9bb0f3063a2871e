/** What an operator decides: which version serves, and going back to earlier weights. Each is one transaction. */
import { GyreError, missing } from '../../core/errors.js';
import { standingPass } from '../../core/learning/standing.js';
import type { Decision, Version, WayBack } from '../../core/learning/version.js';
import type { Db } from '../file/db.js';
import { promisedVersion } from './batches.js';
import { decided, decisionsOf, servingVersion } from './decisions.js';
import { allVersions, saveVersion } from './versions.js';
import { weightsRemoved } from './weights.js';

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
  const version = Math.max(promisedVersion(db, policy), ...known.map((candidate) => candidate.version)) + 1;
  return { version, weights: weights(target), from: serving };
}

/** The rows of a rollback whose weights are copied. Throws 409 where the number is taken by now. */
export function goneBack(db: Db, policy: string, { version, weights, from }: WayBack, reason: string): Version {
  return db.transaction(
    (tx) => {
      if (allVersions(db, policy).some((candidate) => candidate.version >= version))
        throw refused(
          'version_taken',
          `another version ${version} was made in the meantime, by another rollback perhaps; look at ` +
            'the versions and try again if it is still wanted',
        );
      const row: Version = {
        version,
        kind: 'rollback',
        parent: from,
        copyOf: weights,
        metrics: {},
        createdAt: Date.now(),
      };
      saveVersion(db, policy, row);
      const numbers = { copy_of: weights };
      decided(tx, policy, { kind: 'rollback', version, against: from, passed: true, reason, numbers });
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
