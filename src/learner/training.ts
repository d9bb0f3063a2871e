/** Sends a batch to the trainer and records what it became: a version row, a parity decision. Safe to repeat. */
import { setTimeout as sleep } from 'node:timers/promises';

import { GyreError } from '../core/errors.js';
import type { BatchRow } from '../core/learning/batch.js';
import { GYRE_POLICY } from '../core/learning/policy_name.js';
import type { Decision, Version } from '../core/learning/version.js';
import { allVersions, saveVersion } from '../store/learning/versions.js';
import { batchById, moveBatch, openBatches, stepsInBatch } from '../store/learning/batches.js';
import { unclaim } from '../store/learning/claims.js';
import { consented } from '../store/learning/consent.js';
import { decide, decisionsOf, headVersion } from '../store/learning/decisions.js';
import type { BatchResult, Trainer, TrainerBatch } from '../train/client.js';
import type { Learner } from './deps.js';
import { drawnIn } from './drawn.js';

const POLL_MS = 250;
/** How long a trainer may not answer in the middle of a batch: it is restarted meanwhile and continues by itself. */
const OUTAGE_MS = 5 * 60_000;

export interface Trained {
  readonly version: Version;
  readonly parity: Decision;
}

/** Throws GyreError side `trainer` when the update failed; the batch row then says why. */
export async function train(learner: Learner, trainer: Trainer, made: BatchRow): Promise<Trained> {
  const row = batchById(learner.db, GYRE_POLICY, made.id) ?? made;
  if (row.state === 'assembled') {
    refuseWithheld(learner, row);
    moveBatch(learner.db, GYRE_POLICY, row.id, 'sent');
  }
  const result = row.state === 'failed' ? undefined : await resultOf(learner, trainer, row);
  if (result === undefined) {
    throw new GyreError({
      side: 'trainer',
      status: 502,
      code: 'batch_failed',
      message: `batch ${row.id} trained nothing${row.note === '' ? '' : ` (${row.note})`}; its states are given back`,
    });
  }
  const version: Version = {
    version: result.version,
    kind: 'trained',
    parent: row.batch.base_version,
    batchId: row.id,
    metrics: {
      ...result.metrics,
      published_at: result.published_at,
      load_seconds: result.load_seconds,
      first_token_seconds: result.first_token_seconds,
      ...(await drawnIn(learner.rows, row.cycleId)),
    },
    createdAt: Date.now(),
  };
  saveVersion(learner.db, GYRE_POLICY, version);
  if (row.state !== 'applied') moveBatch(learner.db, GYRE_POLICY, row.id, 'applied');
  const known = decisionsOf(learner.db, GYRE_POLICY, 10, version.version).find(
    (decision) => decision.kind === 'parity',
  );
  const saved =
    allVersions(learner.db, GYRE_POLICY).find((candidate) => candidate.version === version.version) ?? version;
  return { version: saved, parity: known ?? recordParity(learner, version, result) };
}

/** A batch may wait for a trainer, or for the next start, longer than a key's consent lasts. */
function refuseWithheld({ db }: Learner, { id }: BatchRow): void {
  const steps = stepsInBatch(db, GYRE_POLICY, id);
  const withheld = steps.length - consented(db, steps).size;
  if (withheld === 0) return;
  const note = `consent to learn from ${withheld} of its states was withdrawn before it was sent`;
  moveBatch(db, GYRE_POLICY, id, 'failed', note);
  throw new GyreError({ side: 'trainer', status: 409, code: 'batch_failed', message: `batch ${id}: ${note}` });
}

function recordParity(learner: Learner, version: Version, result: BatchResult): Decision {
  const { parity } = result;
  return decide(learner.db, GYRE_POLICY, {
    kind: 'parity',
    version: version.version,
    against: version.parent,
    passed: parity.passed,
    reason:
      `engine and trainer differ by ${parity.mean_abs.toExponential(2)} on average over ` +
      `${parity.n_tokens} tokens; tolerance ${parity.tolerance}`,
    numbers: { ...parity, differs_from_base: result.differs_from_base },
  });
}

/**
 * Makes our rows and the trainer agree before a new cycle takes its base from the rows. First the trainer is asked what
 * became of batches whose cycle ended without knowing. Where its head is still another than ours, it is reset to ours:
 * the trainer may have kept an update that it could not publish, or come from another data folder.
 */
export async function reconcile(learner: Learner, trainer: Trainer): Promise<void> {
  for (const row of openBatches(learner.db, GYRE_POLICY)) {
    try {
      await train(learner, trainer, row);
    } catch (thrown) {
      const final = thrown instanceof GyreError && (thrown.status < 500 || thrown.code === 'batch_failed');
      if (!final) throw thrown;
      if (thrown.code !== 'batch_failed')
        moveBatch(
          learner.db,
          GYRE_POLICY,
          row.id,
          'failed',
          `the trainer does not take it any more: ${thrown.message}`,
        );
      unclaim(learner.db, GYRE_POLICY, row.cycleId);
    }
  }
  const head = headVersion(learner.db, GYRE_POLICY);
  if ((await trainer.health()).head !== head) await trainer.resetHead(head);
}

/** Training goes on from what serves, because the gate refused a head that got worse too often in a row. */
export async function resetHead({ rows }: Learner, trainer: Trainer, serving: number): Promise<void> {
  const head = await rows.versions.head();
  await trainer.resetHead(serving);
  await rows.decisions.add({
    kind: 'head_reset',
    version: serving,
    against: head,
    passed: true,
    reason: `version ${head} is worse than version ${serving}, and the gate has refused several in a row`,
    numbers: {},
  });
}

async function resultOf(learner: Learner, trainer: Trainer, row: BatchRow): Promise<BatchResult> {
  let lastAnswer = performance.now();
  for (let known = false; ;) {
    learner.signal.throwIfAborted();
    let now: TrainerBatch;
    try {
      now = known ? await trainer.batch(row.id) : await submitted(learner, trainer, row);
      known = true;
      lastAnswer = performance.now();
    } catch (thrown) {
      const away =
        thrown instanceof GyreError &&
        thrown.code === 'trainer_unreachable' &&
        !learner.signal.aborted &&
        performance.now() - lastAnswer < OUTAGE_MS;
      if (!away) throw thrown;
      learner.progress({ stage: 'train', done: 0, total: 100, note: 'waiting for the trainer' });
      await sleep(4 * POLL_MS, undefined, { signal: learner.signal });
      continue;
    }
    if (now.state === 'done' && now.result) return now.result;
    if (now.state === 'failed') {
      moveBatch(learner.db, GYRE_POLICY, row.id, 'failed', now.error?.message ?? 'no reason given', true);
      throw new GyreError({
        side: 'trainer',
        status: 502,
        code: 'batch_failed',
        message: `the trainer could not apply batch ${row.id}: ${now.error?.message ?? 'no reason given'}`,
      });
    }
    learner.progress({ stage: 'train', done: Math.round(100 * (now.progress ?? 0)), total: 100, note: now.state });
    await sleep(POLL_MS, undefined, { signal: learner.signal });
  }
}

/**
 * The batch as the trainer has it, which is sent it only where it does not know its id: it must not train twice. It is
 * read again each time: what was deleted, or may not be learned from any more, while the trainer was away is not sent.
 */
async function submitted(learner: Learner, trainer: Trainer, { id }: BatchRow): Promise<TrainerBatch> {
  const { db } = learner;
  try {
    return await trainer.batch(id);
  } catch (thrown) {
    if (!(thrown instanceof GyreError) || thrown.status !== 404) throw thrown;
    const row = batchById(db, GYRE_POLICY, id);
    if (row !== undefined && row.batch.actions.length > 0) {
      refuseWithheld(learner, row);
      return trainer.submit(row.batch);
    }
    const note = row === undefined || row.note === '' ? 'it is empty' : row.note;
    moveBatch(db, GYRE_POLICY, id, 'failed', note);
    throw new GyreError({ side: 'trainer', status: 409, code: 'batch_failed', message: `batch ${id}: ${note}` });
  }
}
