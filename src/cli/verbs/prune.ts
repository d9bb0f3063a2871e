/** `gyre prune`: takes out of the log what is older than it is to be kept, or what makes it too large. */
import { statfsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

import { type Config, type Retention, retentionOf } from '../../core/config.js';
import { operatorError } from '../../core/errors.js';
import type { Printer } from '../../run/print.js';
import { runningGateway } from '../../run/presence.js';
import { withRows } from '../../run/rows.js';
import { otherWriter } from '../../store/intake/heads.js';
import type { Db } from '../../store/file/db.js';
import { type Pruned, Pruner } from '../../store/retention/prune.js';
import { compact, freeBytes, shrink, shrinks, usedBytes } from '../../store/retention/shrink.js';

export interface PruneFlags {
  readonly days?: string | undefined;
  readonly gib?: string | undefined;
  readonly keep?: string | undefined;
  readonly dryRun?: boolean | undefined;
  readonly compact?: boolean | undefined;
}

/** Between two transactions while a gateway answers, as a share of the one before. */
const PAUSES = 2;

export function pruneVerb(config: Config, flags: PruneFlags, printer: Printer, signal: AbortSignal): Promise<void> {
  const retention = wanted(config, flags);
  if (retention === undefined && flags.compact !== true)
    throw operatorError(
      'nothing says what to prune: put "retention: {days: 90}" into the configuration, or say --days N or --gib N',
    );
  return withRows(config, async (db) => {
    const pruner = retention === undefined ? undefined : new Pruner(db, retention, Date.now, flags.days !== undefined);
    if (pruner?.doubt !== undefined) printer.line(pruner.doubt);
    if (flags.dryRun === true) {
      if (pruner !== undefined) preview(pruner, retention?.gib !== undefined, printer);
      return;
    }
    const gateway = runningGateway(config.data);
    const writer = gateway?.pid ?? otherWriter(config.data);
    if (flags.compact === true && writer !== undefined)
      throw operatorError(
        `a gateway (process ${writer}) serves "${config.data}", and nothing could be logged while the file is ` +
          'written anew; end it first, or leave --compact out',
      );
    const pruned = pruner === undefined ? undefined : await prune(pruner, writer !== undefined, printer, signal);
    if (flags.compact === true && !signal.aborted) writeAnew(db, config.data, printer);
    else while (!signal.aborted && shrink(db, 0)) if (writer !== undefined) await sleep(5);
    told(db, pruned, printer);
  });
}

function wanted({ retention }: Config, { days, gib, keep }: PruneFlags): Retention | undefined {
  if (days === undefined && gib === undefined && keep === undefined) return retention;
  const limits = {
    ...(days === undefined ? {} : { days: Number(days) }),
    ...(gib === undefined ? {} : { gib: Number(gib) }),
  };
  const own = Object.keys(limits).length > 0 ? limits : { days: retention?.days, gib: retention?.gib };
  return retentionOf({ ...own, keep: keep?.split(',').filter((name) => name !== 'none') ?? retention?.keep ?? [] });
}

async function prune(pruner: Pruner, gently: boolean, printer: Printer, signal: AbortSignal): Promise<Pruned> {
  const { trajectories: total } = pruner.preview();
  let sum: Pruned = { trajectories: 0, steps: 0, batches: 0 };
  while (!signal.aborted) {
    const began = performance.now();
    const part = pruner.slice();
    if (part === undefined) break;
    sum = {
      trajectories: sum.trajectories + part.trajectories,
      steps: sum.steps + part.steps,
      batches: sum.batches + part.batches,
    };
    printer.progress({ stage: 'prune', done: sum.trajectories, total: Math.max(total, sum.trajectories) });
    await sleep(gently ? PAUSES * (performance.now() - began) : 0);
  }
  return sum;
}

function preview(pruner: Pruner, forSize: boolean, printer: Printer): void {
  const would = pruner.preview();
  printer.result({ dry_run: true, ...would }, [
    `would prune ${counted(would)}${forSize ? ' (how many, for the size, is an estimate)' : ''}`,
  ]);
}

function writeAnew(db: Db, dataDir: string, printer: Printer): void {
  const needed = usedBytes(db);
  const { bavail, bsize } = statfsSync(dataDir);
  // The new file, and the write-ahead log it is copied back through.
  if (bavail * bsize < 2 * needed)
    throw operatorError(
      `writing the file anew needs ${gibOf(2 * needed)} beside it, and the disk of "${dataDir}" has ` +
        `${gibOf(bavail * bsize)} left; free some space, or prune more first`,
    );
  printer.line(`writing ${gibOf(needed)} anew; this takes about a minute for each 5 GiB`);
  compact(db);
}

function told(db: Db, pruned: Pruned | undefined, printer: Printer): void {
  const [used, free] = [usedBytes(db), freeBytes(db)];
  printer.result({ pruned: pruned ?? null, used_bytes: used, free_bytes: free }, [
    ...(pruned === undefined ? [] : [`pruned ${counted(pruned)}`]),
    `the log has ${gibOf(used)}${free === 0 ? '' : `, and ${gibOf(free)} of its file are free`}`,
    ...(shrinks(db) || free === 0
      ? []
      : [
          'the file was made by an earlier version and cannot give back what is free; "gyre prune --compact" writes ' +
            'it anew once, while no gateway runs',
        ]),
  ]);
}

function counted({ trajectories, steps, batches }: Pruned): string {
  return `${trajectories} trajectories (${steps} steps) and the tokens of ${batches} batches`;
}

function gibOf(bytes: number): string {
  return `${(bytes / 1024 ** 3).toFixed(2)} GiB`;
}
