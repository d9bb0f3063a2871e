/**
 * `npm run demo`: real clients go through the gateway while it learns, and the model is measured before and
 * after on questions it never trained on. It uses nothing of the gateway but its HTTP routes and its command line.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

import { Command } from 'commander';
import { parse, stringify } from 'yaml';

import { parseTasks, type Task } from '../../src/core/learning/task.js';
import type { CycleView, ListedVersion } from '../../src/core/learning/views.js';
import { askable } from '../../src/learner/askable.js';
import { keptForReport } from '../../src/promote/plan.js';
import { seeded } from '../../src/tasks/draw.js';
import { type Answer, ask, chatInBackground } from './clients.js';
import { family } from './family.js';
import { api, type Gateway, startGateway, verb } from './gateway.js';
import { html } from './html.js';
import { chart, type CurvePoint, examples, measured, pair, type Report, summary } from './report.js';

interface Options {
  readonly minutes: string;
  readonly seed: string;
  readonly out: string;
  readonly tasks?: string | undefined;
  readonly model?: string | undefined;
  readonly config?: string | undefined;
  readonly perCycle: string;
  readonly gateEvery: string;
}

interface Sets {
  readonly train: readonly Task[];
  readonly gate: readonly Task[];
  readonly numbers: readonly Task[];
  readonly patterns: readonly Task[];
}

const print = (line: string): void => void process.stdout.write(`${line}\n`);
const clock = (seconds: number): string =>
  `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, '0')}`;

/** Held-out tasks that one gate asks at most: an update is a large step here, and there are twelve minutes. */
const GATE_TASKS = 128;

const program = new Command('demo')
  .option('--minutes <n>', 'wall time after set-up', '11.5')
  .option('--seed <n>', 'seed of tasks, order and training', '1')
  .option('--out <dir>', 'where the report goes', 'demo-report')
  .option('--tasks <file>', 'a task file of your own')
  .option('--model <dir>', 'a converted model folder')
  .option('--config <file>', "settings of your own beside the demo's, e.g. judges")
  .option('--per-cycle <n>', 'questions asked before each cycle', '16')
  .option('--gate-every <n>', 'cycles between two gates', '4');

async function main(options: Options): Promise<void> {
  const seed = wholeNumber('--seed', options.seed, 0);
  const minutes = Number(options.minutes);
  if (!(minutes > 0)) throw new Error(`--minutes is "${options.minutes}"; it must be a number above 0`);
  const sets = options.tasks === undefined ? familySets(seed) : fileSets(options.tasks);
  const out = resolve(options.out);
  const data = join(out, 'data');
  rmSync(data, { recursive: true, force: true });
  mkdirSync(data, { recursive: true });
  const tasksFile = join(out, 'tasks.jsonl');
  // The gate sees its own part of the held-out tasks only, so that the report's tasks never chose a version.
  writeFileSync(tasksFile, [...sets.gate, ...sets.train].map((task) => `${JSON.stringify(task)}\n`).join(''));
  const reportTasks = join(out, 'report-tasks.jsonl');
  writeFileSync(reportTasks, [...sets.numbers, ...sets.patterns].map((task) => `${JSON.stringify(task)}\n`).join(''));
  const config = join(out, 'gyre.yaml');
  const own = ownSettings(options.config);
  writeFileSync(
    config,
    stringify({
      ...own,
      learning: { max_states: 2 * Number(options.perCycle), rate: 4e-4, heldout: tasksFile, ...own['learning'] },
      gate: { max_tasks: GATE_TASKS, ...own['gate'] },
      ...(options.model === undefined ? {} : { model: { path: resolve(options.model) } }),
    }),
  );

  const setUp = performance.now();
  print(`demo: seed ${seed}, ${minutes} minutes, report in ${out}`);
  await verb(['learn', '--tasks', tasksFile, '--cycles', '0', '--data', data, '--config', config]);
  const gateway = await startGateway(['--port', '0', '--data', data, '--config', config, '--learn', 'off'], (line) => {
    print(`  ${line}`);
  });
  try {
    const report = await measureAndLearn(gateway, sets, {
      seed,
      seconds: minutes * 60,
      perCycle: wholeNumber('--per-cycle', options.perCycle, 1),
      gateEvery: wholeNumber('--gate-every', options.gateEvery, 1),
      setUp,
    });
    for (const line of [...chart(report.curve), ...summary(report)]) print(line);
    for (const example of report.examples)
      print(
        `\n  ${example.question}  (${example.reference})\n    before: ` +
          `${example.before.trim()}\n    after:  ${example.after.trim()}`,
      );
    writeFileSync(join(out, 'report.json'), `${JSON.stringify(report, null, 2)}\n`);
    writeFileSync(join(out, 'report.html'), html(report));
    print(`\nwritten: ${join(out, 'report.json')} and ${join(out, 'report.html')}`);
  } finally {
    await gateway.stop();
  }
}

interface Plan {
  readonly seed: number;
  readonly seconds: number;
  readonly perCycle: number;
  readonly gateEvery: number;
  readonly setUp: number;
}

/** Measure, learn until the time is nearly up, measure again. */
async function measureAndLearn(gateway: Gateway, sets: Sets, plan: Plan): Promise<Report> {
  const began = performance.now();
  const passed = (): number => (performance.now() - began) / 1000;
  const background = chatInBackground(gateway, 5_000);
  const measure = async (model: string, what: string): Promise<{ numbers: Answer[]; patterns: Answer[] }> => {
    const answers = await ask(gateway, [...sets.numbers, ...sets.patterns], {
      model,
      temperature: 0,
      train: false,
      width: 48,
      onAnswer: live(`${what} ${model}`),
    });
    return { numbers: answers.slice(0, sets.numbers.length), patterns: answers.slice(sets.numbers.length) };
  };
  const before = await measure('gyre@base', 'measuring');
  const measuring = passed();
  print(
    `before: ${before.numbers.filter((answer) => answer.right).length} of ${before.numbers.length} ` +
      `held-out questions right (${clock(passed())})`,
  );

  const curve: CurvePoint[] = [];
  const known = new Set<string>();
  const tree: Report['tree'][number][] = [];
  const random = seeded(plan.seed + 1);
  let queue: Task[] = [];
  let longest = 0;
  // The closing gate and measurement take about as long as the opening one; the longest cycle seen is the guess for the
  // next.
  for (let number = 1; passed() + 1.1 * longest + 1.4 * measuring < plan.seconds; number += 1) {
    const at = passed();
    while (queue.length < plan.perCycle) queue = [...queue, ...shuffled(sets.train, random)];
    const asked = queue.splice(0, plan.perCycle);
    await ask(gateway, asked, { model: 'gyre', temperature: 0.7, train: true, width: 24, onAnswer: live('asking') });
    const lastOne = passed() + 2.2 * Math.max(longest, passed() - at) + 1.4 * measuring >= plan.seconds;
    const cycle = await oneCycle(gateway, number % plan.gateEvery === 0 || lastOne);
    const point = await pointOf(gateway, cycle, number, passed(), known);
    curve.push(point);
    const { logical_tokens: logical = 0, distinct_tokens: distinct = 0 } = cycle.counts;
    if (distinct > 0)
      tree.push({
        version: point.version,
        logical_tokens: logical,
        distinct_tokens: distinct,
        computed_tokens: distinct,
      });
    longest = Math.max(longest, passed() - at);
    print(
      `cycle ${number}: ${cycle.state}, reward ` +
        (point.reward?.toFixed(3) ?? '-') +
        (point.heldout === null ? '' : `, held-out (gate) ${(100 * point.heldout).toFixed(1)} %`) +
        `${point.promoted ? `, promoted version ${point.version}` : ''} - ${clock(passed())} gone, ` +
        `${clock(Math.max(0, plan.seconds - passed()))} left${cycle.state === 'done' ? '' : ` - ${cycle.note}`}`,
    );
    if (number % 4 === 0) for (const line of chart(curve)) print(line);
    if (lastOne) break;
  }

  const after = await measure('gyre', 'measuring');
  const chat = await background.stop();
  const failedTasks = [...before.numbers, ...before.patterns, ...after.numbers, ...after.patterns].filter(
    (answer) => answer.failed,
  ).length;
  const versions = await versionsOf(gateway);
  const computed = new Map(
    versions.map((version) => [version.version, Number(version.metrics['tokens_computed'] ?? 0)]),
  );
  return {
    before: measured(before.numbers),
    after: measured(after.numbers),
    patterns_before: measured(before.patterns),
    patterns_after: measured(after.patterns),
    paired: pair(before.numbers, after.numbers),
    patterns_paired: pair(before.patterns, after.patterns),
    failed_requests: chat.failed + failedTasks,
    background_requests: chat.requests,
    stray_versions: chat.strayVersions,
    versions: versions.map(versionRow),
    swap_seconds: versions
      .flatMap((version) =>
        typeof version.metrics['first_token_seconds'] === 'number' ? [version.metrics['first_token_seconds']] : [],
      )
      .reverse(),
    seconds: passed(),
    setup_seconds: (began - plan.setUp) / 1000,
    seed: plan.seed,
    examples: examples(
      [...sets.numbers, ...sets.patterns],
      [...before.numbers, ...before.patterns],
      [...after.numbers, ...after.patterns],
    ),
    curve,
    background: chat,
    tree: tree.map((row) => ({ ...row, computed_tokens: computed.get(row.version) ?? row.computed_tokens })),
  };
}

/** Starts a cycle and waits for its end, showing its stage. */
async function oneCycle(gateway: Gateway, gate: boolean): Promise<CycleView> {
  let cycle = await api<CycleView>(gateway, 'POST', '/gyre/v1/cycles', { gate });
  const show = live('cycle');
  while (cycle.state === 'running') {
    await new Promise((resolve) => setTimeout(resolve, 500));
    cycle = await api<CycleView>(gateway, 'GET', `/gyre/v1/cycles/${cycle.id}`);
    show(0, 0, cycle.stage);
  }
  return cycle;
}

/** `known` are the decisions of earlier cycles; this one's are added. */
async function pointOf(
  gateway: Gateway,
  cycle: CycleView,
  number: number,
  seconds: number,
  known: Set<string>,
): Promise<CurvePoint> {
  const made = (await versionsOf(gateway))
    .flatMap((version) => version.decisions)
    .filter((decision) => !known.has(decision.id));
  for (const decision of made) known.add(decision.id);
  const gate = made.find((decision) => decision.kind === 'gate');
  const candidate = gate?.numbers['candidate'] as { accuracy?: number | undefined } | undefined;
  const status = await api<{ head: number }>(gateway, 'GET', '/gyre/v1/status');
  return {
    cycle: number,
    seconds,
    version: gate?.version ?? status.head,
    reward: cycle.counts['mean_reward'] ?? null,
    heldout: candidate?.accuracy ?? null,
    promoted: made.some((decision) => decision.kind === 'promotion'),
  };
}

/** Newest first. */
async function versionsOf(gateway: Gateway): Promise<ListedVersion[]> {
  return (await api<{ data: ListedVersion[] }>(gateway, 'GET', '/gyre/v1/versions?limit=200')).data;
}

function versionRow(version: ListedVersion): Report['versions'][number] {
  const own = version.decisions;
  const parity = own.find((decision) => decision.kind === 'parity')?.numbers;
  return {
    version: version.version,
    kind: version.kind,
    promoted: own.some((decision) => decision.kind === 'promotion'),
    ...(typeof parity?.['differs_from_base'] === 'number' ? { differs_from_base: parity['differs_from_base'] } : {}),
    ...(typeof parity?.['mean_abs'] === 'number' ? { parity_mean_abs: parity['mean_abs'] } : {}),
  };
}

function familySets(seed: number): Sets {
  const tasks = family(seed, { train: 600, gate: 256, numbers: 104, patterns: 40 });
  const kind = (name: string): Task[] => tasks.filter((task) => task.metadata['kind'] === name);
  return { train: kind('train'), gate: kind('gate'), numbers: kind('numbers'), patterns: kind('patterns') };
}

/** Sections of settings by their names. */
function ownSettings(path: string | undefined): Readonly<Record<string, object | undefined>> {
  if (path === undefined) return {};
  const settings: unknown = parse(readFileSync(path, 'utf8'));
  if (typeof settings !== 'object' || settings === null || Array.isArray(settings))
    throw new Error(`${path} must be a mapping of keys to values, for example "judges: [...]"`);
  return settings as Readonly<Record<string, object | undefined>>;
}

/** A user's file: a third of its held-out tasks, those that a gate never asks of a small set, is for the report. */
function fileSets(path: string): Sets {
  const tasks = parseTasks(readFileSync(path, 'utf8'), path);
  // Each question once: what stands in a file twice would be the gate's and the report's.
  const heldout = askable(
    tasks.filter((task) => task.split === 'heldout'),
    [{ kind: 'model' }],
  ).tasks;
  const train = tasks.filter((task) => task.split === 'train');
  const gate = heldout.filter(({ id }) => !keptForReport(id));
  const rest = heldout.filter(({ id }) => keptForReport(id));
  if (train.length === 0 || rest.length === 0 || gate.length < 6)
    throw new Error(
      `${path} has ${train.length} train and ${heldout.length} heldout tasks, of these ${gate.length} the gate's; ` +
        'the demo needs at least 1 to train on, 1 to report on and 6 for the gate',
    );
  const isPattern = (task: Task): boolean => task.metadata['kind'] === 'patterns';
  return { train, gate, numbers: rest.filter((task) => !isPattern(task)), patterns: rest.filter(isPattern) };
}

function shuffled<T>(items: readonly T[], random: () => number): T[] {
  return items
    .map((item) => ({ item, key: random() }))
    .sort((a, b) => a.key - b.key)
    .map(({ item }) => item);
}

/** A progress line that overwrites itself; shown on terminals only. */
function live(what: string): (done: number, total: number, note?: string) => void {
  return (done, total, note) => {
    if (process.stdout.isTTY)
      process.stdout.write(`\r\u001b[K  ${what}${note === undefined ? ` ${done}/${total}` : `: ${note}`}\r`);
  };
}

function wholeNumber(flag: string, text: string, least: number): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < least)
    throw new Error(`${flag} is "${text}"; it must be a whole number of at least ${least}`);
  return value;
}

program.parse();
main(program.opts<Options>()).catch((fault: unknown) => {
  process.stderr.write(`demo: ${fault instanceof Error ? fault.message : String(fault)}\n`);
  process.exitCode = 1;
});
