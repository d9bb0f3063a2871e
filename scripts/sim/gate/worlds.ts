/**
 * Worlds in which a gate may be wrong: candidates of a known worth, and the tasks that both versions answer. The gate's
 * own functions decide; nothing of them is written again here.
 */
import { look, type Tally } from '../../../src/promote/look.js';
import { type GatePlan, nextStep } from '../../../src/promote/plan.js';
import type { Random } from '../../chaos/random.js';

/** The next task: 1 where the candidate won it, -1 where it lost it, 0 where both did alike. */
type Draw = () => number;

/** A test as the gate runs it. */
function passes(plan: GatePlan, draw: Draw): { passed: boolean; tasks: number } {
  let [tasks, wins, losses] = [0, 0, 0];
  for (;;) {
    const step = nextStep(plan, tasks);
    for (let asked = 0; asked < step; asked += 1) {
      const outcome = draw();
      if (outcome > 0) wins += 1;
      if (outcome < 0) losses += 1;
    }
    tasks += step;
    const tally: Tally = { tasks, wins, losses, answered: { candidate: tasks, serving: tasks }, unanswered: 0 };
    const { ending } = look(tally, plan);
    if (ending !== undefined) return { passed: ending === 'evidence', tasks };
  }
}

/** What became of a row of candidates, up to the first that was promoted. */
export interface Course {
  /** The cycle that promoted one, from 1; undefined where none did. */
  readonly promoted: number | undefined;
  readonly tests: number;
  readonly tasks: number;
}

/** How the t-th candidate is tested. */
type Planned = (candidate: number) => GatePlan;

function course(cycles: number, planned: Planned, candidate: (cycle: number) => Draw): Course {
  let tasks = 0;
  for (let cycle = 1; cycle <= cycles; cycle += 1) {
    const test = passes(planned(cycle), candidate(cycle));
    tasks += test.tasks;
    if (test.passed) return { promoted: cycle, tests: cycle, tasks };
  }
  return { promoted: undefined, tests: cycles, tasks };
}

/** Fresh tasks for each candidate, of which `changed` come out differently and which gain `gain` on the whole. */
export function freshTasks(
  random: Random,
  planned: Planned,
  cycles: number,
  world: { readonly changed: number; readonly gain: (cycle: number) => number },
): Course {
  return course(cycles, planned, (cycle) => {
    const gain = world.gain(cycle);
    const changed = Math.max(world.changed, Math.abs(gain));
    const wins = (changed + gain) / 2;
    return () => {
      const draw = random.next();
      return draw < wins ? 1 : draw < changed ? -1 : 0;
    };
  });
}

/**
 * One list of tasks, asked in turn for as long as there are candidates, and a head that walks: each cycle `moving` of
 * the tasks come out otherwise than before, and accuracy changes by `drift`. So candidates are like each other, and a
 * task that was lucky stays so for a while.
 */
export function sameTasks(
  random: Random,
  planned: Planned,
  cycles: number,
  world: { readonly pool: number; readonly accuracy: number; readonly moving: number; readonly drift: number },
): Course {
  let { accuracy } = world;
  const serving = Array.from({ length: world.pool }, () => random.next() < accuracy);
  const head = [...serving];
  let at = 0;
  return course(cycles, planned, () => {
    // As many tasks are lost as won, but for the drift.
    const lost = Math.max(0, (world.moving - world.drift) / (2 * accuracy));
    const won = Math.max(0, (world.moving + world.drift) / (2 * (1 - accuracy)));
    for (let task = 0; task < world.pool; task += 1)
      if (random.next() < (head[task] === true ? lost : won)) head[task] = head[task] !== true;
    accuracy = Math.min(0.99, Math.max(0.01, accuracy + world.drift));
    return () => {
      const task = at;
      at = (at + 1) % world.pool;
      return Number(head[task]) - Number(serving[task]);
    };
  });
}
