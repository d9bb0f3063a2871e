/**
 * Judges that are trained here: when one is due, its labels to the trainer, what came of them to rows, the adapter into
 * the engine, and how well it does against gold at once. Every step can be done again: whoever is stopped anywhere goes
 * on from the rows. While one is trained the lock of cycles is held, so that policy and judge never train at once.
 */
import { setTimeout as sleep } from 'node:timers/promises';

import type { LearnedJudge as LearnedConfig } from '../../core/config.js';
import { GyreError } from '../../core/errors.js';
import { isJudgeDue, judgeAdapterName, judgeOfAdapter, type LearnedVersion } from '../../core/judging/learned.js';
import { type LearnedJudges, learnedVersionOf } from '../../judge/learned/judge.js';
import { promptOf, shortened } from '../../judge/learned/material.js';
import { wordsOf } from '../../judge/learned/words.js';
import { type JudgeTrainer, openJudgeTrainer, type TrainerJudge, type TrainingLabels } from '../../train/judges.js';
import type { Learner } from '../deps.js';
import { inParallel } from '../pool.js';
import { type Labelled, labelledFor, recipeOf } from './labelled.js';
import { againstGold } from './own_gold.js';

const POLL_MS = 1_000;
/** How long a trainer may not answer: it is restarted meanwhile, and asked again. */
const OUTAGE_MS = 5 * 60_000;
/** How often labels are counted. */
const LOOK_MS = 60_000;
/** Prompts tokenised at once. */
const TOKENISED_AT_ONCE = 8;
/** Labels of either word that have to be left to train on. */
const LEAST_OF_EACH = 10;
/** Steps of labels: with few labels as many passes as make these, within bounds. */
const STEPS = 200;
const PASSES = [2, 8] as const;
const BATCH = 16;
const SEED = 7;
/** Versions whose adapters stay on the disk, of each judge. */
const KEPT = 2;

type Tended = Pick<Learner, 'rows' | 'config' | 'trainer' | 'learned' | 'signal' | 'progress' | 'calibrated'>;

/** Looks after the judges that are configured, now and then. */
export class JudgeTending {
  readonly #learner: Tended;
  readonly #lookMs: number;
  #next = 0;

  constructor(learner: Tended, lookMs = LOOK_MS) {
    this.#learner = learner;
    this.#lookMs = lookMs;
  }

  /** Trains those that are due. Whether there was one. */
  async check(): Promise<boolean> {
    if (this.#learner.learned === undefined || performance.now() < this.#next) return false;
    this.#next = performance.now() + this.#lookMs;
    let trained = false;
    for (const judge of configuredIn(this.#learner)) trained = (await tendJudge(this.#learner, judge)) || trained;
    return trained;
  }
}

export function configuredIn({ config }: Pick<Learner, 'config'>): readonly LearnedConfig[] {
  return config.judges.filter((judge) => judge.kind === 'learned');
}

/** Goes on with what was begun, and trains where that is due. Whether it trained. Nothing without a trainer. */
export async function tendJudge(learner: Tended, judge: LearnedConfig): Promise<boolean> {
  const { rows, trainer: at, learned } = learner;
  if (at === undefined || learned === undefined) return false;
  const trainer = openJudgeTrainer(at);
  const [newest] = await rows.learned.versions(judge.name);
  const begun = newest?.state === 'training' ? newest : undefined;
  let trained = false;
  if (begun !== undefined || (await isDue(learner, judge))) {
    const release = await rows.lock.take('cycle', `training the judge "${judge.name}"`);
    try {
      await (begun === undefined ? begin(learner, trainer, judge) : resume(learner, trainer, judge, begun));
      trained = true;
    } finally {
      await release();
    }
  }
  await inEngine(learner, trainer, judge);
  const handle = learned.judges.find(({ name }) => name === judge.name);
  handle?.refresh();
  const serving = (await rows.learned.versions(judge.name)).find(({ state }) => state === 'serving');
  if (handle !== undefined && serving !== undefined && serving.calibratedAt === undefined)
    await againstGold(learner, judge, handle, serving);
  if (trained) await tidy(learner, trainer, judge);
  return trained;
}

async function isDue({ rows }: Tended, judge: LearnedConfig): Promise<boolean> {
  const labels = await rows.learned.labels(judge.labels, judge.max_labels);
  const newest = (await rows.learned.versions(judge.name)).find(({ state }) => state !== 'lost');
  return isJudgeDue(labels.length, recipeOf(judge), newest, judge.min_labels);
}

/** Nothing where too few of its labels may be learned from. */
async function begin(learner: Tended, trainer: JudgeTrainer, judge: LearnedConfig): Promise<void> {
  const { rows, learned, signal } = learner;
  const labelled = await labelledFor(learner, judge);
  if (labelled.steps.length < judge.min_labels) return;
  const { good, bad } = await wordsOf((text) => (learned as LearnedJudges).tokens(text, signal));
  const version = await rows.learned.begin({
    judge: judge.name,
    labels: labelled.steps.length,
    labelsHash: labelled.hash,
    recipe: recipeOf(judge),
    good,
    bad,
    known: labelled.known,
    gold: labelled.gold,
    heldOut: labelled.heldOut,
  });
  for (const word of [true, false]) {
    const count = labelled.steps.filter((step) => step.part === 'train' && step.good === word).length;
    if (count >= LEAST_OF_EACH) continue;
    const note = `${count} of its labels to train on are ${word ? 'good' : 'bad'}, and ${LEAST_OF_EACH} are needed`;
    return rows.learned.ended(judge.name, version.version, 'failed', note);
  }
  await send(learner, trainer, judge, version, labelled);
}

/** The trainer may still be at it, may be done, or may know nothing of it. */
async function resume(
  learner: Tended,
  trainer: JudgeTrainer,
  judge: LearnedConfig,
  version: LearnedVersion,
): Promise<void> {
  const known = await stateOf(trainer, version);
  if (known !== undefined && known.labels_hash === version.labelsHash)
    return followed(learner, trainer, judge, version, known);
  const labelled = await labelledFor(learner, judge, version);
  // Labels that were taken back, or may not be learned from any more, are not trained on.
  if (known === undefined && labelled.hash === version.labelsHash && recipeOf(judge) === version.recipe)
    return send(learner, trainer, judge, version, labelled);
  const note = 'it was cut off, and there are other labels by now';
  await learner.rows.learned.ended(judge.name, version.version, 'lost', note);
}

async function send(
  learner: Tended,
  trainer: JudgeTrainer,
  judge: LearnedConfig,
  version: LearnedVersion,
  labelled: Labelled,
): Promise<void> {
  const body = await bodyOf(learner, judge, version, labelled);
  let state: TrainerJudge;
  try {
    state = await trainer.train(body);
  } catch (thrown) {
    // What it refuses it would refuse again; what else went wrong may pass.
    if (thrown instanceof GyreError && thrown.status >= 400 && thrown.status < 500)
      return learner.rows.learned.ended(judge.name, version.version, 'failed', thrown.message);
    throw thrown;
  }
  await followed(learner, trainer, judge, version, state);
}

async function bodyOf(
  { learned, signal, progress }: Tended,
  judge: LearnedConfig,
  { version, labelsHash, good, bad }: LearnedVersion,
  { steps }: Labelled,
): Promise<TrainingLabels> {
  const ids = new Array<readonly number[]>(steps.length);
  let done = 0;
  await inParallel([...steps.entries()], TOKENISED_AT_ONCE, async ([at, { subject }]) => {
    ids[at] = shortened(await (learned as LearnedJudges).tokens(promptOf(subject), signal));
    progress({ stage: 'train_judge', done: (done += 1), total: steps.length, note: `${judge.name}: labels` });
  });
  const trainedOn = steps.filter(({ part }) => part === 'train').length;
  const enough = Math.ceil((STEPS * BATCH) / trainedOn);
  return {
    judge: judge.name,
    version,
    labels_hash: labelsHash,
    good: good.id,
    bad: bad.id,
    hyper: {
      rank: judge.rank,
      alpha: 2 * judge.rank,
      learning_rate: judge.rate,
      passes: judge.passes ?? Math.min(PASSES[1], Math.max(PASSES[0], enough)),
      batch: BATCH,
      seed: SEED,
    },
    labels: steps.map(({ good: word, part, cluster }, at) => ({
      ids: ids[at] as readonly number[],
      good: word,
      part,
      cluster,
    })),
  };
}

/** Waits for the trainer's end of it, and puts that on record. Throws where the trainer stays away. */
async function followed(
  learner: Tended,
  trainer: JudgeTrainer,
  judge: LearnedConfig,
  version: LearnedVersion,
  first: TrainerJudge,
): Promise<void> {
  const { rows, signal, progress } = learner;
  const ended = (state: 'failed' | 'lost', note: string): Promise<void> =>
    rows.learned.ended(judge.name, version.version, state, note);
  let lastAnswer = performance.now();
  for (let now: TrainerJudge | undefined = first; ;) {
    if (now === undefined) return resume(learner, trainer, judge, version);
    if (now.state === 'failed') return ended('failed', now.error?.message ?? 'no reason given');
    if (now.state === 'done' && now.result) {
      const { parity, report, adapter } = now.result;
      if (!parity.passed)
        return ended(
          'failed',
          `engine and trainer differ by ${parity.mean_abs.toExponential(2)} nats on average over ${parity.n} labels; ` +
            `tolerance ${parity.tolerance}`,
        );
      const { scale, bias } = report.calibration;
      const made = { report: { ...report, parity }, scaling: { scale, bias }, adapter };
      const judgeVersion = learnedVersionOf({ ...version, ...made }, judge);
      return rows.learned.trained(judge.name, version.version, { ...made, judgeVersion });
    }
    const done = Math.round(100 * (now.progress ?? 0));
    progress({ stage: 'train_judge', done, total: 100, note: `${judge.name}: ${now.state}` });
    await sleep(POLL_MS, undefined, { signal });
    try {
      now = await stateOf(trainer, version);
      lastAnswer = performance.now();
    } catch (thrown) {
      const away = thrown instanceof GyreError && thrown.code === 'trainer_unreachable';
      if (!away || performance.now() - lastAnswer >= OUTAGE_MS) throw thrown;
    }
  }
}

/** Undefined where the trainer knows nothing of it. */
async function stateOf(
  trainer: JudgeTrainer,
  { judge, version }: Pick<LearnedVersion, 'judge' | 'version'>,
): Promise<TrainerJudge | undefined> {
  try {
    return await trainer.state(judge, version);
  } catch (thrown) {
    if (thrown instanceof GyreError && thrown.status === 404) return undefined;
    throw thrown;
  }
}

/** An engine of another trainer, or one whose data are gone, lacks what is to be asked. */
async function inEngine({ rows }: Tended, trainer: JudgeTrainer, { name }: LearnedConfig): Promise<void> {
  const serving = (await rows.learned.versions(name)).find(({ state }) => state === 'serving');
  if (serving === undefined || (await trainer.loaded()).includes(judgeAdapterName(name, serving.version))) return;
  try {
    await trainer.load(name, serving.version);
  } catch (thrown) {
    const gone = thrown instanceof GyreError && ['no_such_judge', 'corrupt_adapter'].includes(thrown.code);
    if (!gone) throw thrown;
    await rows.learned.ended(name, serving.version, 'lost', thrown.message);
  }
}

/** What is not asked is in the engine for nothing; what is old is on the disk for nothing. */
async function tidy({ rows, config }: Tended, trainer: JudgeTrainer, { name }: LearnedConfig): Promise<void> {
  const names = new Set(configuredIn({ config }).map((judge) => judge.name));
  const needed = (await rows.learned.needed()).filter(({ judge }) => names.has(judge));
  const keeps = new Set(needed.map(({ judge, version }) => judgeAdapterName(judge, version)));
  for (const loaded of await trainer.loaded()) {
    const of = judgeOfAdapter(loaded);
    if (of !== undefined && !keeps.has(loaded)) await trainer.unload(of.judge, of.version);
  }
  const old = (await rows.learned.versions(name)).slice(KEPT).filter(({ state }) => state !== 'serving');
  for (const { version, adapter } of old) if (adapter !== undefined) await trainer.remove(name, version);
}
