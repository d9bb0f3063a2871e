/** The keys `gate` and `calibration` of the configuration: what versions, and judges, have to show. */
import { z } from 'zod';

import { operatorError } from '../errors.js';
import type { JudgeKind } from '../learning/judging.js';

/** Judges of these kinds have an opinion of any answer, which a calibration measures. */
export const COMPARING_KINDS = ['model', 'learned', 'panel'] as const satisfies readonly JudgeKind[];

/** How a candidate is tested before it may serve: docs/gate.md. */
export const Gate = z.strictObject(
  {
    /** Held-out tasks that one test asks at most. */
    max_tasks: z.int().min(32).max(100_000).default(1024),
    /** Families that must not get worse (tasks by their `metadata.family`), each with the loss to be ruled out. */
    families: z
      .array(z.strictObject({ name: z.string().min(1), margin: z.number().gt(0).lt(1).default(0.05) }))
      .refine((list) => new Set(list.map(({ name }) => name)).size === list.length, 'names a family twice')
      .default([]),
    /** The share of consented live conversations that are held out for ever. Those of a task are not among them. */
    heldout: z.number().min(0).max(0.5, 'must be at most 0.5').default(0.05),
    /** Who compares answers to those; without it the first of `judges` that is calibrated, models before others. */
    judge: z.string().min(1).optional(),
    /** Whether a model is shown both answers, as far as it was measured at that, or judges each alone, as others do. */
    compare: z.enum(['pairs', 'words']).default('pairs'),
    /** The share of conversations by which a candidate must be better, where a judge compares. */
    margin: z.number().min(0).lt(0.5, 'must be below 0.5').default(0),
    /** Whether a tenth of the conversations that nothing was learned from are asked, too. */
    shadow: z.boolean().default(false),
    /** The share of live conversations that a candidate answers before it may serve; 0 has no canary. */
    canary_share: z.number().min(0).max(0.5, 'must be at most 0.5').default(0),
    /** Conversations of the candidate's that a canary compares at most. */
    canary_conversations: z.int().min(32).max(100_000).default(512),
  },
  'must be {max_tasks?, families?: [{name, margin?}], heldout?, judge?, compare?, margin?, shadow?, canary_share?, ' +
    'canary_conversations?}',
);

/** What a judge has to reach before it may reward, and to keep to while it does: docs/rewards.md. */
export const CalibrationKey = z.strictObject(
  {
    items: z.int().min(20).max(100_000).default(200),
    accuracy: z.number().min(0.5).lt(1).default(0.75),
    false_accept: z.number().gt(0).max(0.5).default(0.15),
    drift: z.number().gt(0).max(1).default(0.3),
    agreement: z.number().gt(0).lt(1).default(0.75),
  },
  'must be {items?, accuracy?, false_accept?, drift?, agreement?}',
);

export type Gate = z.infer<typeof Gate>;

/** Throws an operator error where a judge is to compare that has no opinion of an answer. */
export function knowsComparer(
  judges: readonly { readonly name: string; readonly kind: string }[],
  { judge }: Gate,
  file: string,
): void {
  const names = judges.flatMap(({ kind, name }) => (COMPARING_KINDS.some((each) => each === kind) ? [name] : []));
  if (judge !== undefined && !names.includes(judge))
    throw operatorError(
      `${file}: key "gate"["judge"] is "${judge}", which is none of "judges" that can compare (` +
        `${COMPARING_KINDS.join(', ')}): ` +
        (names.length === 0 ? 'there is none.' : `there are ${names.join(', ')}.`),
    );
}
