/**
 * Reading back and feedback: thin routes over functions of the store, which are injected. A key sees,
 * deletes and rates only what it asked itself; an admin's key sees everything.
 */
import { Hono } from 'hono';

import { badRequest, GyreError } from '../../core/errors.js';
import type { Keys } from '../../core/key.js';
import { FeedbackSchema, type Page, type Reading, type Scope } from '../../core/reading.js';
import { type Caller, callerOf } from '../callers/auth.js';
import { invalid } from '../protocol/fields.js';
import { readJson } from '../wire/body.js';
import type { NodeBindings } from '../wire/exchange.js';

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
    return c.json(
      present(reading.feedback(scopeOf(caller), caller.keyId, parsed.data), 'response', parsed.data.response_id),
    );
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
  return { limit: size, after };
}
