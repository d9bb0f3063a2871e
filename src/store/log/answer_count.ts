/**
 * How many answers the log of one gateway was told of, counted by the gateway's own numbers and not by what was
 * written: each ledger row says how many must be in the ledger by then, so that a group that was lost shows. Left out
 * is what has a reason not to be there: an answer without a step, one that was deleted meanwhile or set aside.
 */
import type { Acknowledged } from '../file/ledger.js';

export class AnswerCount {
  readonly #writer: string;
  /** The newest number, and how many up to it have a reason not to be there: committed, and in this transaction. */
  #committed: { newest: number; excused: number };
  #open: { newest: number; excused: number };
  /** Until it is counted; what is replayed was told to another log. */
  #counts = false;

  /** `before` is the newest number that the log before this one was told. */
  constructor(writer: string, before: number) {
    this.#writer = writer;
    this.#committed = { newest: before, excused: before };
    this.#open = this.#committed;
  }

  /** From now on: everything that was left by the log before this one is written. */
  start(): void {
    this.#counts = true;
  }

  get acknowledged(): Acknowledged | undefined {
    const { newest, excused } = this.#open;
    return this.#counts ? { writer: this.#writer, answers: newest - excused } : undefined;
  }

  get excused(): number {
    return this.#committed.excused;
  }

  begin(): void {
    this.#open = { ...this.#committed };
  }

  answer(number: number, written: boolean): void {
    if (!this.#counts) return;
    this.#open.newest = Math.max(this.#open.newest, number);
    if (!written) this.#open.excused += 1;
  }

  settled(committed: boolean): void {
    if (committed) this.#committed = this.#open;
    else this.#open = this.#committed;
  }

  /** Outside a transaction: an answer that is not written. */
  excuse(number: number): void {
    if (!this.#counts) return;
    this.#committed = {
      newest: Math.max(this.#committed.newest, number),
      excused: this.#committed.excused + 1,
    };
    this.#open = this.#committed;
  }
}
