/** Work in the background gives way: clients come first, and a server that has too much is left alone for a while. */
import { setTimeout as sleep } from 'node:timers/promises';

/** How often it is asked whether somebody is being answered, and how long one answer to that counts. */
const LOOK_MS = 500;
/** The first wait of a server that has too much; it doubles, up to the longest. */
const WAIT_MS = 1_000;
const LONGEST_MS = 60_000;

interface PacingOptions {
  /** As many are at work at once where nobody else is. */
  readonly width: number;
  /** Whether clients are being answered. */
  readonly busy: () => Promise<boolean>;
  readonly signal: AbortSignal;
}

export class Pacing {
  readonly #options: PacingOptions;
  #atWork = 0;
  #asked: { readonly at: number; readonly busy: Promise<boolean> } | undefined;
  #until = 0;
  #waits = 0;

  constructor(options: PacingOptions) {
    this.#options = options;
  }

  /** Does it when it may. While clients are being answered one thing at a time is done, so that all of it ends once. */
  async do<T>(work: () => Promise<T>): Promise<T> {
    const { signal } = this.#options;
    for (;;) {
      signal.throwIfAborted();
      const wait = this.#until - Date.now();
      if (wait > 0) {
        await sleep(wait, undefined, { signal });
        continue;
      }
      const most = (await this.#isBusy()) ? 1 : this.#options.width;
      // Nothing is awaited between looking and taking.
      if (this.#atWork < most) break;
      await sleep(LOOK_MS / 5, undefined, { signal });
    }
    this.#atWork += 1;
    try {
      return await work();
    } finally {
      this.#atWork -= 1;
    }
  }

  /** Nothing is begun for as long as the server says, or longer each time it is said. */
  tooMuch(retryAfterMs?: number): void {
    const wait = Math.min(Math.max(retryAfterMs ?? 0, WAIT_MS * 2 ** this.#waits), LONGEST_MS);
    if (Date.now() < this.#until) return;
    this.#waits += 1;
    this.#until = Date.now() + wait;
  }

  /** It has answered. */
  wentWell(): void {
    this.#waits = 0;
  }

  async #isBusy(): Promise<boolean> {
    const now = Date.now();
    if (this.#asked === undefined || now - this.#asked.at > LOOK_MS)
      this.#asked = { at: now, busy: this.#options.busy().catch(() => false) };
    return this.#asked.busy;
  }
}
