/**
 * The one abort signal of a response, on which policy and tools listen. It fires when the client leaves or the deadline
 * passes, and remembers which.
 */
export type EndedBy = 'client' | 'deadline';

export class Clock {
  readonly signal: AbortSignal;
  readonly #controller: AbortController;
  readonly #timer: NodeJS.Timeout;
  readonly #outer: AbortSignal | undefined;
  readonly #onAbort = (): void => this.end('client');
  #by: EndedBy | undefined;
  #surrendered = false;

  /** `outer` is a caller's own signal, where it has one; otherwise the caller calls {@link end}. */
  constructor(milliseconds: number, outer?: AbortSignal, controller: AbortController = new AbortController()) {
    this.#controller = controller;
    this.signal = controller.signal;
    this.#timer = setTimeout(() => this.end('deadline'), milliseconds);
    this.#outer = outer;
    if (outer?.aborted === true) this.end('client');
    else outer?.addEventListener('abort', this.#onAbort, { once: true });
  }

  /** Who ended it, if anyone has. */
  get endedBy(): EndedBy | undefined {
    return this.#by;
  }

  /** Fires the signal. Of several calls the first is remembered as the reason. */
  end(by: EndedBy): void {
    this.stop();
    if (this.#by !== undefined || this.#surrendered) return;
    this.#by = by;
    this.#controller.abort();
  }

  /** Hands the controller over to another clock; undefined when it has fired or was handed over already. */
  surrender(): AbortController | undefined {
    const controller = this.#surrendered || this.#by !== undefined ? undefined : this.#controller;
    this.#surrendered = true;
    return controller;
  }

  /** The response is over and nobody listens any more: the deadline is taken back and the signal does not fire. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#outer?.removeEventListener('abort', this.#onAbort);
  }
}

/**
 * Clocks for a server, which use their AbortControllers again. Making one costs as much as parsing a whole answer, and
 * one that never fired is as good as new, because nobody listens to it once its response is over.
 */
export class Clocks {
  readonly #milliseconds: number;
  readonly #limit: number;
  readonly #idle: AbortController[] = [];

  /** Keeps at most `limit` controllers. */
  constructor(milliseconds: number, limit: number) {
    this.#milliseconds = milliseconds;
    this.#limit = limit;
  }

  start(): Clock {
    return new Clock(this.#milliseconds, undefined, this.#idle.pop());
  }

  /** Stops a clock whose response is over. It must not be used afterwards. */
  recycle(clock: Clock): void {
    clock.stop();
    const controller = clock.surrender();
    if (controller !== undefined && this.#idle.length < this.#limit) this.#idle.push(controller);
  }
}
