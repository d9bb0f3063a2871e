/** Sending the batch and taking back what it became: a version row, a parity decision. Safe to run again at any point. */
import { setTimeout as sleep } from 'node:timers/promises';

import { GyreError } from '../core/errors.js';
import type { Decision, Version } from '../core/learning.js';
import { moveBatch, type BatchRow } from '../store/cycles.js';
import { allVersions, decide, decisionsOf, saveVersion } from '../store/learning.js';
import type { BatchResult, Trainer } from '../train/client.js';
import type { Learner } from './deps.js';

const POLL_MS = 250;

export interface Trained {
  readonly version: Version;
  readonly parity: Decision;
}

/** Throws GyreError side `trainer` when the update failed; the batch row then says why. */
export async function train(learner: Learner, trainer: Trainer, row: BatchRow): Promise<Trained> {
  if (row.state === 'assembled') moveBatch(learner.db, row.id, 'sent');
  const result = row.state === 'failed' ? undefined : await applied(learner, trainer, row);
  if (result === undefined) {
    throw new GyreError({ side: 'trainer', status: 502, code: 'batch_failed', message: `batch ${row.id} failed in an earlier attempt; its states are given back` });
  }
  const version: Version = {
    version: result.version,
    kind: 'trained',
    parent: row.batch.base_version,
    batchId: row.id,
    metrics: { ...result.metrics, published_at: result.published_at, load_seconds: result.load_seconds, first_token_seconds: result.first_token_seconds },
    createdAt: Date.now(),
  };
  saveVersion(learner.db, version);
  if (row.state !== 'applied') moveBatch(learner.db, row.id, 'applied');
  const known = decisionsOf(learner.db, 10, version.version).find((decision) => decision.kind === 'parity');
  const saved = allVersions(learner.db).find((candidate) => candidate.version === version.version) ?? version;
  return { version: saved, parity: known ?? recordParity(learner, version, result) };
}

function recordParity(learner: Learner, version: Version, result: BatchResult): Decision {
  const { parity } = result;
  return decide(learner.db, {
    kind: 'parity',
    version: version.version,
    ...(version.parent === undefined ? {} : { against: version.parent }),
    passed: parity.passed,
    reason: `engine and trainer differ by ${parity.mean_abs.toExponential(2)} on average over ${parity.n_tokens} tokens; tolerance ${parity.tolerance}`,
    numbers: { ...parity, differs_from_base: result.differs_from_base },
  });
}

async function applied(learner: Learner, trainer: Trainer, row: BatchRow): Promise<BatchResult> {
  await trainer.submit(row.batch);
  for (;;) {
    learner.signal.throwIfAborted();
    const now = await trainer.batch(row.id);
    if (now.state === 'done' && now.result) return now.result;
    if (now.state === 'failed') {
      moveBatch(learner.db, row.id, 'failed', now.error?.message ?? 'no reason given');
      throw new GyreError({ side: 'trainer', status: 502, code: 'batch_failed', message: `the trainer could not apply batch ${row.id}: ${now.error?.message ?? 'no reason given'}` });
    }
    learner.progress({ stage: 'train', done: Math.round(100 * (now.progress ?? 0)), total: 100, note: now.state });
    await sleep(POLL_MS, undefined, { signal: learner.signal });
  }
}
