/** Numbers of a seed, so that what a run did can be done again. */
import { seeded } from '../../src/tasks/draw.js';

export class Random {
  /** From 0 to 1. */
  readonly next: () => number;

  constructor(seed: number) {
    this.next = seeded(seed);
  }

  between(least: number, most: number): number {
    return least + this.next() * (most - least);
  }

  of<T>(list: readonly [T, ...T[]]): T {
    return list[Math.floor(this.next() * list.length)] ?? list[0];
  }
}
