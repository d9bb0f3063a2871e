/**
 * Reading back and feedback: thin routes over functions of the store, which are injected. A key sees,
 * deletes and rates only what it asked itself; an admin's key sees everything.
 */
import { Hono } from 'hono';

import { missing, quoted } from '../../core/errors.js';
import type { Keys } from '../../core/key.js';
import { pageOf } from '../../core/paging.js';
import { FeedbackSchema, type Reading } from '../../core/reading.js';
import { callerOf, scopeOf } from '../callers/auth.js';
import { invalid } from '../protocol/fields.js';
import type { Bodies } from '../wire/bodies.js';
import type { NodeBindings } from '../wire/exchange.js';
import { jsonReply } from '../wire/reply.js';

/** Mounted under `/gyre/v1`. */
export function trajectoryRoutes(reading: Reading, keys: Keys): Hono {
  const app = new Hono();
  app.get('/trajectories', (c) => {
    const scope = scopeOf(callerOf(keys, c.req.raw));
    return jsonReply(
      reading.trajectories(
        scope,
        pageOf(c.req.query(), (id) => reading.hasTrajectory(scope, id)),
      ),
    );
  });
  app.get('/trajectories/:id', (c) => {
    const id = c.req.param('id');
    return jsonReply(present(reading.trajectory(scopeOf(callerOf(keys, c.req.raw)), id), 'trajectory', id));
  });
  app.delete('/trajectories/:id', (c) => {
    const id = c.req.param('id');
    return c.json(present(reading.erase(scopeOf(callerOf(keys, c.req.raw)), id), 'trajectory', id));
  });
  app.get('/deletions/:id', (c) => {
    const id = c.req.param('id');
    return c.json(present(reading.deletion(scopeOf(callerOf(keys, c.req.raw)), id), 'deletion', id));
  });
  app.get('/steps/:id', (c) => {
    const id = c.req.param('id');
    return jsonReply(present(reading.step(scopeOf(callerOf(keys, c.req.raw)), id), 'step', id));
  });
  return app;
}

/** Mounted under `/v1`. */
export function feedbackRoutes(reading: Reading, keys: Keys, bodies: Bodies): Hono<{ Bindings: NodeBindings }> {
  const app = new Hono<{ Bindings: NodeBindings }>();
  app.post('/feedback', async (c) => {
    const caller = callerOf(keys, c.req.raw);
    const body = await bodies.json(c.env.incoming);
    const parsed = FeedbackSchema.safeParse(body);
    if (!parsed.success) throw invalid(parsed.error, [], body);
    return c.json(
      present(reading.feedback(scopeOf(caller), caller.keyId, parsed.data), 'response', parsed.data.response_id),
    );
  });
  return app;
}

function present<T>(row: T | undefined, what: string, id: string): T {
  if (row !== undefined) return row;
  throw missing(
    what,
    `There is no ${what} ${quoted(id)} that this key may see.`,
    what === 'response' ? 'response_id' : 'id',
  );
}
