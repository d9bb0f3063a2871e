/**
 * Log threads that ended without committing anything, one after the other. The next goes carefully: it says with which
 * recording it begins, so that one which no thread survives is set aside alone.
 */
import { isOutOfMemory, isPassing } from '../file/passing.js';

/** A log thread that crashed this often in a row will never commit what it has in hand. */
const MAX_CRASHES = 2;
const RESTART_MS = 500;

export class Crashes {
  #count = 0;
  #inHand: number | undefined;
  readonly #leftOut = new Set<number>();

  /** It begins with a recording. */
  begins(recording: number): void {
    this.#inHand = recording;
  }

  committed(): void {
    this.#count = 0;
  }

  /** Everything of the intake is committed but what was left out. */
  recovered(): void {
    this.#inHand = undefined;
    this.#leftOut.clear();
  }

  /**
   * One has ended. One that did because the system had nothing left for it is no crash; one whose own memory was used
   * up may be. Returns the recording that is to be set aside, if one was in hand each time.
   */
  ended(fault: unknown): number | undefined {
    if (!isPassing(fault) || isOutOfMemory(fault)) this.#count += 1;
    const inHand = this.#inHand;
    this.#inHand = undefined;
    if (!this.hopeless || inHand === undefined) return undefined;
    this.#leftOut.add(inHand);
    this.#count = 1; // the others one by one, too
    return inHand;
  }

  /** Nothing is in hand that could be set aside alone. */
  get hopeless(): boolean {
    return this.#count > MAX_CRASHES;
  }

  /** How the next is started. */
  get next(): { readonly careful: boolean; readonly leaveOut: readonly number[] } {
    return { careful: this.#count > 0, leaveOut: [...this.#leftOut] };
  }

  /** Until the next is started, where that may help. */
  get pauseMs(): number {
    return RESTART_MS * 4 ** Math.max(0, this.#count - 1);
  }
}
