/**
 * A policy whose engine may have forgotten an adapter (it was restarted, or evicted it). That is
 * nobody's fault and no client's error: the weights are loaded again and the request is made once
 * more. Nothing was sampled by then, so this is no retry of an action.
 */
import { GyreError } from '../core/errors.js';
import type { Action, Policy, PolicyEvent, PolicyRequest } from '../core/policy.js';
import { WEIGHTS_MISSING } from './fault.js';

/** `restore` resolves to whether it loaded weights of this name. */
export function restoring(policy: Policy, restore: (engineModel: string) => Promise<boolean>): Policy {
  return {
    async *sample(request: PolicyRequest, signal: AbortSignal): AsyncGenerator<PolicyEvent, readonly Action[]> {
      try {
        return yield* policy.sample(request, signal);
      } catch (thrown) {
        const missing = thrown instanceof GyreError && thrown.code === WEIGHTS_MISSING;
        if (!missing || !(await restore(request.model))) throw thrown;
      }
      return yield* policy.sample(request, signal);
    },
  };
}
