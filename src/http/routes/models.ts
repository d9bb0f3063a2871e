/**
 * `GET /v1/models` and `GET /v1/models/{id}`: the names a client may ask for, the policy's own and those of upstreams.
 */
import { Hono } from 'hono';

import { missing, quoted } from '../../core/errors.js';
import type { Keys } from '../../core/key.js';
import { type ServedModel, type Serving, versionOf } from '../../core/serving.js';
import { callerOf } from '../callers/auth.js';

export function modelRoutes(serving: Serving, keys: Keys): Hono {
  const app = new Hono();
  app.get('/models', async (c) => {
    const { admin } = await callerOf(keys, c.req.raw);
    return c.json({ object: 'list', data: serving.models().map((model) => wireModel(model, admin)) });
  });
  // Names of upstreams have slashes, and clients send them as they are or encoded; a dot would
  // not take the end of a line.
  app.get('/models/:id{[^]+}', async (c) => {
    const { admin } = await callerOf(keys, c.req.raw);
    const id = c.req.param('id');
    const model = serving.models().find((each) => each.id === id);
    if (model === undefined) {
      const known = serving.models().map((each) => each.id);
      throw missing('model', `The model ${quoted(id)} does not exist. There are: ${known.join(', ')}.`, 'model');
    }
    return c.json(wireModel(model, admin));
  });
  return app;
}

/** Where an upstream stands is an admin's to know. */
function wireModel(model: ServedModel, admin: boolean): Record<string, unknown> {
  const { id, created, source } = model;
  return {
    id,
    object: 'model',
    created,
    owned_by: source.kind === 'policy' ? 'gyre' : admin ? source.host : 'upstream',
    policy_version: versionOf(source),
  };
}
