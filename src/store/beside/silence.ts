/**
 * Whether the log's thread still speaks. One that waits for a lock says so; one whose disk hangs says nothing, and
 * nobody may wait for it without an end: it is as if it had said that it waits.
 */
import type { LogWait } from '../../core/log.js';
import type { Waiting } from './waiting.js';
import type { FromLog } from './wire.js';

const LOOK_MS = 1_000;
/** Looks in a row, each without a word: a gateway that was halted itself comes back to one. */
const LOOKS = 10;

interface SilenceDeps {
  /** Whether there is anything to be said. */
  readonly expects: () => boolean;
  /** Called once when nothing was said. */
  readonly silent: () => void;
  /** Whether there is much to commit yet. */
  readonly behind: () => boolean;
}

export class Silence {
  readonly #waiting: Waiting;
  readonly #deps: SilenceDeps;
  /** What the thread itself has said that it waits for. */
  #said: LogWait | undefined;
  #looking: NodeJS.Timeout | undefined;
  #looks = 0;

  constructor(waiting: Waiting, deps: SilenceDeps) {
    this.#waiting = waiting;
    this.#deps = deps;
  }

  get is(): boolean {
    return this.#looks >= LOOKS;
  }

  /** From now on something is to be said. */
  expect(): void {
    this.#looking ??= setInterval(() => this.#look(), LOOK_MS);
  }

  heard(message: FromLog): void {
    if (message.type === 'waiting') this.#said = message.wait;
    const was = this.is;
    this.#looks = 0;
    if (!was) return;
    if (this.#said !== undefined) this.#waiting.begin(this.#said);
    else this.#waiting.end(this.#deps.behind());
  }

  close(): void {
    clearInterval(this.#looking);
    this.#looking = undefined;
  }

  #look(): void {
    // While it says what it waits for it tries again without a word.
    if (!this.#deps.expects() || this.#said !== undefined) {
      this.#looks = 0;
      if (!this.#deps.expects()) this.close();
      return;
    }
    this.#looks += 1;
    if (this.#looks !== LOOKS) return;
    const reason = `the log's thread has said nothing for ${(LOOKS * LOOK_MS) / 1000} s; the disk may hang`;
    const silentMs = LOOKS * LOOK_MS;
    this.#waiting.begin({ since: Date.now() - silentMs, reason }, silentMs);
    this.#deps.silent();
  }
}
