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
  readonly coming: Coming;
  /** Where it stands among all. */
  at: number;
  /** What had come at the last one, and for how long nothing came since. */
  seen: number;
  silentMs: number;
  ms: number;
}

/** Watches what comes in. */
export class Arrivals {
  readonly #silenceMs: number;
  /** A list, not a Map: each request comes and goes, and an old Map that changes keeps what was in it for long. */
  readonly #looks: Look[] = [];
  #looking: NodeJS.Timeout | undefined;

  /** `silenceMs`: how long nothing may come, milliseconds; three times that is what all of a slow one may take. */
  constructor(silenceMs: number) {
    this.#silenceMs = silenceMs;
  }

  /** Returns how to stop watching it. */
  add(coming: Coming): () => void {
    const look = { coming, at: this.#looks.length, seen: 0, silentMs: 0, ms: 0 };
    this.#looks.push(look);
    this.#looking ??= setInterval(() => this.#lookThrough(), this.#every).unref();
    return () => this.#remove(look);
  }

  /** The last one takes its place. */
  #remove(look: Look): void {
    if (this.#looks[look.at] !== look) return;
    const last = this.#looks.pop();
    if (last === undefined || last === look) return;
    last.at = look.at;
    this.#looks[last.at] = last;
  }

  get #every(): number {
    return Math.min(LOOK_MS, this.#silenceMs / 4);
  }

  #lookThrough(): void {
    if (this.#looks.length === 0) {
      clearInterval(this.#looking);
      this.#looking = undefined;
      return;
    }
    for (const look of [...this.#looks]) {
      const { coming } = look;
      if (coming.halted) continue;
      look.ms += this.#every;
      look.silentMs = coming.bytes === look.seen ? look.silentMs + this.#every : 0;
      look.seen = coming.bytes;
      const isSlow = look.ms > 3 * this.#silenceMs && coming.bytes < (LEAST_PACE * look.ms) / 1000;
      if (look.silentMs <= this.#silenceMs && !isSlow) continue;
      this.#remove(look);
      coming.late();
    }
  }
}
