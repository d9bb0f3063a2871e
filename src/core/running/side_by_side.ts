/** Large work that goes on side by side, within a bound on the size of all of it; in the order in which it came. */

/** What is smaller never waits, whatever there is before it. */
const SMALL = 1024 * 1024;

export class SideBySide {
  readonly #most: number;
  #size = 0;
  readonly #waiting: { readonly size: number; readonly enter: () => void }[] = [];

  /** `most`: the size of all that goes on at a time, in the unit of what enters; what is larger goes on alone. */
  constructor(most: number) {
    this.#most = most;
  }

  /** Resolves when it may begin; to be called once it is over. */
  async enter(size: number): Promise<() => void> {
    if (size < SMALL) return nothing;
    if (this.#waiting.length > 0 || !this.#fits(size))
      await new Promise<void>((enter) => this.#waiting.push({ size, enter }));
    else this.#size += size;
    return () => this.#leave(size);
  }

  #fits(size: number): boolean {
    return this.#size === 0 || this.#size + size <= this.#most;
  }

  #leave(size: number): void {
    this.#size -= size;
    for (let next = this.#waiting[0]; next !== undefined && this.#fits(next.size); next = this.#waiting[0]) {
      this.#waiting.shift();
      this.#size += next.size;
      next.enter();
    }
  }
}

function nothing(): void {}
