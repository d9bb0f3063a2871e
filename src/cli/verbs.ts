/**
 * The learning verbs: one stage each, or whole cycles. They use the engine of a gateway that serves the data folder, or
 * start their own.
 */
import type { Config } from '../core/config.js';
import type { Cycle, FilterName, TrainMode } from '../core/cycle.js';
import { operatorError } from '../core/errors.js';
import type { Policy } from '../core/policy.js';
import type { Task } from '../core/task.js';
import { adapterVersion } from '../core/version.js';
import { runCycle } from '../learner/cycle.js';
import type { Learner } from '../learner/deps.js';
import { evaluate } from '../learner/evaluating.js';
import { generate } from '../learner/generating.js';
import { judgeLog } from '../learner/judging.js';
import { select } from '../learner/states.js';
import { restoring } from '../policy/serving/restoring.js';
import { proportion } from '../promote/interval.js';
import { allVersions } from '../store/learning/versions.js';
import { headVersion, servingVersion } from '../store/learning/decisions.js';
import { saveTasks, tasksOf } from '../store/learning/tasks.js';
import type { Trainer } from '../train/client.js';
import { openEngine } from '../policy/serving/pointed.js';
import { learnerOf, needTrainer } from './learner.js';
import { present } from './presence.js';
import { type Printer, table } from './print.js';
import { openStorage } from './storage.js';
import { openSupply } from './supply.js';

/**
 * Opens what a verb needs, runs it, closes it. `engine` false is for verbs that only read and write rows. Without
 * `decided`, a gateway that serves the same folder sees the decision rows at its next look.
 */
export async function withLearner<T>(
  config: Config,
  printer: Printer,
  signal: AbortSignal,
  engine: boolean,
  work: (learner: Learner) => Promise<T> | T,
  decided: () => Promise<void> = () => Promise.resolve(),
): Promise<T> {
  const storage = openStorage(
    config,
    (reason) => printer.line(`the log failed to write: ${String(reason)}`),
    false,
    (text) => printer.line(text),
  );
  const sampled = openEngine(config['engine.timeout_seconds'] * 1000);
  const supply = engine
    ? openSupply(config, sampled, config['trainer.url'] ?? present(config.data)?.trainer)
    : undefined;
  try {
    if (supply !== undefined && sampled.address === undefined) printer.line('waiting for the engine');
    await supply?.ready(signal);
    const none = {
      trainer: undefined,
      health: undefined,
      parts: () => [],
      ready: () => Promise.resolve(),
      stop: () => Promise.resolve(),
    };
    const learner = learnerOf({
      config,
      storage,
      policy: remembering(sampled.policy, () => supply?.trainer),
      supply: () => supply ?? none,
      signal,
      decided,
      progress: printer.progress,
    });
    return await work(learner);
  } finally {
    await supply?.stop();
    await sampled.close();
    await storage.close();
  }
}

/** The policy, of an engine that may have been restarted without our adapters. */
function remembering(policy: Policy, trainer: () => Trainer | undefined): Policy {
  return restoring(policy, async (name) => {
    const version = adapterVersion(name);
    if (version === undefined || version === 0) return false;
    await needTrainer(trainer()).load(version);
    return true;
  });
}

export async function generateVerb(
  learner: Learner,
  tasks: readonly Task[],
  perTask: number,
  model: string | undefined,
  printer: Printer,
): Promise<void> {
  saveTasks(learner.db, tasks);
  const version = versionOf(learner, model);
  const asked = tasks.filter((task) => task.split === 'train');
  const answered = await generate(learner, asked, perTask, version);
  printer.result({ version, tasks: asked.length, answered }, [
    `${answered} trajectories of ${asked.length} tasks by version ${version}`,
  ]);
}

export async function judgeVerb(learner: Learner, printer: Printer): Promise<void> {
  const judged = await judgeLog(learner);
  printer.result({ judged }, [`${judged} judgements made`]);
}

/**
 * What every filter keeps and drops on the log as it is: the comparison the paper makes, on the operator's own data.
 */
export function filterVerb(learner: Learner, printer: Printer): void {
  const mode = learner.config['learning.mode'] as TrainMode;
  const rows = (['none', 'process', 'outcome', 'both', 'prefix'] satisfies FilterName[]).map((filter) => {
    const { kept, dropped } = select(learner, filter, mode);
    return { filter, mode, kept: kept.length, dropped };
  });
  printer.result(
    rows,
    table([
      ['filter', 'kept', 'dropped'],
      ...rows.map((row) => [
        row.filter,
        String(row.kept),
        Object.entries(row.dropped)
          .map(([reason, count]) => `${reason} ${count}`)
          .join(', ') || 'none',
      ]),
    ]),
  );
}

export async function evaluateVerb(
  learner: Learner,
  tasks: readonly Task[],
  model: string | undefined,
  printer: Printer,
): Promise<void> {
  saveTasks(learner.db, tasks);
  const heldout = tasks.filter((task) => task.split === 'heldout');
  const asked = heldout.length > 0 ? heldout : tasks;
  const version = versionOf(learner, model);
  const evaluation = await evaluate(learner, version, asked);
  const { accuracy, n, ci95 } = proportion(evaluation.results.map((result) => result.score));
  printer.result({ ...evaluation, accuracy, n, ci95 }, [
    `version ${version}: ${(100 * accuracy).toFixed(1)} % of ${n} tasks, 95 % interval ` +
      `[${(100 * ci95[0]).toFixed(1)}, ${(100 * ci95[1]).toFixed(1)}]`,
  ]);
}

export interface LearnOptions {
  readonly tasks?: readonly Task[];
  readonly cycles: number;
  readonly perTask: number;
}

/** Whole cycles; with tasks, each begins by asking the training tasks. `--cycles 0` only takes the tasks in. */
export async function learnVerb(learner: Learner, options: LearnOptions, printer: Printer): Promise<void> {
  if (options.tasks !== undefined) saveTasks(learner.db, options.tasks);
  const cycles: Cycle[] = [];
  for (let number = 0; number < options.cycles; number += 1) {
    const train = options.tasks?.filter((task) => task.split === 'train');
    const size = learner.config['learning.max_states'];
    const asked =
      train === undefined || train.length <= size
        ? train
        : Array.from({ length: size }, (_, at) => train[(number * size + at) % train.length] as Task);
    const cycle = await runCycle(learner, {
      ...(asked === undefined ? {} : { tasks: asked }),
      perTask: options.perTask,
      heldout: tasksOf(learner.db, 'heldout'),
    });
    cycles.push(cycle);
    printer.line(`cycle ${number + 1} of ${options.cycles}: ${cycle.state}: ${cycle.note}`);
    if (cycle.state === 'failed') break;
  }
  printer.result({ cycles, serving: servingVersion(learner.db), head: headVersion(learner.db) }, [
    `serving version ${servingVersion(learner.db)}, head ${headVersion(learner.db)}, ` +
      `${tasksOf(learner.db, 'train').length} training and ${tasksOf(learner.db, 'heldout').length} held-out tasks ` +
      'known',
  ]);
}

/** `gyre`, `gyre@N`, `gyre@base` or a number; the head when nothing is said. */
function versionOf(learner: Learner, model: string | undefined): number {
  if (model === undefined) return headVersion(learner.db);
  if (model === 'gyre') return servingVersion(learner.db);
  const said = model.replace(/^gyre@/, '');
  const version = said === 'base' ? 0 : Number(said);
  if (version === 0 || allVersions(learner.db).some((known) => known.version === version)) return version;
  throw operatorError(
    `--model is "${model}"; it must be gyre, gyre@base, or gyre@N with N one of ${
      allVersions(learner.db)
        .map((known) => known.version)
        .join(', ') || '(no versions yet)'
    }`,
  );
}
