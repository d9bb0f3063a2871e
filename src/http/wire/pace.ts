/** How slow a client may be: nothing that only comes drop by drop holds anything for long. */

/** What is faster may take as long as it needs, bytes a second. */
export const LEAST_PACE = 64 * 1024;
/** How often what is under way is looked at, milliseconds. */
const LOOK_MS = 1000;

/** Something that is coming in. */
export interface Coming {
  /** How much of it has come. */
  readonly bytes: number;
  /** Whether we are the ones who do not take it. */
  readonly halted: boolean;
  /** It is given up. Called once. */
  late(): void;
}

interface Look {
  /** What had come at the last one, and for how long nothing came since. */
  seen: number;
  silentMs: number;
  ms: number;
}

/** Watches what comes in. */
export class Arrivals {
  readonly #silenceMs: number;
  readonly #coming = new Map<Coming, Look>();
  #looking: NodeJS.Timeout | undefined;

  /** `silenceMs`: how long nothing may come, milliseconds; three times that is what all of a slow one may take. */
  constructor(silenceMs: number) {
    this.#silenceMs = silenceMs;
  }

  add(coming: Coming): void {
    this.#coming.set(coming, { seen: 0, silentMs: 0, ms: 0 });
    this.#looking ??= setInterval(() => this.#lookThrough(), this.#every).unref();
  }

  delete(coming: Coming): void {
    this.#coming.delete(coming);
  }

  get #every(): number {
    return Math.min(LOOK_MS, this.#silenceMs / 4);
  }

  #lookThrough(): void {
    if (this.#coming.size === 0) {
      clearInterval(this.#looking);
      this.#looking = undefined;
      return;
    }
    for (const [coming, look] of [...this.#coming]) {
      if (coming.halted) continue;
      look.ms += this.#every;
      look.silentMs = coming.bytes === look.seen ? look.silentMs + this.#every : 0;
      look.seen = coming.bytes;
      const isSlow = look.ms > 3 * this.#silenceMs && coming.bytes < (LEAST_PACE * look.ms) / 1000;
      if (look.silentMs <= this.#silenceMs && !isSlow) continue;
      this.#coming.delete(coming);
      coming.late();
    }
  }
}
