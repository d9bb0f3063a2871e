/**
 * Reading back and feedback: thin routes over functions of the store, which are injected. A key sees,
 * deletes and rates only what it asked itself; an admin's key sees everything.
 */
import { Hono } from 'hono';

import { GyreError, missing, quoted } from '../../core/errors.js';
import type { Keys } from '../../core/key.js';
import { FeedbackSchema, type Reading } from '../../core/reading.js';
import { filterOf, givenOf, oneShownOf, shownOf } from '../../core/reading/filters.js';
import { callerOf, scopeOf } from '../callers/auth.js';
import { invalid } from '../protocol/fields.js';
import type { Bodies } from '../wire/bodies.js';
import type { NodeBindings } from '../wire/exchange.js';
import { jsonReply } from '../wire/reply.js';

/** Mounted under `/gyre/v1`. */
export function trajectoryRoutes(reading: Reading, keys: Keys): Hono {
  const app = new Hono();
  app.get('/trajectories', async (c) => {
    const scope = scopeOf(await callerOf(keys, c.req.raw));
    const given = givenOf(c.req.queries());
    const filter = filterOf(given);
    if (filter.key !== undefined && scope.keyId !== undefined) throw notForClients();
    return jsonReply(await reading.trajectories(scope, given, filter, shownOf(given, 'summary'), c.req.raw.signal));
  });
  app.get('/trajectories/:id', async (c) => {
    const [scope, id] = [scopeOf(await callerOf(keys, c.req.raw)), c.req.param('id')];
    const found = await reading.trajectory(scope, id, oneShownOf(c.req.queries()), c.req.raw.signal);
    return jsonReply(present(found, 'trajectory', id));
  });
  app.delete('/trajectories/:id', async (c) => {
    const [scope, id] = [scopeOf(await callerOf(keys, c.req.raw)), c.req.param('id')];
    return c.json(present(await reading.erase(scope, id, c.req.raw.signal), 'trajectory', id));
  });
  app.get('/deletions/:id', async (c) => {
    const [scope, id] = [scopeOf(await callerOf(keys, c.req.raw)), c.req.param('id')];
    return jsonReply(present(await reading.deletion(scope, id, c.req.raw.signal), 'deletion', id));
  });
  app.get('/steps/:id', async (c) => {
    const [scope, id] = [scopeOf(await callerOf(keys, c.req.raw)), c.req.param('id')];
    return jsonReply(present(await reading.step(scope, id, c.req.raw.signal), 'step', id));
  });
  return app;
}

/** Mounted under `/v1`. */
export function feedbackRoutes(reading: Reading, keys: Keys, bodies: Bodies): Hono<{ Bindings: NodeBindings }> {
  const app = new Hono<{ Bindings: NodeBindings }>();
  app.post('/feedback', async (c) => {
    const caller = await callerOf(keys, c.req.raw);
    const body = await bodies.json(c.env.incoming);
    const parsed = FeedbackSchema.safeParse(body);
    if (!parsed.success) throw invalid(parsed.error, [], body);
    const added = await reading.feedback(scopeOf(caller), caller.keyId, parsed.data, c.req.raw.signal);
    return c.json(present(added, 'response', parsed.data.response_id));
  });
  return app;
}

function notForClients(): GyreError {
  return new GyreError({
    side: 'client',
    status: 403,
    code: 'insufficient_permissions',
    param: 'key',
    message: 'Only a key with the role admin may ask by "key": what this key asked is all it sees.',
  });
}

function present<T>(row: T | undefined, what: string, id: string): T {
  if (row !== undefined) return row;
  throw missing(
    what,
    `There is no ${what} ${quoted(id)} that this key may see.`,
    what === 'response' ? 'response_id' : 'id',
  );
}
