/** Sends a batch to the trainer and records what it became: a version row, a parity decision. Safe to repeat. */
import { setTimeout as sleep } from 'node:timers/promises';

import { drawnNumbers } from '../batch/drawn.js';
import { GyreError } from '../core/errors.js';
import type { BatchRow } from '../core/learning/batch.js';
import type { Drawn } from '../core/learning/update.js';
import type { AppliedBatch, MadeVersion } from '../core/learning/version.js';
import type { BatchResult, Trainer, TrainerBatch } from '../train/client.js';
import type { Learner } from './deps.js';

const POLL_MS = 250;
/** How long a trainer may not answer in the middle of a batch: it is restarted meanwhile and continues by itself. */
const OUTAGE_MS = 5 * 60_000;

/** Codes of the trainer that say that the same batch on the same head would fail again. */
const SAME_AGAIN: ReadonlySet<string> = new Set(['batch_schema', 'kl_bound', 'non_finite']);

/** So many updates in a row without a gate; then the head waits for one. */
export const UNGATED = 16;

/** Throws GyreError side `trainer` when the update failed; the batch row then says why. */
export async function train(learner: Learner, trainer: Trainer, made: BatchRow): Promise<AppliedBatch> {
  const { rows } = learner;
  const row = (await rows.batches.byId(made.id)) ?? made;
  if (row.state === 'assembled') {
    await refuseStale(learner, row);
    await rows.batches.move(row.id, 'sent');
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
  return rows.batches.applied(row.id, madeOf(result, await drawnIn(rows, row.cycleId)));
}

/**
 * What the samples of a cycle were like, to stand beside what the trainer measured of the update they made. Nothing
 * where none were drawn: in the modes that train on logged actions.
 */
async function drawnIn({ samples, steps }: Learner['rows'], cycleId: string): Promise<{ readonly drawn?: Drawn }> {
  const all = await samples.of(cycleId);
  const asked = await steps.asked([...new Set(all.map(({ stepId }) => stepId))]);
  const drawn = drawnNumbers(all, (stepId) => asked.get(stepId)?.state.callsAllowed === true);
  return drawn === undefined ? {} : { drawn };
}

function madeOf(result: BatchResult, drawn: Readonly<Record<string, unknown>>): MadeVersion {
  const { version, metrics, parity, published_at, load_seconds, first_token_seconds, differs_from_base } = result;
  return {
    version,
    metrics: { ...metrics, published_at, load_seconds, first_token_seconds, ...drawn },
    parity: {
      passed: parity.passed,
      reason:
        `engine and trainer differ by ${parity.mean_abs.toExponential(2)} on average over ` +
        `${parity.n_tokens} tokens; tolerance ${parity.tolerance}`,
      numbers: { ...parity, differs_from_base },
    },
  };
}

/**
 * A batch may wait for a trainer, or for the next start, longer than a key's consent lasts, than what it asks is no
 * held-out question, and than what it was to be trained on is the head.
 */
async function refuseStale({ rows }: Learner, { id, batch }: BatchRow): Promise<void> {
  const steps = await rows.batches.stepsOf(id);
  const withheld = steps.length - (await rows.steps.consented(steps)).size;
  const heldOut = (await rows.steps.heldOut(steps)).size;
  const head = await rows.versions.head();
  if (withheld > 0)
    return refuse(rows, id, `consent to learn from ${withheld} of its states was withdrawn before it was sent`);
  if (heldOut > 0) return refuse(rows, id, `${heldOut} of its states ask what was held out before it was sent`);
  if (head !== batch.base_version)
    return refuse(rows, id, `it was made for version ${batch.base_version}, and version ${head} is the head by now`);
}

async function refuse(rows: Learner['rows'], id: string, note: string): Promise<never> {
  await rows.batches.move(id, 'failed', note);
  throw new GyreError({ side: 'trainer', status: 409, code: 'batch_failed', message: `batch ${id}: ${note}` });
}

/**
 * Makes our rows and the trainer agree before a new cycle takes its base from the rows. First the trainer is asked what
 * became of batches whose cycle ended without knowing. Where its head is still another than ours, it is reset to ours:
 * the trainer may have kept an update that it could not publish, or come from another data folder.
 */
export async function reconcile(learner: Learner, trainer: Trainer): Promise<void> {
  const { rows } = learner;
  for (const row of await rows.batches.open()) {
    try {
      await train(learner, trainer, row);
    } catch (thrown) {
      const final = thrown instanceof GyreError && (thrown.status < 500 || thrown.code === 'batch_failed');
      if (!final) throw thrown;
      if (thrown.code !== 'batch_failed')
        await rows.batches.move(row.id, 'failed', `the trainer does not take it any more: ${thrown.message}`);
      await rows.cycles.release(row.cycleId, true);
    }
  }
  const head = await rows.versions.head();
  if ((await trainer.health()).head === head) return;
  try {
    await trainer.resetHead(head);
  } catch (thrown) {
    if (isGone(thrown)) throw new HeadLost(head, thrown);
    throw thrown;
  }
}

/** Whether the trainer has said that it has no weights of the version, or none that can be loaded. */
export function isGone(thrown: unknown): boolean {
  return thrown instanceof GyreError && (thrown.code === 'no_such_version' || thrown.code === 'corrupt_adapter');
}

/** The trainer's data are lost, or are another folder's: nothing can be trained until somebody says from what. */
export class HeadLost extends GyreError {
  constructor(head: number, cause: unknown) {
    super({
      side: 'trainer',
      status: 409,
      code: 'head_lost',
      message: headLost(head),
      cause,
    });
  }
}

export function headLost(head: number): string {
  return (
    `the trainer has lost version ${head}, which is the head: "gyre restart" (POST /gyre/v1/restart) goes on ` +
    'from the newest version that it has, under a new number'
  );
}

/** Training goes on from what serves; unless somebody went back, or started again, meanwhile. */
export async function resetHead(
  { rows }: Learner,
  trainer: Trainer,
  { head, serving, reason }: { readonly head: number; readonly serving: number; readonly reason: string },
): Promise<void> {
  try {
    await rows.decisions.add({
      kind: 'head_reset',
      version: serving,
      against: head,
      passed: true,
      reason,
      numbers: {},
    });
  } catch (thrown) {
    if (thrown instanceof GyreError && thrown.code === 'head_moved') return;
    throw thrown;
  }
  await trainer.resetHead(serving);
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
      const { code, message } = now.error ?? { code: '', message: 'no reason given' };
      // Actions can be drawn again; logged ones are there once, and are used up by what would end the same again.
      const tried = row.batch.mode === 'resample' || SAME_AGAIN.has(code);
      await learner.rows.batches.move(row.id, 'failed', message, tried);
      throw failed(`the trainer could not apply batch ${row.id}: ${message}`);
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
  const { rows } = learner;
  try {
    return await trainer.batch(id);
  } catch (thrown) {
    if (!(thrown instanceof GyreError) || thrown.status !== 404) throw thrown;
    const row = await rows.batches.byId(id);
    if (row === undefined || row.batch.actions.length === 0)
      return refuse(rows, id, row === undefined || row.note === '' ? 'it is empty' : row.note);
    await refuseStale(learner, row);
    try {
      return await trainer.submit(row.batch);
    } catch (refused) {
      // Something in it is not what a trainer takes: what it is made of would be refused again, whoever has it next.
      if (!(refused instanceof GyreError) || !SAME_AGAIN.has(refused.code)) throw refused;
      await rows.batches.move(id, 'failed', refused.message, true);
      throw failed(`the trainer does not take batch ${id}: ${refused.message}`);
    }
  }
}

function failed(message: string): GyreError {
  return new GyreError({ side: 'trainer', status: 502, code: 'batch_failed', message });
}
