/**
 * Output of verbs: one JSON object with --json, a few aligned lines without. Results go to standard output, progress to
 * standard error. Whatever others said is made visible, wherever in it that stands.
 */
import { shown, shownJson } from '../core/text/shown.js';
import type { Progress } from '../learner/deps.js';

export interface Printer {
  /** The verb's result. */
  result(value: unknown, lines: readonly string[]): void;
  progress(progress: Progress): void;
  line(text: string): void;
}

export function printer(json: boolean): Printer {
  // Whoever reads us has enough, as `head` has: nothing is wrong, and the verb ends as it would have.
  process.stdout.on('error', (thrown: NodeJS.ErrnoException) => {
    if (thrown.code !== 'EPIPE') throw thrown;
  });
  let last = '';
  /** Of the stage that was told of last, where no terminal is there: a line for each quarter. */
  let told = '';
  return {
    result(value, lines) {
      process.stdout.write(
        json ? `${shownJson(JSON.stringify(value, null, 2))}\n` : lines.map((line) => `${shown(line)}\n`).join(''),
      );
    },
    progress({ stage, done, total, note }) {
      const text = shown(`${stage} ${done}/${total}${note === undefined ? '' : ` (${note})`}`);
      if (text === last) return;
      last = text;
      if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${text}${done === total ? '\n' : ''}`);
      else {
        const quarter = `${stage} ${total === 0 ? 4 : Math.floor((4 * done) / total)}`;
        if (quarter !== told || done === total) process.stderr.write(`${text}\n`);
        told = quarter;
      }
    },
    line(text) {
      process.stderr.write(`${shown(text)}\n`);
    },
  };
}

/** Rows as aligned columns. */
export function table(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}
