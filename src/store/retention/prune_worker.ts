/**
 * Prunes beside a gateway, in a thread of its own: in short transactions with longer pauses between them, and behind
 * requests where processor time is short. What is free afterwards is given back to the disk in the same way.
 */
import { readlinkSync } from 'node:fs';
import { setPriority } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';

import { reasonOf } from '../../core/errors.js';
import { openBeside } from '../file/db.js';
import { isPassing } from '../file/passing.js';
import { type Pruned, Pruner } from './prune.js';
import type { FromPruning, PruneWorkerData } from './pruning.js';
import { shrink } from './shrink.js';

/** So long a transaction waits for another process's; then it is tried again later. */
const BUSY_MS = 50;
/** A pause is so many times as long as the transaction before it, and at least {@link LEAST_PAUSE_MS}. */
const PAUSES = 3;
const LEAST_PAUSE_MS = 20;
const RETRY_MS = 2_000;
/** As the log's thread has it: one that is behind it would hold the lock that it waits for. */
const NICENESS = 10;

const { dataDir, retention, everyMs } = workerData as PruneWorkerData;
const post = (message: FromPruning): void => parentPort?.postMessage(message);
let stopping = false;
parentPort?.on('message', () => (stopping = true));

try {
  setPriority(Number(readlinkSync('/proc/thread-self').split('/').at(-1)), NICENESS);
} catch {
  // Elsewhere a priority belongs to the whole process.
}
const store = openBeside(dataDir, { busyMs: BUSY_MS });

/** Does `work` again and again until it returns undefined; what passes is waited for. */
async function slowly<T>(work: () => T | undefined, done: (part: T) => void): Promise<void> {
  while (!stopping) {
    const began = performance.now();
    let pause: number;
    try {
      const part = work();
      if (part === undefined) return;
      done(part);
      pause = Math.max(LEAST_PAUSE_MS, PAUSES * (performance.now() - began));
    } catch (thrown) {
      if (!isPassing(thrown)) throw thrown;
      pause = RETRY_MS;
    }
    await sleep(pause);
  }
}

async function prune(): Promise<void> {
  const total = { trajectories: 0, steps: 0, batches: 0 };
  const pruner = new Pruner(store.db, retention);
  const { doubt } = pruner;
  if (doubt !== undefined) post({ type: 'failed', reason: doubt });
  await slowly(
    () => pruner.slice(),
    (part: Pruned) => {
      total.trajectories += part.trajectories;
      total.steps += part.steps;
      total.batches += part.batches;
    },
  );
  await slowly(
    () => (shrink(store.db) ? true : undefined),
    () => undefined,
  );
  if (total.trajectories + total.batches > 0) post({ type: 'pruned', pruned: total });
}

while (!stopping) {
  try {
    await prune();
  } catch (thrown) {
    post({ type: 'failed', reason: reasonOf(thrown) });
  }
  // In short naps, so that it ends soon when it is told to.
  for (const until = performance.now() + everyMs; !stopping && performance.now() < until;)
    await sleep(Math.min(everyMs, 200));
}
store.close();
parentPort?.close();
