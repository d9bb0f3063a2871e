/** The lock of the learning clock: leases, which are rows. */
import type { LearningLock } from '../../core/ports.js';
import type { Db } from '../file/db.js';
import { releaseLease, takeLease } from '../learning/leases.js';

export function learningLock(db: Db, policy: string): LearningLock {
  return {
    async take(name, what) {
      const token = takeLease(db, policy, name, what);
      return async () => releaseLease(db, policy, name, token);
    },
  };
}
