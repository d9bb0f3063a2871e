/** Whose rows are whose: several policies may learn in one data folder, and nothing of one is another's. */

/** The name of the policy that a gateway serves, and that learns from its log. */
export const GYRE_POLICY = 'gyre';

/** Whether the name of a model is the policy's, in whichever version. */
export function isPolicy(model: string): boolean {
  return /^gyre(@|$)/.test(model);
}
