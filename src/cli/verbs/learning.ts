/**
 * The learning verbs: one stage each, or whole cycles. They use the engine of a gateway that serves the data folder, or
 * start their own.
 */
import type { Cycle, FilterName, TrainMode } from '../../core/learning/cycle.js';
import { operatorError } from '../../core/errors.js';
import type { Task } from '../../core/learning/task.js';
import { cycleView, evaluationView } from '../../core/learning/views.js';
import { runCycle } from '../../learner/cycle.js';
import { keptFromGate } from '../../learner/askable.js';
import type { Learner } from '../../learner/deps.js';
import { evaluate } from '../../learner/evaluating.js';
import { generate } from '../../learner/generating.js';
import { judgeLog } from '../../learner/judging.js';
import { type Proportion, proportion } from '../../core/judging/proportion.js';
import { ruleOf } from '../../filter/filter.js';
import { countAll, ruleIn } from '../../learner/states.js';
import { type Printer, table } from '../../run/print.js';
import { readTasks } from '../../run/tasks.js';

export async function generateVerb(
  learner: Learner,
  tasks: readonly Task[],
  perTask: number,
  model: string | undefined,
  printer: Printer,
): Promise<void> {
  await learner.rows.tasks.save(tasks);
  const version = await versionOf(learner, model);
  const asked = tasks.filter((task) => task.split === 'train');
  const answered = await generate(learner, asked, perTask, version);
  printer.result({ version, tasks: asked.length, answered }, [
    `${answered} trajectories of ${asked.length} tasks by version ${version}`,
  ]);
}

export async function judgeVerb(learner: Learner, printer: Printer): Promise<void> {
  const counts = await judgeLog(learner);
  const { judge_faults: faults = 0, unknown_judge: unknown = 0 } = counts;
  printer.result(counts, [
    `${counts.judged} judgements made`,
    ...(faults > 0 ? [`${faults} times a judge failed: it is asked again later`] : []),
    ...(unknown > 0 ? [`${unknown} judgements are of a judge that nobody has declared, and decide nothing`] : []),
  ]);
}

/**
 * What every filter keeps and drops on the log as it is: the comparison of SWiRL (arXiv 2504.04736, process and outcome
 * filtering) on the operator's own data.
 */
export async function filterVerb({ rows: store, config, signal }: Learner, printer: Printer): Promise<void> {
  const mode = config['learning.mode'] as TrainMode;
  const head = await store.versions.head();
  await countAll(store.states, ruleIn(config, head), signal);
  const filters = ['none', 'process', 'outcome', 'both', 'prefix'] satisfies FilterName[];
  const reasons = await store.states.reasons(filters.map((filter) => ruleOf(filter, mode, head)));
  const rows = filters.map((filter, at) => {
    const { '': kept = 0, ...dropped } = reasons[at] ?? {};
    return { filter, mode, kept, dropped };
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
  await learner.rows.tasks.save(tasks);
  const heldout = tasks.filter((task) => task.split === 'heldout');
  const asked = heldout.length > 0 ? heldout : tasks;
  const version = await versionOf(learner, model);
  const { evaluation, unanswered } = await evaluate(learner, version, asked);
  const rated = proportion(evaluation.results.map(({ score }) => score));
  // Of a small set the gate never asks a third: what it says there is no number that a decision has fitted itself to.
  const all = await learner.rows.tasks.of('heldout');
  const never = new Set(keptFromGate(asked, all, learner.judges).map(({ id }) => id));
  const apart = evaluation.results.filter(({ taskId }) => never.has(taskId)).map(({ score }) => score);
  const kept = apart.length === 0 ? undefined : proportion(apart);
  printer.result({ ...evaluationView(evaluation), ...rated, unanswered, kept_for_report: kept ?? null }, [
    ...(unanswered === 0
      ? []
      : [`${unanswered} of ${asked.length} tasks were not answered: this is not kept; the same command asks the rest`]),
    `version ${version}: ${shown(rated)}`,
    ...(kept === undefined ? [] : [`of the tasks that the gate does not ask, ${shown(kept)}`]),
  ]);
}

function shown({ accuracy, n, ci95 }: Proportion): string {
  const percent = (share: number): string => (100 * share).toFixed(1);
  return `${percent(accuracy)} % of ${n} tasks, 95 % interval [${percent(ci95[0])}, ${percent(ci95[1])}]`;
}

export interface LearnOptions {
  readonly tasks?: readonly Task[] | undefined;
  readonly cycles: number;
  readonly perTask: number;
}

/** Whole cycles; with tasks, each begins by asking the training tasks. `--cycles 0` only takes the tasks in. */
export async function learnVerb(learner: Learner, options: LearnOptions, printer: Printer): Promise<void> {
  const { tasks, versions } = learner.rows;
  const { config, toolbox } = learner;
  // A gateway may never have served this folder, and what is held out has to be known before anything is learned.
  if (config['learning.heldout'] !== undefined)
    await tasks.save(readTasks(config['learning.heldout'], toolbox, config));
  if (options.tasks !== undefined) await tasks.save(options.tasks);
  const cycles: Cycle[] = [];
  for (let number = 0; number < options.cycles; number += 1) {
    const train = options.tasks?.filter((task) => task.split === 'train');
    const size = learner.config['learning.max_states'];
    const asked =
      train === undefined || train.length <= size
        ? train
        : Array.from({ length: size }, (_, at) => train[(number * size + at) % train.length] as Task);
    const cycle = await runCycle(learner, {
      tasks: asked,
      perTask: options.perTask,
      heldout: await tasks.of('heldout'),
    });
    cycles.push(cycle);
    printer.line(`cycle ${number + 1} of ${options.cycles}: ${cycle.state}: ${cycle.note}`);
    if (cycle.state === 'failed' || cycle.state === 'running') break;
  }
  const [serving, head] = [await versions.serving(), await versions.head()];
  printer.result({ cycles: cycles.map(cycleView), serving, head }, [
    `serving version ${serving}, head ${head}, ` +
      `${await tasks.count('train')} training and ${await tasks.count('heldout')} held-out tasks known`,
  ]);
}

/** `gyre`, `gyre@N`, `gyre@base` or a number; the head by default. */
async function versionOf({ rows }: Learner, model: string | undefined): Promise<number> {
  if (model === undefined) return rows.versions.head();
  if (model === 'gyre') return rows.versions.serving();
  const name = model.replace(/^gyre@/, '');
  const version = name === 'base' ? 0 : Number(name);
  const known = (await rows.versions.all()).map((each) => each.version);
  if (version === 0 || known.includes(version)) return version;
  throw operatorError(
    `--model is "${model}"; it must be gyre, gyre@base, or gyre@N with N one of ${
      known.join(', ') || '(no versions yet)'
    }`,
  );
}
