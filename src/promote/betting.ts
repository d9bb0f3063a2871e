/**
 * What differences show, each a number from -1 to 1, where they are more than won and lost. Pure.
 *
 * The evidence is what somebody would own who began with 1 and put the same part of it on each difference being above
 * `above`, the part unknown and all of {@link PARTS} taken for equally likely. Where differences are no more than
 * `above` on average, whatever came before, it falls on average, so it ever reaches 1/alpha with a probability of at
 * most alpha. Of wins, losses and ties alone, and above 0, that is the evidence of `src/promote/evidence.ts`.
 */

/** Parts that are tried. A mixture of so few is as valid as any: its evidence is only a little smaller. */
const PARTS = 32;

export class Bets {
  readonly #above: number;
  /** By part, in nats. */
  readonly #owned = new Float64Array(PARTS);

  /** `above`: what the mean has to be above, from -1 to 1. */
  constructor(above = 0) {
    if (!(above > -1 && above < 1)) throw new RangeError(`a mean from -1 to 1 is never above ${above}`);
    this.#above = above;
  }

  add(difference: number, times = 1): void {
    for (let at = 0; at < PARTS; at += 1) {
      // The most that can be lost is 1 + above.
      const part = (at + 0.5) / PARTS / (1 + this.#above);
      this.#owned[at] = (this.#owned[at] ?? 0) + times * Math.log1p(part * (difference - this.#above));
    }
  }

  /** In nats. */
  get evidence(): number {
    const most = this.#most();
    let sum = 0;
    for (let at = 0; at < PARTS; at += 1) sum += Math.exp((this.#owned[at] ?? 0) - most);
    return most + Math.log(sum / PARTS);
  }

  /** Whether the evidence is as much as that. */
  reaches(nats: number): boolean {
    // A mean is no more than the largest.
    return this.#most() >= nats && this.evidence >= nats;
  }

  #most(): number {
    let most = -Infinity;
    for (let at = 0; at < PARTS; at += 1) most = Math.max(most, this.#owned[at] ?? 0);
    return most;
  }
}

/** The evidence of so many wins, losses and ties that wins exceed losses by more than `above` of all. */
export function logEvidenceAbove(wins: number, losses: number, ties: number, above: number): number {
  const bets = new Bets(above);
  bets.add(1, wins);
  bets.add(-1, losses);
  bets.add(0, ties);
  return bets.evidence;
}
