/** The one signal everything of a response hangs on: the client's abort and the deadline, told apart. */
export type EndedBy = 'client' | 'deadline';

export class Clock {
  readonly #controller = new AbortController();
  /** Kept because the platform makes a signal when it is first asked for, and looks it up every time after. */
  readonly signal = this.#controller.signal;
  readonly #timer: NodeJS.Timeout;
  readonly #outer: AbortSignal | undefined;
  readonly #onAbort = (): void => this.end('client');
  #by: EndedBy | undefined;

  /** `outer` is a caller's own signal, where it has one; otherwise the caller calls {@link end}. */
  constructor(milliseconds: number, outer?: AbortSignal) {
    this.#timer = setTimeout(() => this.end('deadline'), milliseconds);
    this.#outer = outer;
    if (outer?.aborted === true) this.end('client');
    else outer?.addEventListener('abort', this.#onAbort, { once: true });
  }

  /** Who ended it, if anyone has. */
  get endedBy(): EndedBy | undefined {
    return this.#by;
  }

  /** Fires the signal. The first to call it is the one remembered. */
  end(by: EndedBy): void {
    this.stop();
    if (this.#by !== undefined) return;
    this.#by = by;
    this.#controller.abort();
  }

  /** The response is over: nothing hangs on the signal any more, so nobody is told. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#outer?.removeEventListener('abort', this.#onAbort);
  }
}
