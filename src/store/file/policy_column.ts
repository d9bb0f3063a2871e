/**
 * The column `policy` of rows that the ledger has the hash of. It came later than they did, and what is null is not
 * hashed: rows of the first policy have null there, as they had when there was no other.
 */
import { GYRE_POLICY } from '../../core/learning/policy_name.js';

/** To be compared with `IS`, in SQL. */
export function policyColumn(policy: string): string | null {
  return policy === GYRE_POLICY ? null : policy;
}
