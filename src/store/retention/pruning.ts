/** Pruning as a running gateway has it: a thread that looks from time to time, and is told to end. */
import { Worker } from 'node:worker_threads';

import type { Retention } from '../../core/config.js';
import { reasonOf } from '../../core/errors.js';
import type { Pruned } from './prune.js';

export interface PruneWorkerData {
  readonly dataDir: string;
  readonly retention: Retention;
  /** Milliseconds from the end of one look to the next. */
  readonly everyMs: number;
}

export type FromPruning =
  /** Something was pruned, in as many transactions as it took. */
  { readonly type: 'pruned'; readonly pruned: Pruned } | { readonly type: 'failed'; readonly reason: string };

export interface PruningOptions extends Omit<PruneWorkerData, 'everyMs'> {
  readonly everyMs?: number | undefined;
  /** Path of the compiled `prune_worker.ts`. */
  readonly module: string;
  readonly pruned: (pruned: Pruned) => void;
  readonly failed: (reason: string) => void;
}

export interface Pruning {
  /** Resolves when the transaction under way is over and its thread has ended. */
  stop(): Promise<void>;
}

const EVERY_MS = 10 * 60_000;
/** How long a thread that does not end may hold up whoever stops it. */
const STOP_MS = 2_000;

export function openPruning({
  module,
  pruned,
  failed,
  everyMs = EVERY_MS,
  dataDir,
  retention,
}: PruningOptions): Pruning {
  const worker = new Worker(module, { workerData: { dataDir, retention, everyMs } satisfies PruneWorkerData });
  worker.unref();
  worker.on('message', (message: FromPruning) => {
    if (message.type === 'pruned') pruned(message.pruned);
    else failed(message.reason);
  });
  worker.on('error', (thrown) => failed(`it ended: ${reasonOf(thrown)}`));
  const ended = new Promise<void>((resolve) => worker.on('exit', () => resolve()));
  return {
    async stop() {
      worker.postMessage('stop');
      const late = setTimeout(() => void worker.terminate(), STOP_MS);
      await ended;
      clearTimeout(late);
    },
  };
}
