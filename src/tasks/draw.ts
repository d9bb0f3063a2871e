/** Drawing by a seed: the same seed gives the same draws, in every version of the runtime. */

/** A number in [0, 1). */
export type Random = () => number;

/** Small, fast, seedable generator (mulberry32, public domain, T. Ettinger). */
export function seeded(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** What a problem is for. Each part has names and numbers that no other has. */
export type Part = 'train' | 'heldout' | 'example';

const PARTS: readonly Part[] = ['train', 'heldout', 'example'];

/** Of eight names or numbers about five are for training, two held out, one for worked examples. */
const SHARES: readonly Part[] = ['train', 'heldout', 'train', 'train', 'example', 'train', 'heldout', 'train'];

/** Draws what belongs to one part. */
export class Draw {
  readonly part: Part;
  readonly #random: Random;
  readonly #shift: number;

  constructor(seed: number, part: Part) {
    this.part = part;
    this.#random = seeded(Math.imul(seed + 1, 2_654_435_761) + PARTS.indexOf(part));
    this.#shift = seed % SHARES.length;
  }

  /** Uniform among the whole numbers from `low` to `high` that are of this part: a few dozen have some of each. */
  int(low: number, high: number): number {
    for (;;) {
      const number = low + Math.floor(this.#random() * (high - low + 1));
      if (this.has(number)) return number;
    }
  }

  /** Whether a number is of this part. Scattered, so that products of a part's numbers may be of it as well. */
  has(number: number): boolean {
    const scattered = Math.imul((number + 7_919 * this.#shift) ^ (number >>> 4), 2_654_435_761) >>> 29;
    return SHARES[scattered] === this.part;
  }

  pick<T>(list: readonly T[]): T {
    const at = Math.floor(this.#random() * list.length);
    return list[at] as T;
  }

  /** Several of a list, no place of it twice. */
  some<T>(list: readonly T[], count: number): readonly T[] {
    const left = [...list];
    return Array.from({ length: Math.min(count, left.length) }, () => {
      const [taken] = left.splice(Math.floor(this.#random() * left.length), 1);
      return taken as T;
    });
  }

  /** Of a list that all parts share, what is this part's. */
  own<T>(list: readonly T[]): readonly T[] {
    return list.filter((_, at) => SHARES[(at + this.#shift) % SHARES.length] === this.part);
  }
}
