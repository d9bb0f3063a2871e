/**
 * The learning clock's own routes under `/gyre/v1`: status, versions, cycles, evaluations, judges. They read rows; only
 * starting a cycle starts work.
 */
import type { IncomingMessage } from 'node:http';

import { type Context, Hono } from 'hono';
import type { z } from 'zod';

import { badRequest, missing, quoted } from '../core/errors.js';
import type { Cycle } from '../core/learning/cycle.js';
import { Restart, StartCycle } from '../core/learning/start_cycle.js';
import { type Decision, isVersionNumber, type Version } from '../core/learning/version.js';
import { cycleView, decisionView, versionView } from '../core/learning/views.js';
import type { JsonBytes, Query, Scope } from '../core/reading.js';

export interface LearningRoutes {
  readonly rows: LearningRows;
  /** Starts a cycle and resolves with its row as soon as it exists. Throws 409 when one is running. */
  start(options: StartCycle): Promise<Cycle>;
  promote(version: number): Promise<Decision>;
  rollback(): Promise<Version>;
  /** Starts again from this version, or from the newest that the trainer has. */
  restart(version: number | undefined): Promise<Version>;
  /**
   * Whose rows may be shown. Throws 401 when nobody who may ask anything sent this request, and for an `admin` route
   * 403 when they may not steer.
   */
  allow(request: Request, admin: boolean): Promise<Scope>;
  /** A body as JSON within the gateway's limits; an empty one is `{}`. Throws 400, 413, 415. */
  body(incoming: IncomingMessage): Promise<unknown>;
}

/** What the routes show of rows. `keyId`: as this key may see it; undefined means all. */
export interface LearningRows {
  status(keyId: string | undefined, signal: AbortSignal): Promise<JsonBytes>;
  /** A list. Throws 400 on the query. */
  versions(query: Query, keyId: string | undefined, signal: AbortSignal): Promise<JsonBytes>;
  /** The same. */
  cycles(query: Query, keyId: string | undefined, signal: AbortSignal): Promise<JsonBytes>;
  /** The same, of what the operator has measured. */
  evaluations(query: Query, signal: AbortSignal): Promise<JsonBytes>;
  cycle(id: string, keyId: string | undefined, signal: AbortSignal): Promise<JsonBytes | undefined>;
  judges(signal: AbortSignal): Promise<JsonBytes>;
}

export function learningRoutes(deps: LearningRoutes): Hono {
  const { rows } = deps;
  const app = new Hono();
  const bodyOf = (c: Context): Promise<unknown> =>
    deps.body((c.env as { readonly incoming: IncomingMessage }).incoming);
  for (const path of ['/status', '/versions/*', '/rollback', '/restart', '/cycles/*']) {
    app.use(path, async (c, next) => {
      await deps.allow(c.req.raw, c.req.method !== 'GET');
      await next();
    });
  }
  app.get('/status', async (c) => {
    const { keyId } = await deps.allow(c.req.raw, false);
    return json(await rows.status(keyId, c.req.raw.signal));
  });
  // What judges cost and say is of everybody's conversations.
  app.get('/judges', async (c) => {
    await deps.allow(c.req.raw, true);
    return json(await rows.judges(c.req.raw.signal));
  });
  app.get('/versions', async (c) => {
    const { keyId } = await deps.allow(c.req.raw, false);
    return json(await rows.versions(c.req.query(), keyId, c.req.raw.signal));
  });
  app.post('/versions/:version/promote', async (c) => {
    return c.json(decisionView(await deps.promote(versionOf(c.req.param('version')))));
  });
  app.post('/rollback', async (c) => {
    return c.json(versionView(await deps.rollback()));
  });
  app.post('/restart', async (c) => {
    const { version } = parsed(Restart, await bodyOf(c), '{"version"?: N}');
    return c.json(versionView(await deps.restart(version)));
  });
  app.get('/cycles', async (c) => {
    const { keyId } = await deps.allow(c.req.raw, false);
    return json(await rows.cycles(c.req.query(), keyId, c.req.raw.signal));
  });
  app.get('/cycles/:id', async (c) => {
    const id = c.req.param('id');
    const { keyId } = await deps.allow(c.req.raw, false);
    const cycle = await rows.cycle(id, keyId, c.req.raw.signal);
    if (cycle === undefined)
      throw missing('cycle', `There is no cycle ${quoted(id)}; GET /gyre/v1/cycles lists them.`, 'id');
    return json(cycle);
  });
  app.get('/evaluations', async (c) => {
    await deps.allow(c.req.raw, true);
    return json(await rows.evaluations(c.req.query(), c.req.raw.signal));
  });
  app.post('/cycles', async (c) => {
    const options = parsed(StartCycle, await bodyOf(c), '{"gate"?: true | false}');
    return c.json(cycleView(await deps.start(options)), 202);
  });
  return app;
}

function parsed<T>(schema: z.ZodType<T>, body: unknown, form: string): T {
  const { data, error } = schema.safeParse(body);
  if (data !== undefined) return data;
  const [issue] = error?.issues ?? [];
  throw badRequest(`the body must be ${form}: ${issue?.message ?? 'invalid'}`, issue?.path.join('.') ?? '');
}

function json(bytes: JsonBytes): Response {
  return new Response(bytes, { headers: { 'content-type': 'application/json' } });
}

function versionOf(text: string): number {
  if (!isVersionNumber(text)) throw badRequest(`${quoted(text)} is not a version number`, 'version');
  return Number(text);
}
