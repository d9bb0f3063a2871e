/**
 * A policy or token counter whose engine may no longer hold an adapter (it was restarted, or evicted
 * it). That is no client's error: the weights are loaded again and the request is made once more.
 * Nothing was sampled by then, so this is no retry of an action.
 */
import { GyreError } from '../../core/errors.js';
import type { Action, Policy, PolicyEvent, PolicyRequest, TokenCounter } from '../../core/policy.js';
import { WEIGHTS_MISSING } from '../engine/fault.js';

type Sampling = AsyncGenerator<PolicyEvent, readonly Action[]>;

/** Resolves to whether it loaded weights of this name. */
type Reload = (engineModel: string) => Promise<boolean>;

export function reloadingPolicy(policy: Policy, reload: Reload): Policy {
  return { sample: (request, signal) => new Reloading(policy, reload, request, signal) };
}

/**
 * Missing weights show at the first event or not at all, so later events are passed on without a generator around the
 * generator.
 */
class Reloading implements AsyncGenerator<PolicyEvent, readonly Action[]> {
  readonly #policy: Policy;
  readonly #reload: Reload;
  readonly #request: PolicyRequest;
  readonly #signal: AbortSignal;
  #sampling: Sampling;
  #begun = false;

  constructor(policy: Policy, reload: Reload, request: PolicyRequest, signal: AbortSignal) {
    this.#policy = policy;
    this.#reload = reload;
    this.#request = request;
    this.#signal = signal;
    this.#sampling = policy.sample(request, signal);
  }

  next(): ReturnType<Sampling['next']> {
    if (this.#begun) return this.#sampling.next();
    this.#begun = true;
    return this.#first();
  }

  return(actions: readonly Action[] | PromiseLike<readonly Action[]>): ReturnType<Sampling['next']> {
    return this.#sampling.return(actions);
  }

  throw(thrown: unknown): ReturnType<Sampling['next']> {
    return this.#sampling.throw(thrown);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#sampling.return([]);
  }

  async #first(): ReturnType<Sampling['next']> {
    try {
      return await this.#sampling.next();
    } catch (thrown) {
      if (!isMissing(thrown) || !(await this.#reload(this.#request.model))) throw thrown;
    }
    this.#sampling = this.#policy.sample(this.#request, this.#signal);
    return this.#sampling.next();
  }
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
