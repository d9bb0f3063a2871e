/** What becomes of a batch that the trainer has applied: all of it in one transaction, so that nothing is half done. */
import { internal } from '../../core/errors.js';
import type { AppliedBatch, MadeVersion, Version } from '../../core/learning/version.js';
import type { Db } from '../file/db.js';
import { batchById, moveBatch } from './batches.js';
import { decided, decisionsOf, headVersion } from './decisions.js';
import { allVersions, saveVersion } from './versions.js';

/** The version, that its batch is applied, its parity, and the head; again, it is what is there. */
export function applyBatch(db: Db, policy: string, id: string, made: MadeVersion): AppliedBatch {
  return db.transaction(
    (tx) => {
      const row = batchById(db, policy, id);
      if (row === undefined) throw internal(`there is no batch ${id} of the policy ${policy}`);
      const head = headVersion(tx, policy);
      const parent = row.batch.base_version;
      // Somebody went back to other weights while it was trained: it stays beside what is the head now.
      const beside = parent === head || made.version === head ? {} : { superseded_by: head };
      const version: Version = {
        version: made.version,
        kind: 'trained',
        parent,
        batchId: id,
        metrics: { ...made.metrics, ...beside },
        createdAt: Date.now(),
      };
      saveVersion(db, policy, version);
      if (row.state !== 'applied') moveBatch(db, policy, id, 'applied');
      const known = decisionsOf(db, policy, -1, made.version).find(({ kind }) => kind === 'parity');
      const parity =
        known ?? decided(tx, policy, { kind: 'parity', version: made.version, against: parent, ...made.parity });
      return {
        version: allVersions(db, policy).find((saved) => saved.version === made.version) ?? version,
        parity,
        isHead: headVersion(tx, policy) === made.version,
      };
    },
    { behavior: 'immediate' },
  );
}
