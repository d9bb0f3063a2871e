/** How long a judge is borne with that fails and fails: each of its failures may take a minute. */

/** Failures in a row after which it is not asked any more. */
const MOST = 8;

export class Patience {
  readonly #failed = new Map<string, number>();

  /** Whether this judge is not to be asked any more. */
  isOutWith(judge: string): boolean {
    return (this.#failed.get(judge) ?? 0) >= MOST;
  }

  /** A judge has answered, or failed to. */
  saw(judge: string, failed: boolean): void {
    this.#failed.set(judge, failed ? (this.#failed.get(judge) ?? 0) + 1 : 0);
  }
}
