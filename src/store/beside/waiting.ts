/**
 * The log waits for a fault to pass, and then commits what had to wait. Whoever waits for a commit meanwhile waits for
 * a moment only: most locks are over by then.
 */
import type { LogState, LogWait } from '../../core/log.js';
import { PATIENCE_MS } from './wire.js';

/** Shorter waits are nobody's concern. */
const TELL_MS = 1_000;

interface WaitingDeps {
  /** Called when nobody waits any longer. */
  readonly impatient: () => void;
  readonly warn: (text: string) => void;
  readonly waits: () => LogState['uncommitted'];
}

export class Waiting {
  readonly #deps: WaitingDeps;
  #fault: LogWait | undefined;
  #catchingUp: LogWait | undefined;
  /** On the clock that only grows. */
  #began = 0;
  #over = false;
  #told = false;
  #patience: NodeJS.Timeout | undefined;
  #telling: NodeJS.Timeout | undefined;
  #waiters: { readonly holds: () => boolean; readonly resolve: () => void }[] = [];

  constructor(deps: WaitingDeps) {
    this.#deps = deps;
  }

  /** The fault, while it has not passed. */
  get fault(): LogWait | undefined {
    return this.#fault;
  }

  /** Also while what had to wait is being committed. */
  get wait(): LogWait | undefined {
    return this.#fault ?? this.#catchingUp;
  }

  /** It has waited for so long that nobody is made to wait with it. */
  get over(): boolean {
    return this.#over;
  }

  /** `waitedMs`: it has been waited for so long already. */
  begin(wait: LogWait, waitedMs = 0): void {
    if (this.wait === undefined) this.#began = performance.now() - waitedMs;
    const since = this.wait?.since ?? wait.since;
    this.#fault = { since, reason: wait.reason };
    this.#catchingUp = undefined;
    const waited = performance.now() - this.#began;
    this.#patience ??= setTimeout(() => this.#impatient(), PATIENCE_MS - waited);
    this.#telling ??= setTimeout(() => this.#tell(), TELL_MS - waited);
  }

  /** The fault has passed. `behind`: there is much to commit yet. */
  end(behind: boolean): void {
    const fault = this.#fault;
    if (fault === undefined) return;
    this.#fault = undefined;
    this.#catchingUp = { since: fault.since, reason: 'what had to wait is being committed' };
    if (!behind) this.caughtUp();
  }

  /** Nothing more has to wait. */
  caughtUp(): void {
    if (this.#fault !== undefined || this.#catchingUp === undefined) return;
    const seconds = Math.round((performance.now() - this.#began) / 1000);
    if (this.#told) this.#deps.warn(`the log goes on after ${seconds} s; nothing is lost`);
    this.#catchingUp = undefined;
    this.#over = false;
    this.close();
  }

  /** Resolves when `holds`, which is asked again at every {@link look}, or when nobody waits any longer. */
  until(holds: () => boolean): Promise<void> {
    if (this.#over || holds()) return Promise.resolve();
    return new Promise((resolve) => this.#waiters.push({ holds, resolve }));
  }

  untilOver(): Promise<void> {
    return this.until(() => false);
  }

  look(): void {
    this.#waiters = this.#waiters.filter(({ holds, resolve }) => {
      if (!holds()) return true;
      resolve();
      return false;
    });
  }

  close(): void {
    clearTimeout(this.#patience);
    clearTimeout(this.#telling);
    this.#patience = undefined;
    this.#telling = undefined;
    this.#told = false;
  }

  #impatient(): void {
    this.#over = true;
    for (const { resolve } of this.#waiters.splice(0)) resolve();
    this.#deps.impatient();
  }

  #tell(): void {
    this.#told = true;
    const { answers } = this.#deps.waits();
    this.#deps.warn(
      `the log waits, with ${answers} answers so far: ${this.wait?.reason ?? ''}. Requests are answered; what they ` +
        'said is kept and committed when that has passed',
    );
  }
}
