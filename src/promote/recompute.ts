/** A gate's decision out of its own row: whoever doubts one comes to it again, and finds it the same. Pure. */
import { z } from 'zod';

import type { JudgeError } from '../core/judging/live.js';
import { levelOf } from './evidence.js';
import type { Pair } from './look.js';
import type { Answered } from './numbers.js';
import { outcomeOf, type Outcome } from './outcome.js';
import { GATE_TESTS } from './plan.js';

const Bit = z.union([z.literal(0), z.literal(1), z.null()]);
const Outcomes = z.array(z.tuple([z.string(), Bit, Bit]));

const Ids = z.array(z.string());
const Live = z.object({
  margin: z.number(),
  untold: z.object({ candidate: Ids, serving: Ids }).default({ candidate: [], serving: [] }),
});
/** A comparison of before it was said how it is made is corrected as one by words. */
const ByWords = Live.extend({
  by: z.literal('words').default('words'),
  false_accept: z.number(),
  false_reject: z.number(),
  gold_items: z.number(),
});
const ByPairs = Live.extend({
  by: z.literal('pairs'),
  right: z.number(),
  wrong: z.number(),
  gold_pairs: z.number(),
});

/** Of the numbers only what a decision is made of; the rest follows from it. */
const Made = z.object({
  test: z.enum(GATE_TESTS),
  candidate_number: z.int().min(1),
  alpha_total: z.number(),
  step: z.number(),
  max_tasks: z.number(),
  futility: z.object({ after: z.number(), z: z.number() }).nullable(),
  asked: z.record(z.string(), z.unknown()),
  outcomes: Outcomes,
  families: z.array(z.object({ name: z.string(), margin: z.number(), outcomes: Outcomes })),
  live: z.union([ByPairs, ByWords]).optional(),
  alarms: z.array(z.string()),
});

/** Undefined for numbers of another kind of decision, or of a gate before this one. */
export function recompute(numbers: Readonly<Record<string, unknown>>): Outcome | undefined {
  const { data } = Made.safeParse(numbers);
  if (data === undefined) return undefined;
  const { live } = data;
  return outcomeOf({
    plan: {
      test: data.test,
      candidate: data.candidate_number,
      alphaTotal: data.alpha_total,
      alpha: levelOf(data.alpha_total, data.candidate_number),
      step: data.step,
      max: data.max_tasks,
      futility: data.futility ?? undefined,
      ...(live === undefined
        ? {}
        : {
            live: { margin: live.margin, error: errorIn(live) },
          }),
    },
    pairs: data.outcomes.map((answered) => ({ ...pairOf(answered), ...untoldIn(answered[0], live?.untold) })),
    families: data.families.map(({ name, margin, outcomes }) => ({ name, margin, pairs: outcomes.map(pairOf) })),
    alarms: data.alarms,
    asked: data.asked,
  });
}

function errorIn(live: z.infer<typeof ByWords> | z.infer<typeof ByPairs>): JudgeError {
  return live.by === 'words'
    ? { by: 'words', falseAccept: live.false_accept, falseReject: live.false_reject, n: live.gold_items }
    : { by: 'pairs', right: live.right, wrong: live.wrong, n: live.gold_pairs };
}

function untoldIn(taskId: string, untold: z.infer<typeof Live>['untold'] | undefined): Pick<Pair, 'untold'> {
  const [candidate, serving] = [untold?.candidate.includes(taskId), untold?.serving.includes(taskId)];
  if (candidate === true) return { untold: serving === true ? 'both' : 'candidate' };
  return serving === true ? { untold: 'serving' } : {};
}

function pairOf([taskId, candidate, serving]: Answered): Pair {
  const right = (bit: 0 | 1 | null): boolean | undefined => (bit === null ? undefined : bit === 1);
  return { taskId, candidate: right(candidate), serving: right(serving) };
}
