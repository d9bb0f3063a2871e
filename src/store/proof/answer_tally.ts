/** Whether the ledger has as many answers of each log as that log had acknowledged: a group that was lost shows. */
import type { LedgerEntry, LedgerRow } from '../file/ledger.js';

export class AnswerTally {
  readonly #entered = new Map<string, number>();

  /** Counts a row; returns what is wrong with it. */
  row({ writer, answers }: Pick<LedgerRow, 'writer' | 'answers'>, entries: readonly LedgerEntry[]): string | undefined {
    if (writer === null || answers === null) return undefined;
    const entered = this.of(writer) + entries.filter(([table]) => table === 'responses').length;
    // What is missing is told once, at the first row that comes after it.
    this.#entered.set(writer, answers);
    if (entered === answers) return undefined;
    return `${answers} answers of the log ${writer} were acknowledged by here, and ${entered} are entered`;
  }

  /** How many answers of a log are entered. */
  of(writer: string): number {
    return this.#entered.get(writer) ?? 0;
  }
}
