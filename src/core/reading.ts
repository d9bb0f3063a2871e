/** Reading the log back and rating what was answered: what routes need of a store. A key sees what it asked itself. */
import { z } from 'zod';

import type { AssistantMessage, Message } from './message.js';

/** Whose rows may be touched. Undefined means everyone's. */
export interface Scope {
  readonly keyId: string | undefined;
}

export interface Page {
  readonly limit: number;
  /** An id; the page begins behind it. */
  readonly after?: string | undefined;
}

interface Listing {
  readonly data: readonly unknown[];
  readonly has_more: boolean;
}

export const FeedbackSchema = z
  .strictObject({
    response_id: z.string().min(1),
    value: z.union([z.boolean(), z.number().min(-1).max(1)]).optional(),
    step: z.int().min(0).optional(),
    comment: z.string().max(10_000).optional(),
    demonstration: z.string().min(1).optional(),
  })
  .refine((body) => body.value !== undefined || body.demonstration !== undefined, {
    message: 'is required unless "demonstration" is given',
    path: ['value'],
  })
  // What the refinement says, for readers of the schema.
  .meta({ anyOf: [{ required: ['value'] }, { required: ['demonstration'] }] });

export type FeedbackInput = z.infer<typeof FeedbackSchema>;

/** The store as these routes need it. Undefined means: no such row within the scope. */
export interface Reading {
  trajectories(scope: Scope, page: Page): Listing;
  trajectory(scope: Scope, id: string): unknown;
  step(scope: Scope, id: string): unknown;
  /** The conversation with an answer of this key, as its client has it. */
  conversation(keyId: string, responseId: string): readonly Message[] | undefined;
  /** An answer of this key as its client has it, also one that was broken off. */
  answer(keyId: string, responseId: string): AssistantMessage | undefined;
  /** Deletes a trajectory for good; answers with the batches and versions it had reached. */
  erase(scope: Scope, id: string): unknown;
  /** Adds a row of feedback of this key, the same body twice being one row; answers with the row. */
  feedback(scope: Scope, keyId: string, input: FeedbackInput): unknown;
}
