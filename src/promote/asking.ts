/**
 * A test from its first question to its last: step by step, until a look says that it is at its end. Whoever answers is
 * an argument, so that nothing here knows of models, and a test that was interrupted goes on with what is on record.
 */
import { LEAST_COVERAGE, look, type Pair, tallyOf } from './look.js';
import { type GatePlan, nextStep } from './plan.js';

/** Asks both versions these tasks, or what of them they have not answered yet, and gives their pairs in any order. */
export type Ask = (taskIds: readonly string[]) => Promise<readonly Pair[]>;

/** How often what was not answered is asked again before a test is left without a decision. */
const AGAIN = 2;

/** The pairs of a whole test. `pool` is in turn, and `known` begins as it does. */
export async function askUntilShown(
  plan: GatePlan,
  pool: readonly string[],
  ask: Ask,
  known: readonly Pair[] = [],
): Promise<readonly Pair[]> {
  let pairs = known;
  for (let again = 0; ;) {
    const { ending, covered } = look(tallyOf(pairs), plan);
    const left = pool.slice(pairs.length, pairs.length + nextStep(plan, pairs.length));
    // One task that nobody can answer is too much of few tasks, and would be of every test that begins with it.
    const open = ending === undefined || (!covered && again === AGAIN && mayBeCovered(pairs, plan, pool.length));
    const next = open ? left : [];
    if (next.length > 0) {
      again = 0;
      pairs = [...pairs, ...next.map((taskId) => ({ taskId }))];
      pairs = filledIn(pairs, await ask(next));
    } else {
      if (covered || again === AGAIN) return pairs;
      again += 1;
      pairs = filledIn(pairs, await ask(missing(pairs)));
    }
  }
}

/** Whether enough would be answered by the end if all that is left is. */
function mayBeCovered(pairs: readonly Pair[], plan: GatePlan, pool: number): boolean {
  const { tasks, answered } = tallyOf(pairs);
  const all = Math.min(plan.max, pool);
  return Math.min(answered.candidate, answered.serving) + all - tasks >= LEAST_COVERAGE * all;
}

function missing(pairs: readonly Pair[]): string[] {
  return pairs.filter((pair) => pair.candidate === undefined || pair.serving === undefined).map((pair) => pair.taskId);
}

/** What was answered stays; what was not is taken from the new answers. */
function filledIn(pairs: readonly Pair[], answers: readonly Pair[]): readonly Pair[] {
  const news = new Map(answers.map((answer) => [answer.taskId, answer]));
  return pairs.map((pair) => {
    const answer = news.get(pair.taskId);
    return answer === undefined
      ? pair
      : {
          taskId: pair.taskId,
          candidate: pair.candidate ?? answer.candidate,
          serving: pair.serving ?? answer.serving,
          ...(answer.untold === undefined ? {} : { untold: answer.untold }),
        };
  });
}
