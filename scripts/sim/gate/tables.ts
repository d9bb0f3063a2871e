/** The tables of `npm run sim:gate`, and what of them may not be: each row knows what is wrong with it. */
import { keptBy } from '../../../src/promote/families.js';
import { ladder, MAX_TASKS, sequential } from '../../../src/promote/plan.js';
import { Random } from '../../chaos/random.js';
import { freshTasks, sameTasks, type Course } from './worlds.js';

export const CYCLES = 50;
/** Runs of a cell. */
export const RUNS = 500;

export interface Table {
  readonly title: string;
  /** In Markdown. */
  readonly lines: readonly string[];
  readonly wrong: readonly string[];
}

/** What many runs of a world came to. */
interface Cell {
  /** Shares of the runs that promoted something at all, and the first candidate. */
  readonly ever: number;
  readonly first: number;
  /** The cycle of the first promotion in the middle run; Infinity where fewer than half promoted anything. */
  readonly median: number;
  /** Tasks a candidate costs. */
  readonly tasks: number;
}

function cellOf(runs: number, seed: number, run: (random: Random) => Course): Cell {
  const random = new Random(seed);
  const courses = Array.from({ length: runs }, () => run(random));
  const cycles = courses.map(({ promoted }) => promoted ?? Infinity).sort((a, b) => a - b);
  const sum = (of: (course: Course) => number): number => courses.reduce((total, each) => total + of(each), 0);
  return {
    ever: cycles.filter((cycle) => cycle <= CYCLES).length / runs,
    first: cycles.filter((cycle) => cycle === 1).length / runs,
    median: cycles[Math.floor((runs - 1) / 2)] ?? Infinity,
    tasks: sum((course) => course.tasks) / sum((course) => course.tests),
  };
}

/** How often a version is right, and how alike two neighbours are: so many tasks come out differently. */
const NEIGHBOURS = [
  { accuracy: 0.3, correlation: 0.5 },
  { accuracy: 0.3, correlation: 0.8 },
  { accuracy: 0.6, correlation: 0.3 },
  { accuracy: 0.6, correlation: 0.5 },
  { accuracy: 0.6, correlation: 0.8 },
  { accuracy: 0.85, correlation: 0.5 },
  { accuracy: 0.85, correlation: 0.8 },
] as const;

const MOST_WRONG = 0.05;
export const LEAST_FOUND = 0.95;
const LATEST = 12;

/** Many held-out tasks: each candidate gets fresh ones. */
export function fresh(runs: number): Table {
  const rows = NEIGHBOURS.map(({ accuracy, correlation }, at) => {
    const changed = 2 * accuracy * (1 - accuracy) * (1 - correlation);
    const of = (seed: number, gain: (cycle: number) => number): Cell =>
      cellOf(runs, 1000 * (at + 1) + seed, (random) =>
        freshTasks(random, (candidate) => sequential(candidate, MAX_TASKS), CYCLES, { changed, gain }),
      );
    return {
      name: `${accuracy}, ${correlation} (${percent(changed)})`,
      useless: of(0, () => 0),
      harmful: of(1, () => -0.01),
      one: of(2, () => 0.01),
      five: of(3, () => 0.05),
      ten: of(4, () => 0.1),
      walk: of(5, (cycle) => cycle / 100),
    };
  });
  return {
    title: `Fresh tasks, up to ${MAX_TASKS} a candidate, ${CYCLES} candidates, ${runs} runs a cell`,
    lines: [
      '| right, correlation (changed) | useless: ever; tasks each | -1: ever | +1: ever | +5: first; ever ' +
        '| +10: first; ever; tasks | +1 more each cycle: median cycle |',
      '|---|---|---|---|---|---|---|',
      ...rows.map(
        ({ name, useless, harmful, one, five, ten, walk }) =>
          `| ${name} | ${percent(useless.ever)}; ${useless.tasks.toFixed(0)} | ${percent(harmful.ever)} | ` +
          `${percent(one.ever)} | ${percent(five.first)}; ${percent(five.ever)} | ${percent(ten.first)}; ` +
          `${percent(ten.ever)}; ${ten.tasks.toFixed(0)} | ${walk.median} |`,
      ),
    ],
    wrong: rows.flatMap(({ name, useless, harmful, ten, walk }) => [
      ...atMost(`${name}, useless`, useless.ever),
      ...atMost(`${name}, -1`, harmful.ever),
      ...(ten.first < LEAST_FOUND ? [`${name}, +10: promoted at once in ${percent(ten.first)} of runs`] : []),
      ...(walk.median > LATEST ? [`${name}, +1 more each cycle: promoted in cycle ${walk.median}`] : []),
    ]),
  };
}

/** A list of tasks that is asked again, and a head that walks. */
export function repeated(runs: number): Table {
  const kinds = [
    ...[256, 512, 1024].map((pool) => ({ name: `pool of ${pool}, in turn`, pool, small: false })),
    ...[67, 104, 170].map((pool) => ({ name: `small set, ${pool} of the gate's own`, pool, small: true })),
  ];
  const rows = kinds.map(({ name, pool, small }, at) => {
    const planned = (candidate: number): ReturnType<typeof ladder> =>
      small ? ladder(candidate, pool) : sequential(candidate, Math.min(pool, MAX_TASKS));
    const of = (seed: number, drift: number, moving = 0.06): Cell =>
      cellOf(runs, 9000 + 100 * at + seed, (random) =>
        sameTasks(random, planned, CYCLES, { pool, accuracy: drift > 0 ? 0.4 : 0.6, moving, drift }),
      );
    return {
      name,
      useless: of(0, 0),
      harmful: of(1, -0.01),
      walk: of(2, 0.01),
      // A fifth of the tasks changes at once, for the better by ten points.
      ten: of(3, 0.1, 0.2),
    };
  });
  return {
    title: `Tasks that are asked again, a head that walks: 6 % of the tasks change each cycle, ${runs} runs a cell`,
    lines: [
      '| tasks | useless: ever | -1 more each cycle: ever | +1 more each cycle: ever; median cycle ' +
        '| +10 at once: first |',
      '|---|---|---|---|---|',
      ...rows.map(
        ({ name, useless, harmful, walk, ten }) =>
          `| ${name} | ${percent(useless.ever)} | ${percent(harmful.ever)} | ${percent(walk.ever)}; ` +
          `${Number.isFinite(walk.median) ? walk.median : 'none'} | ${percent(ten.first)} |`,
      ),
    ],
    wrong: rows.flatMap(({ name, useless, harmful }) => [
      ...atMost(`${name}, useless`, useless.ever),
      ...atMost(`${name}, -1`, harmful.ever),
    ]),
  };
}

const MARGIN = 0.05;

/** Guarded families: how often a candidate is let through that lost the whole margin, and one that lost nothing. */
export function guarded(runs: number): Table {
  const random = new Random(77);
  const through = (tasks: number, changed: number, loss: number): number => {
    const wins = (changed - loss) / 2;
    let kept = 0;
    for (let run = 0; run < 4 * runs; run += 1) {
      let [won, lost] = [0, 0];
      for (let task = 0; task < tasks; task += 1) {
        const draw = random.next();
        if (draw < wins) won += 1;
        else if (draw < changed) lost += 1;
      }
      const tally = { tasks, wins: won, losses: lost, answered: { candidate: tasks, serving: tasks }, unanswered: 0 };
      if (keptBy(tally, MARGIN).kept) kept += 1;
    }
    return kept / (4 * runs);
  };
  const changes = [0.06, 0.1, 0.2];
  const rows = [104, 250, 500, 1000].map((tasks) => ({
    tasks,
    cells: changes.map((changed) => ({
      changed,
      harmful: through(tasks, changed, MARGIN),
      equal: through(tasks, changed, 0),
    })),
  }));
  return {
    title: `Guarded families, margin ${100 * MARGIN} points: let through, ${4 * runs} runs a cell`,
    lines: [
      `| tasks | ${changes.map((changed) => `${percent(changed)} changed: truly -5; equal`).join(' | ')} |`,
      `|---|${changes.map(() => '---|').join('')}`,
      ...rows.map(
        ({ tasks, cells }) =>
          `| ${tasks} | ${cells.map(({ harmful, equal }) => `${percent(harmful)}; ${percent(equal)}`).join(' | ')} |`,
      ),
    ],
    // The test holds 5 %; a run of the simulation has an error of half a point.
    wrong: rows.flatMap(({ tasks, cells }) =>
      cells
        .filter(({ harmful }) => harmful > MOST_WRONG + 0.02)
        .map(({ changed, harmful }) => `a family of ${tasks}, ${percent(changed)} changed: ${percent(harmful)} at -5`),
    ),
  };
}

export function atMost(name: string, ever: number): string[] {
  return ever > MOST_WRONG ? [`${name}: promoted in ${percent(ever)} of runs`] : [];
}

export function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}
