/**
 * The learning verbs: one stage each, or whole cycles. They use the engine of a gateway that serves the data folder, or
 * start their own.
 */
import type { Cycle, FilterName, TrainMode } from '../../core/learning/cycle.js';
import { operatorError } from '../../core/errors.js';
import type { EvaluationReport, EvaluationSetting } from '../../core/learning/evaluation.js';
import type { Task } from '../../core/learning/task.js';
import { cycleView, evaluationView, reportView } from '../../core/learning/views.js';
import { runCycle } from '../../learner/cycle.js';
import { keptFromGate } from '../../learner/askable.js';
import type { Learner } from '../../learner/deps.js';
import { evaluate } from '../../learner/evaluating.js';
import { measure } from '../../learner/measuring.js';
import { generateMissing, type GenerateOptions } from '../../learner/generating.js';
import { judgeLog } from '../../learner/judging.js';
import { type Proportion, proportion } from '../../core/judging/proportion.js';
import { ruleOf } from '../../filter/filter.js';
import { countAll, ruleIn } from '../../learner/states.js';
import { type Printer, table } from '../../run/print.js';
import { readTasks } from '../../run/tasks.js';
import { reportLines } from './reports.js';

type GenerateWanted = Omit<GenerateOptions, 'version' | 'since'> & { readonly model?: string | undefined };

/** Asks what is missing: run again after it was stopped, it goes on; run again after it has ended, it asks nothing. */
export async function generateVerb(
  learner: Learner,
  tasks: readonly Task[],
  wanted: GenerateWanted,
  printer: Printer,
): Promise<void> {
  await learner.rows.tasks.save(tasks);
  const version = await versionOf(learner, wanted.model);
  const asked = tasks.filter((task) => task.split === 'train');
  const made = await generateMissing(learner, asked, { ...wanted, version });
  const by = wanted.teacher === undefined ? `version ${version}` : wanted.teacher.model;
  printer.result(
    {
      version: wanted.teacher === undefined ? version : null,
      teacher: wanted.teacher?.model ?? null,
      tasks: made.tasks,
      same_question: made.sameQuestion,
      each: wanted.each,
      trajectories: made.trajectories,
      there_before: made.there,
      steps: made.steps,
      calls: made.calls,
      failures: made.failures,
      last_failure: made.lastFailure ?? null,
      duplicates: made.duplicates.map(({ id, taskId, of }) => ({ trajectory_id: id, task_id: taskId, same_as: of })),
    },
    [
      `${made.trajectories} trajectories of ${made.tasks} tasks by ${by}, ${made.there} of them there before: ` +
        `${made.steps} steps, ${made.calls} calls`,
      ...(made.sameQuestion === 0 ? [] : [`${made.sameQuestion} tasks ask what another asks, and were not asked`]),
      ...(made.duplicates.length === 0
        ? []
        : [`${made.duplicates.length} say word for word what another of their task says: their states count once`]),
      ...(made.failures === 0 ? [] : [`${made.failures} failed: ${made.lastFailure ?? ''}`]),
      ...(made.trajectories < wanted.each * made.tasks
        ? [`${wanted.each * made.tasks - made.trajectories} are missing; the same command asks them`]
        : []),
    ],
  );
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
export async function filterVerb(
  { rows: store, config, signal }: Learner,
  printer: Printer,
  mode: TrainMode = config['learning.mode'] as TrainMode,
): Promise<void> {
  const head = await store.versions.head();
  await countAll(store.states, ruleIn(config, head), signal);
  const filters = ['none', 'process', 'outcome', 'both', 'prefix'] satisfies FilterName[];
  const rules = filters.map((filter) => ruleOf(filter, mode, head));
  const reasons = await store.states.reasons(rules);
  const trajectories = await store.states.trajectories(rules);
  const rows = filters.map((filter, at) => {
    const { '': kept = 0, ...dropped } = reasons[at] ?? {};
    return { filter, mode, trajectories: trajectories[at] ?? 0, kept, dropped };
  });
  printer.result(
    rows,
    table([
      ['filter', 'trajectories', 'steps', 'dropped'],
      ...rows.map((row) => [
        row.filter,
        String(row.trajectories),
        String(row.kept),
        Object.entries(row.dropped)
          .map(([reason, count]) => `${reason} ${count}`)
          .join(', ') || 'none',
      ]),
    ]),
  );
}

interface EvaluateWanted {
  /** Without tools as well, and what the trajectories were like. */
  readonly full?: boolean | undefined;
  /** Answers a task that are drawn beside the likeliest one. */
  readonly samples?: number | undefined;
}

export async function evaluateVerb(
  learner: Learner,
  tasks: readonly Task[],
  model: string | undefined,
  printer: Printer,
  wanted: EvaluateWanted = {},
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
  const reports: EvaluationReport[] = [];
  for (const setting of settingsOf(wanted, learner.config['learning.temperature']))
    reports.push(await measure(learner, version, asked, setting));
  const view = { ...evaluationView(evaluation), ...rated, unanswered, kept_for_report: kept ?? null };
  printer.result(reports.length === 0 ? view : { ...view, reports: reports.map(reportView) }, [
    ...(unanswered === 0
      ? []
      : [`${unanswered} of ${asked.length} tasks were not answered: this is not kept; the same command asks the rest`]),
    `version ${version}: ${shown(rated)}`,
    ...(kept === undefined ? [] : [`of the tasks that the gate does not ask, ${shown(kept)}`]),
    ...(reports.length === 0 ? [] : ['', ...reportLines(reports)]),
  ]);
}

/** Each way of asking is a row of its own. */
function settingsOf({ full, samples }: EvaluateWanted, temperature: number): readonly EvaluationSetting[] {
  const ways = [
    ...(full === true ? [{ temperature: 0, samples: 1 }] : []),
    ...(samples === undefined ? [] : [{ temperature, samples }]),
  ];
  return ways.flatMap((way) => (full === true ? [true, false] : [true]).map((tools) => ({ tools, ...way })));
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
