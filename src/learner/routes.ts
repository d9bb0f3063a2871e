/**
 * The learning clock's own routes under `/gyre/v1`: status, versions, cycles. They read rows; only starting a cycle
 * starts work.
 */
import type { IncomingMessage } from 'node:http';

import { Hono } from 'hono';

import type { Config } from '../core/config.js';
import { type Cycle, StartCycle } from '../core/learning/cycle.js';
import { badRequest, GyreError } from '../core/errors.js';
import { adapterName, type Decision, type Version } from '../core/learning/version.js';
import { cycleById, cyclesOf } from '../store/learning/cycles.js';
import type { Db } from '../store/file/db.js';
import { allVersions } from '../store/learning/versions.js';
import { decisionsOf, headVersion, servingVersion } from '../store/learning/decisions.js';
import { learningStatus } from './status.js';

export interface LearningRoutes {
  readonly db: Db;
  readonly config: Config;
  readonly trainer: () => boolean;
  /** Starts a cycle and resolves with its row as soon as it exists. Throws 409 when one is running. */
  start(options: StartCycle): Promise<Cycle>;
  promote(version: number): Promise<Decision>;
  rollback(): Promise<Version>;
  /**
   * Throws 401 when nobody who may ask anything sent this request, and for an `admin` route 403 when they may not
   * steer.
   */
  allow(request: Request, admin: boolean): void;
  /** A body as JSON within the gateway's limits; an empty one is `{}`. Throws 400, 413, 415. */
  body(incoming: IncomingMessage): Promise<unknown>;
}

export function learningRoutes(deps: LearningRoutes): Hono {
  const { db } = deps;
  const app = new Hono();
  for (const path of ['/status', '/versions/*', '/rollback', '/cycles/*']) {
    app.use(path, async (c, next) => {
      deps.allow(c.req.raw, c.req.method !== 'GET');
      await next();
    });
  }
  app.get('/status', (c) =>
    c.json(learningStatus(db, deps.config, { trainer: deps.trainer(), learn: deps.config.learn })),
  );
  app.get('/versions', (c) =>
    c.json(page(versionRows(db), c.req.query('limit'), c.req.query('after'), (row) => String(row.version))),
  );
  app.post('/versions/:version/promote', async (c) => {
    return c.json(await deps.promote(versionOf(c.req.param('version'))));
  });
  app.post('/rollback', async (c) => {
    return c.json(await deps.rollback());
  });
  app.get('/cycles', (c) =>
    c.json(page(cyclesOf(db, 1_000), c.req.query('limit'), c.req.query('after'), (cycle) => cycle.id)),
  );
  app.get('/cycles/:id', (c) => {
    const cycle = cycleById(db, c.req.param('id'));
    if (cycle === undefined)
      throw new GyreError({
        side: 'client',
        status: 404,
        code: 'cycle_not_found',
        message: `there is no cycle "${c.req.param('id')}"; GET /gyre/v1/cycles lists them`,
        param: 'id',
      });
    return c.json(cycle);
  });
  app.post('/cycles', async (c) => {
    const parsed = StartCycle.safeParse(await deps.body((c.env as { readonly incoming: IncomingMessage }).incoming));
    if (!parsed.success)
      throw badRequest(
        `the body must be {"gate"?: true | false}: ${parsed.error.issues[0]?.message ?? 'invalid'}`,
        parsed.error.issues[0]?.path.join('.') ?? '',
      );
    return c.json(await deps.start(parsed.data), 202);
  });
  return app;
}

/** Newest first, each with the decisions made about it. */
function versionRows(db: Db): (Version & { name: string; serving: boolean; head: boolean; decisions: Decision[] })[] {
  const serving = servingVersion(db);
  const head = headVersion(db);
  const decisions = decisionsOf(db, 10_000);
  return allVersions(db)
    .map((version) => ({
      ...version,
      name: adapterName(version.version),
      serving: version.version === serving,
      head: version.version === head,
      decisions: decisions.filter((decision) => decision.version === version.version),
    }))
    .reverse();
}

function page<T>(
  rows: readonly T[],
  limit: string | undefined,
  after: string | undefined,
  idOf: (row: T) => string,
): { data: T[]; has_more: boolean } {
  const size = limit === undefined ? 20 : Number(limit);
  if (!Number.isInteger(size) || size < 1 || size > 200)
    throw badRequest(`limit is "${limit ?? ''}"; it must be a whole number from 1 to 200`, 'limit');
  const from = after === undefined ? 0 : rows.findIndex((row) => idOf(row) === after) + 1;
  if (after !== undefined && from === 0) throw badRequest(`after is "${after}", which is not in this list`, 'after');
  return { data: rows.slice(from, from + size), has_more: rows.length > from + size };
}

function versionOf(text: string): number {
  if (!/^\d+$/.test(text)) throw badRequest(`"${text}" is not a version number`, 'version');
  return Number(text);
}
