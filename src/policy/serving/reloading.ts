/**
 * A policy or token counter whose engine may no longer hold an adapter (it was restarted, or evicted
 * it). That is no client's error: the weights are loaded again and the request is made once more.
 * Nothing was sampled by then, so this is no retry of an action.
 */
import { GyreError } from '../../core/errors.js';
import type { Policy, TokenCounter } from '../../core/policy.js';
import { WEIGHTS_MISSING } from '../engine/fault.js';
import { Reopening } from '../engine/reopening.js';

/** Resolves to whether it loaded weights of this name. */
type Reload = (engineModel: string) => Promise<boolean>;

export function reloadingPolicy(policy: Policy, reload: Reload): Policy {
  const { render } = policy;
  return {
    ...(render === undefined
      ? {}
      : {
          render: async (prompt, turn, signal) => {
            try {
              return await render(prompt, turn, signal);
            } catch (thrown) {
              if (!isMissing(thrown) || !(await reload(prompt.model))) throw thrown;
            }
            return render(prompt, turn, signal);
          },
        }),
    sample: (request, signal) =>
      new Reopening(
        () => policy.sample(request, signal),
        async (thrown, tried) => tried === 1 && isMissing(thrown) && (await reload(request.model)),
      ),
  };
}

export function reloadingCounter(counter: TokenCounter, reload: Reload): TokenCounter {
  return {
    async count(prompt, signal) {
      try {
        return await counter.count(prompt, signal);
      } catch (thrown) {
        if (!isMissing(thrown) || !(await reload(prompt.model))) throw thrown;
      }
      return counter.count(prompt, signal);
    },
  };
}

function isMissing(thrown: unknown): boolean {
  return thrown instanceof GyreError && thrown.code === WEIGHTS_MISSING;
}
