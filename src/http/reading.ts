/**
 * Reading back and feedback: thin routes over functions of the store, which are injected. A key sees,
 * deletes and rates only what it asked itself; an admin's key sees everything.
 */
import { Hono } from 'hono';
import { z } from 'zod';

import { badRequest, GyreError } from '../core/errors.js';
import type { AssistantMessage, Message } from '../core/message.js';
import { callerOf, type Caller, type Keys } from './auth.js';
import { readJson } from './body.js';
import type { NodeBindings } from './exchange.js';
import { invalid } from './openai.js';

/** Whose rows may be touched. Undefined means everyone's. */
export interface Scope {
  readonly keyId: string | undefined;
}

interface Page {
  readonly limit: number;
  /** An id; the page begins behind it. */
  readonly after?: string;
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
  /** Adds a row of feedback, the same body twice being one row; answers with the row. */
  feedback(scope: Scope, caller: Caller, input: FeedbackInput): unknown;
}

export const MAX_PAGE = 200;

/** Mounted under `/gyre/v1`. */
export function trajectoryRoutes(reading: Reading, keys: Keys): Hono {
  const app = new Hono();
  app.get('/trajectories', (c) =>
    c.json(
      reading.trajectories(scopeOf(callerOf(keys, c.req.raw)), pageOf(c.req.query('limit'), c.req.query('after'))),
    ),
  );
  app.get('/trajectories/:id', (c) => {
    const id = c.req.param('id');
    return c.json(present(reading.trajectory(scopeOf(callerOf(keys, c.req.raw)), id), 'trajectory', id));
  });
  app.delete('/trajectories/:id', (c) => {
    const id = c.req.param('id');
    return c.json(present(reading.erase(scopeOf(callerOf(keys, c.req.raw)), id), 'trajectory', id));
  });
  app.get('/steps/:id', (c) => {
    const id = c.req.param('id');
    return c.json(present(reading.step(scopeOf(callerOf(keys, c.req.raw)), id), 'step', id));
  });
  return app;
}

/** Mounted under `/v1`. */
export function feedbackRoutes(reading: Reading, keys: Keys, bodyBytes: number): Hono<{ Bindings: NodeBindings }> {
  const app = new Hono<{ Bindings: NodeBindings }>();
  app.post('/feedback', async (c) => {
    const caller = callerOf(keys, c.req.raw);
    const body = await readJson(c.env.incoming, bodyBytes);
    const parsed = FeedbackSchema.safeParse(body);
    if (!parsed.success) throw invalid(parsed.error, [], body);
    return c.json(present(reading.feedback(scopeOf(caller), caller, parsed.data), 'response', parsed.data.response_id));
  });
  return app;
}

function scopeOf(caller: Caller): Scope {
  return { keyId: caller.admin ? undefined : caller.keyId };
}

function present(row: unknown, what: string, id: string): object {
  if (typeof row === 'object' && row !== null) return row;
  throw new GyreError({
    side: 'client',
    status: 404,
    code: `${what}_not_found`,
    message: `There is no ${what} ${JSON.stringify(id.slice(0, 100))} that this key may see.`,
    param: what === 'response' ? 'response_id' : 'id',
  });
}

function pageOf(limit: string | undefined, after: string | undefined): Page {
  const size = limit === undefined ? 20 : Number(limit);
  if (!Number.isInteger(size) || size < 1 || size > MAX_PAGE)
    throw badRequest(`"limit" must be a whole number from 1 to ${MAX_PAGE}, not ${JSON.stringify(limit)}.`, 'limit');
  return { limit: size, ...(after === undefined ? {} : { after }) };
}
