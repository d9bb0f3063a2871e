/** A gate's decision out of its own row: whoever doubts one comes to it again, and finds it the same. Pure. */
import { z } from 'zod';

import { levelOf } from './evidence.js';
import type { Pair } from './look.js';
import type { Answered } from './numbers.js';
import { outcomeOf, type Outcome } from './outcome.js';
import { GATE_TESTS } from './plan.js';

const Bit = z.union([z.literal(0), z.literal(1), z.null()]);
const Outcomes = z.array(z.tuple([z.string(), Bit, Bit]));

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
  live: z
    .object({ margin: z.number(), false_accept: z.number(), false_reject: z.number(), gold_items: z.number() })
    .optional(),
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
            live: {
              margin: live.margin,
              error: { falseAccept: live.false_accept, falseReject: live.false_reject, n: live.gold_items },
            },
          }),
    },
    pairs: data.outcomes.map(pairOf),
    families: data.families.map(({ name, margin, outcomes }) => ({ name, margin, pairs: outcomes.map(pairOf) })),
    alarms: data.alarms,
    asked: data.asked,
  });
}

function pairOf([taskId, candidate, serving]: Answered): Pair {
  const right = (bit: 0 | 1 | null): boolean | undefined => (bit === null ? undefined : bit === 1);
  return { taskId, candidate: right(candidate), serving: right(serving) };
}
