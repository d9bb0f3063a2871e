/** How long a judge is borne with that fails and fails: each of its failures may take a minute. */
import type { Failure } from '../core/learning/judging.js';

/** Failures in a row after which it is not asked any more. */
const MOST = 8;

export class Patience {
  readonly #failed = new Map<string, { readonly times: number; readonly last: Failure }>();

  /** Whether this judge is not to be asked any more. */
  isOutWith(judge: string): boolean {
    return (this.#failed.get(judge)?.times ?? 0) >= MOST;
  }

  /** A judge has answered, or failed to. What it failed at by a subject's own fault tells nothing of the others. */
  saw(judge: string, failure?: Failure): void {
    if (failure === undefined) this.#failed.delete(judge);
    else if (failure.alone !== true)
      this.#failed.set(judge, { times: (this.#failed.get(judge)?.times ?? 0) + 1, last: failure });
  }

  /** Why it is not asked: where it has said when it can tell again, not before. */
  notAsking(judge: string): Failure {
    const last = this.#failed.get(judge)?.last;
    return last?.retryAfterMs === undefined
      ? { reason: 'not asked: it failed again and again' }
      : { reason: `not asked: ${last.reason}`, retryAfterMs: last.retryAfterMs };
  }
}
