/**
 * Labels: what people say of logged steps, in words that overrule every judge, and what should have been done instead.
 * A label is a row that never changes; taking one back is another row.
 */
import { z } from 'zod';

import type { Message } from '../message.js';
import type { FunctionSpec } from '../policy.js';

/** Labels that one request may bring. */
export const MOST_LABELS = 500;
/** Steps that one request may ask for in order to label them. */
export const MOST_QUEUED = 50;

const id = z.string().min(1).max(200);

/** The assistant turn that would have been right, in the shape of Chat Completions. */
export const Demonstration = z
  .strictObject({
    role: z.literal('assistant').optional(),
    content: z.string().max(1_000_000).nullish(),
    tool_calls: z
      .array(
        z.strictObject({
          id: id.optional(),
          type: z.literal('function').optional(),
          function: z.strictObject({ name: id, arguments: z.string().max(1_000_000) }),
        }),
      )
      .max(64)
      .optional(),
  })
  .refine(({ content, tool_calls }) => (content ?? '') !== '' || (tool_calls ?? []).length > 0, {
    message: 'needs "content" or "tool_calls": what should have been said or called',
  });
export type Demonstration = z.infer<typeof Demonstration>;

export const NewLabel = z
  .strictObject({
    step_id: id.optional(),
    trajectory_id: id.optional(),
    /** Null: the person cannot say. */
    good: z.boolean().nullable(),
    comment: z.string().max(10_000).optional(),
    demonstration: Demonstration.optional(),
  })
  .refine((label) => (label.step_id === undefined) !== (label.trajectory_id === undefined), {
    message: 'is needed, or "trajectory_id" in its place: exactly one of them',
    path: ['step_id'],
  });
export type NewLabel = z.infer<typeof NewLabel>;

export const Withdrawal = z.strictObject({ withdraw: id });
export type Withdrawal = z.infer<typeof Withdrawal>;

/** One, or several that are taken all or none. */
export const LabelBody = z.union([
  NewLabel,
  Withdrawal,
  z
    .array(z.union([NewLabel, Withdrawal]))
    .min(1)
    .max(MOST_LABELS),
]);

/** A label as it is shown. */
export interface LabelView {
  readonly id: string;
  /** The step it is about; of a label on a trajectory that of its last answer. */
  readonly step_id: string;
  readonly trajectory_id: string;
  readonly about: 'step' | 'trajectory';
  readonly good: boolean | null;
  readonly comment: string | null;
  readonly demonstration: Demonstration | null;
  /** The key that said so, or who did at the console; null where no key was needed. */
  readonly who: string | null;
  /** The label that this one takes back. */
  readonly withdraws: string | null;
  /** Whether it was taken back. */
  readonly withdrawn: boolean;
  readonly created_at: number;
}

/** A step that somebody is asked to label. No verdict is in it, nor why it was chosen: that would be told to them. */
export interface QueuedStep {
  readonly step_id: string;
  readonly trajectory_id: string;
  readonly index: number;
  /** What of the traffic it stands for: the tool that is called, the family of a task, or the first words. */
  readonly cluster: string;
  /** The state the action was taken in. */
  readonly messages: readonly Message[];
  readonly tools: readonly FunctionSpec[];
  readonly action: Message;
  /** What its tools gave, and what the client said next. */
  readonly after: readonly Message[];
}
