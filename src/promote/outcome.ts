/**
 * The gate's decision on a candidate, out of all pairs that were asked, with everything it takes to come to it again.
 * Pure. Nothing is decided while a test goes on, nor where too much is without an answer.
 */
import type { JudgeError } from '../core/judging/live.js';
import { type Guarded, keptBy } from './families.js';
import { proportion } from '../core/judging/proportion.js';
import { paired, type PairedDifference } from './interval.js';
import { seenOf } from './judge_error.js';
import { lacksOne, LEAST_COVERAGE, look, type Look, type Pair, type Tally, tallyOf } from './look.js';
import type { Answered, ErrorNumbers, FamilyNumbers, GateNumbers, LiveNumbers } from './numbers.js';
import { type GatePlan, nextStep } from './plan.js';
import { undecided, worded } from './sentence.js';

interface GuardedPairs extends Guarded {
  /** Tasks of the family, none of which the test itself had asked: those were chosen by how they came out. */
  readonly pairs: readonly Pair[];
}

export interface GateInput {
  readonly plan: GatePlan;
  /** In the order in which they were asked. */
  readonly pairs: readonly Pair[];
  /** Asked only once the test has shown that the candidate is better. */
  readonly families: readonly GuardedPairs[];
  /** Names of alarms about the candidate's updates, any of which keeps it from being promoted. */
  readonly alarms: readonly string[];
  /** Where the tasks came from and how they were asked, for a reader; it decides nothing. */
  readonly asked: Readonly<Record<string, unknown>>;
}

export type Outcome =
  | {
      readonly decided: true;
      readonly passed: boolean;
      readonly reason: string;
      readonly numbers: GateNumbers;
    }
  | { readonly decided: false; readonly reason: string };

export function outcomeOf(input: GateInput): Outcome {
  for (const { pairs } of [input, ...input.families]) requireOnce(pairs);
  const tally = tallyOf(input.pairs);
  const last = look(tally, input.plan);
  if (last.ending === undefined)
    return { decided: false, reason: `no decision yet: ${tally.tasks} of ${input.plan.max} tasks are asked` };
  if (!last.covered && !lacksOne(tally)) return { decided: false, reason: undecided(tally, LEAST_COVERAGE) };
  if (last.ending !== 'evidence') return decision(input, tally, last, [], last.ending);
  if (input.alarms.length > 0) return decision(input, tally, last, [], 'alarm');
  const tallies = input.families.map(({ pairs }) => tallyOf(pairs));
  const short = tallies.find((of) => of.tasks > 0 && !look(of, input.plan).covered && !lacksOne(of));
  if (short !== undefined) return { decided: false, reason: undecided(short, LEAST_COVERAGE) };
  const families = input.families.map(({ name, margin, pairs }) => ({
    name,
    margin,
    ...keptBy(tallyOf(pairs), margin),
    outcomes: pairs.map(answered),
  }));
  return decision(input, tally, last, families, families.every(({ kept }) => kept) ? 'evidence' : 'family');
}

function decision(
  { plan, pairs, alarms, asked }: GateInput,
  tally: Tally,
  { strength, threshold }: Look,
  families: readonly FamilyNumbers[],
  stopped: GateNumbers['stopped'],
): Outcome {
  const scores = (version: 'candidate' | 'serving'): number[] => pairs.map((pair) => (pair[version] === true ? 1 : 0));
  const difference = paired(scores('serving'), scores('candidate'));
  const numbers: GateNumbers = {
    test: plan.test,
    candidate_number: plan.candidate,
    alpha_total: plan.alphaTotal,
    alpha: plan.alpha,
    step: plan.step,
    max_tasks: plan.max,
    futility: plan.futility ?? null,
    asked,
    outcomes: pairs.map(answered),
    looks: looksOf(pairs, plan),
    tasks: tally.tasks,
    wins: tally.wins,
    losses: tally.losses,
    strength,
    threshold,
    coverage: {
      candidate: tally.answered.candidate / tally.tasks,
      serving: tally.answered.serving / tally.tasks,
    },
    candidate: proportion(scores('candidate')),
    serving: proportion(scores('serving')),
    difference,
    families,
    ...(plan.live === undefined ? {} : { live: liveNumbers(plan.live, difference, pairs) }),
    alarms,
    stopped,
  };
  return { decided: true, passed: stopped === 'evidence', reason: worded(numbers), numbers };
}

/** What is seen, and what it is truly: `src/promote/judge_error.ts`. */
function liveNumbers(
  { margin, error }: NonNullable<GatePlan['live']>,
  difference: PairedDifference,
  pairs: readonly Pair[],
): LiveNumbers {
  const seen = seenOf(error);
  const truly = (share: number): number => Math.max(-1, Math.min(1, share / seen));
  const untold = (of: 'candidate' | 'serving'): string[] =>
    pairs.flatMap((pair) => (pair.untold === of || pair.untold === 'both' ? [pair.taskId] : []));
  return {
    margin,
    ...errorNumbers(error),
    untold: { candidate: untold('candidate'), serving: untold('serving') },
    seen,
    gain: {
      difference: truly(difference.difference),
      n: difference.n,
      low: truly(difference.low),
      high: truly(difference.high),
    },
  };
}

function errorNumbers(error: JudgeError): ErrorNumbers {
  return error.by === 'words'
    ? {
        by: 'words',
        false_accept: error.falseAccept,
        false_reject: error.falseReject,
        gold_items: error.n,
      }
    : { by: 'pairs', right: error.right, wrong: error.wrong, gold_pairs: error.n };
}

/** Every look that was taken on the way. */
function looksOf(pairs: readonly Pair[], plan: GatePlan): (readonly [number, number, number, number])[] {
  const looks: (readonly [number, number, number, number])[] = [];
  for (let asked = 0; asked < pairs.length;) {
    asked = Math.min(pairs.length, asked + nextStep(plan, asked));
    const tally = tallyOf(pairs.slice(0, asked));
    looks.push([asked, tally.wins, tally.losses, look(tally, plan).strength]);
  }
  return looks;
}

function answered({ taskId, candidate, serving }: Pair): Answered {
  const bit = (right: boolean | undefined): 0 | 1 | null => (right === undefined ? null : right ? 1 : 0);
  return [taskId, bit(candidate), bit(serving)];
}

/** A task twice is one answer counted as two. */
function requireOnce(pairs: readonly Pair[]): void {
  const seen = new Set<string>();
  for (const { taskId } of pairs) {
    if (seen.has(taskId)) throw new RangeError(`task ${JSON.stringify(taskId)} is in one test twice`);
    seen.add(taskId);
  }
}
