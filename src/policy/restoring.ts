/**
 * A policy or token counter whose engine may have forgotten an adapter (it was restarted, or evicted
 * it). That is nobody's fault and no client's error: the weights are loaded again and the request is
 * made once more. Nothing was sampled by then, so this is no retry of an action.
 */
import { GyreError } from '../core/errors.js';
import type { Action, Policy, PolicyEvent, PolicyRequest, TokenCounter } from '../core/policy.js';
import { WEIGHTS_MISSING } from './fault.js';

type Sampling = AsyncGenerator<PolicyEvent, readonly Action[]>;

/** `restore` resolves to whether it loaded weights of this name. */
export function restoring(policy: Policy, restore: (engineModel: string) => Promise<boolean>): Policy {
  return {
    sample(request: PolicyRequest, signal: AbortSignal): Sampling {
      let sampling = policy.sample(request, signal);
      const first = async (): ReturnType<Sampling['next']> => {
        try {
          return await sampling.next();
        } catch (thrown) {
          if (!isMissing(thrown) || !(await restore(request.model))) throw thrown;
        }
        sampling = policy.sample(request, signal);
        return sampling.next();
      };
      let begun = false;
      // Only the first event can bring the news; a generator around a generator would slow every later one.
      const passing: Sampling = {
        next() {
          if (begun) return sampling.next();
          begun = true;
          return first();
        },
        return: (actions) => sampling.return(actions),
        throw: (thrown: unknown) => sampling.throw(thrown),
        [Symbol.asyncIterator]: () => passing,
      };
      return passing;
    },
  };
}

/** The same for counting. */
export function restoringCounter(counter: TokenCounter, restore: (engineModel: string) => Promise<boolean>): TokenCounter {
  return {
    async count(prompt, signal) {
      try {
        return await counter.count(prompt, signal);
      } catch (thrown) {
        if (!isMissing(thrown) || !(await restore(prompt.model))) throw thrown;
      }
      return counter.count(prompt, signal);
    },
  };
}

function isMissing(thrown: unknown): boolean {
  return thrown instanceof GyreError && thrown.code === WEIGHTS_MISSING;
}
