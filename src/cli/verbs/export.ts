/**
 * `gyre export`: trajectories as JSON lines, one after another, however long the log. Filters are those of the list of
 * the API. What a training format leaves out is counted and said.
 */
import { createWriteStream } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

import type { Config } from '../../core/config.js';
import { operatorError, reasonOf } from '../../core/errors.js';
import { filterOf, type Given, type Shown, shownOf } from '../../core/reading/filters.js';
import { writeJson } from '../../core/text/json.js';
import { shownJson } from '../../core/text/shown.js';
import type { Printer } from '../../run/print.js';
import { withRows } from '../../run/rows.js';
import type { Db } from '../../store/file/db.js';
import { chatLine } from '../../store/read/chat_line.js';
import { matching, type Sought } from '../../store/read/matching.js';
import { showTrajectory, trajectoryPieces } from '../../store/read/showing.js';

type Flag =
  | 'view'
  | 'include'
  | 'version'
  | 'outcome'
  | 'origin'
  | 'key'
  | 'task'
  | 'good'
  | 'feedback'
  | 'trainable'
  | 'since'
  | 'until'
  | 'q';

export interface ExportFlags extends Given, Partial<Record<Flag, string>> {
  readonly out?: string;
  readonly format?: string;
  readonly limit?: string;
}

const FORMATS = ['jsonl', 'chat'] as const;
type Format = (typeof FORMATS)[number];

interface Wanted {
  readonly format: Format;
  readonly shown: Shown;
  readonly limit: number;
  readonly sought: Sought;
}

/** What became of the trajectories that pass the filter. */
interface Counts {
  written: number;
  /** By the reason. */
  readonly leftOut: Record<string, number>;
}

/** Looked at before others have a turn: who ends us, and who reads no more. */
const TURN = 256;

export function exportVerb(config: Config, flags: ExportFlags, printer: Printer, signal: AbortSignal): Promise<void> {
  const wanted = wantedOf(flags);
  return withRows(config, async (db) => {
    const counts: Counts = { written: 0, leftOut: {} };
    const lines = Readable.from(linesOf(db, wanted, counts, signal), { highWaterMark: 1 });
    try {
      if (flags.out === undefined) await pipeline(lines, process.stdout, { signal, end: false });
      else await pipeline(lines, createWriteStream(flags.out), { signal });
    } catch (thrown) {
      if (flags.out === undefined && isClosed(thrown)) return;
      if (flags.out === undefined || signal.aborted) throw thrown;
      throw operatorError(`"${flags.out}" cannot be written: ${reasonOf(thrown)}`, thrown);
    } finally {
      if (process.stderr.isTTY) process.stderr.write('\r\u001b[K');
    }
    const left = Object.entries(counts.leftOut).map(([reason, count]) => `${count} ${reason}`);
    const said = left.length === 0 ? '' : `; left out: ${left.join(', ')}`;
    if (flags.out !== undefined)
      printer.result({ out: flags.out, written: counts.written, left_out: counts.leftOut }, [
        `wrote ${counts.written} trajectories to ${flags.out}${said}`,
      ]);
    else if (process.stderr.isTTY || left.length > 0) printer.line(`${counts.written} trajectories${said}`);
  });
}

function wantedOf(flags: ExportFlags): Wanted {
  const format = FORMATS.find((known) => known === (flags.format ?? 'jsonl'));
  if (format === undefined)
    throw operatorError(`--format is "${flags.format ?? ''}"; there are ${FORMATS.join(' and ')}`);
  const limit = flags.limit === undefined ? Number.POSITIVE_INFINITY : Number(flags.limit);
  if (flags.limit !== undefined && !/^[1-9]\d{0,14}$/.test(flags.limit))
    throw operatorError(`--limit is "${flags.limit}"; it must be a whole number of at least 1`);
  const shown = shownOf(flags, format === 'chat' ? 'policy' : 'client');
  if (format === 'chat' && (shown.view === 'summary' || shown.tokens))
    throw operatorError('--format chat has messages and tools only: --view is client or policy, and no --include');
  return { format, shown, limit, sought: { filter: filterOf(flags) } };
}

async function* linesOf(
  db: Db,
  { format, shown, limit, sought }: Wanted,
  counts: Counts,
  signal: AbortSignal,
): AsyncGenerator<string> {
  let looked = 0;
  for (const { id, passes } of matching(db, sought)) {
    if (counts.written >= limit) return;
    looked += 1;
    if (looked % TURN === 0) {
      await new Promise((resolve) => setImmediate(resolve));
      signal.throwIfAborted();
      if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${counts.written} of ${looked} looked at`);
    }
    const { view: side, tokens } = shown;
    if (passes && format === 'jsonl' && side !== 'summary') {
      let any = false;
      for (const piece of trajectoryPieces(db, id, { view: side, tokens })) {
        any = true;
        yield shownJson(piece);
      }
      if (!any) continue;
      counts.written += 1;
      yield '\n';
      continue;
    }
    // It may be deleted while we go.
    const view = passes ? showTrajectory(db, id, shown) : undefined;
    if (view === undefined) continue;
    const line = format === 'chat' && 'messages' in view ? chatLine(db, view) : { example: view };
    if ('leftOut' in line) {
      counts.leftOut[line.leftOut] = (counts.leftOut[line.leftOut] ?? 0) + 1;
      continue;
    }
    counts.written += 1;
    yield `${shownJson(writeJson(line.example))}\n`;
  }
}

/** Whoever read our output has enough, as `head` has. */
function isClosed(thrown: unknown): boolean {
  const { code } = thrown as NodeJS.ErrnoException;
  return code === 'EPIPE' || code === 'ERR_STREAM_PREMATURE_CLOSE';
}
