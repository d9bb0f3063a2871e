/**
 * A stream that is asked for once more where it was refused for something that can be mended. A refusal shows at the
 * first event or not at all, and nothing was sampled by then, so that this is no retry of an action; later events are
 * passed on without a generator around the generator.
 */
import type { Action, PolicyEvent } from '../../core/policy.js';

export type Stream = AsyncGenerator<PolicyEvent, readonly Action[]>;

export class Reopening implements Stream {
  readonly #open: () => Stream;
  readonly #mend: (thrown: unknown, tried: number) => Promise<boolean>;
  #stream: Stream;
  #begun = false;

  /** `mend` resolves to whether `open` is worth another try, after so many. */
  constructor(open: () => Stream, mend: (thrown: unknown, tried: number) => Promise<boolean>) {
    this.#open = open;
    this.#mend = mend;
    this.#stream = open();
  }

  next(): ReturnType<Stream['next']> {
    if (this.#begun) return this.#stream.next();
    this.#begun = true;
    return this.#first();
  }

  return(actions: readonly Action[] | PromiseLike<readonly Action[]>): ReturnType<Stream['next']> {
    return this.#stream.return(actions);
  }

  throw(thrown: unknown): ReturnType<Stream['next']> {
    return this.#stream.throw(thrown);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stream.return([]);
  }

  async #first(): ReturnType<Stream['next']> {
    for (let tried = 1; ; tried += 1) {
      try {
        return await this.#stream.next();
      } catch (thrown) {
        if (!(await this.#mend(thrown, tried))) throw thrown;
      }
      this.#stream = this.#open();
    }
  }
}
