/**
 * The learning clock's own routes under `/gyre/v1`: status, versions, cycles. They read rows; only starting a cycle
 * starts work.
 */
import type { IncomingMessage } from 'node:http';

import { Hono } from 'hono';

import type { Config } from '../core/config.js';
import { badRequest, missing, quoted } from '../core/errors.js';
import { type Cycle, StartCycle } from '../core/learning/cycle.js';
import type { Decision, Version } from '../core/learning/version.js';
import { cycleView, decisionView, type ListedVersion, listedVersion, versionView } from '../core/learning/views.js';
import { type Listing, listingOf, type Page, pageOf } from '../core/paging.js';
import type { Scope } from '../core/reading.js';
import type { Db } from '../store/file/db.js';
import { cycleById, cyclesOf } from '../store/learning/cycles.js';
import { decisionsAbout, headVersion, servingVersion } from '../store/learning/decisions.js';
import { hasVersion, versionsOf } from '../store/learning/versions.js';
import { weightsRemoved } from '../store/learning/weights.js';
import { cycleSeenBy, learningStatus } from './status.js';

export interface LearningRoutes {
  readonly db: Db;
  readonly config: Config;
  readonly trainer: () => boolean;
  /** Starts a cycle and resolves with its row as soon as it exists. Throws 409 when one is running. */
  start(options: StartCycle): Promise<Cycle>;
  promote(version: number): Promise<Decision>;
  rollback(): Promise<Version>;
  /**
   * Whose rows may be shown. Throws 401 when nobody who may ask anything sent this request, and for an `admin` route
   * 403 when they may not steer.
   */
  allow(request: Request, admin: boolean): Scope;
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
  app.get('/status', (c) => {
    const part = { trainer: deps.trainer(), learn: deps.config.learn };
    return c.json(learningStatus(db, deps.config, part, deps.allow(c.req.raw, false).keyId));
  });
  app.get('/versions', (c) => {
    const page = pageOf(c.req.query(), (id) => isNumber(id) && hasVersion(db, Number(id)));
    return c.json(versionList(db, page, deps.allow(c.req.raw, false).keyId));
  });
  app.post('/versions/:version/promote', async (c) => {
    return c.json(decisionView(await deps.promote(versionOf(c.req.param('version')))));
  });
  app.post('/rollback', async (c) => {
    return c.json(versionView(await deps.rollback()));
  });
  app.get('/cycles', (c) => {
    const { keyId } = deps.allow(c.req.raw, false);
    const page = pageOf(c.req.query(), (id) => cycleById(db, id, keyId) !== undefined);
    return c.json(
      listingOf(cyclesOf(db, page.limit + 1, page.after, keyId), page, (cycle) => cycleSeenBy(db, cycle, keyId)),
    );
  });
  app.get('/cycles/:id', (c) => {
    const id = c.req.param('id');
    const { keyId } = deps.allow(c.req.raw, false);
    const cycle = cycleById(db, id, keyId);
    if (cycle === undefined)
      throw missing('cycle', `There is no cycle ${quoted(id)}; GET /gyre/v1/cycles lists them.`, 'id');
    return c.json(cycleSeenBy(db, cycle, keyId));
  });
  app.post('/cycles', async (c) => {
    const parsed = StartCycle.safeParse(await deps.body((c.env as { readonly incoming: IncomingMessage }).incoming));
    if (!parsed.success)
      throw badRequest(
        `the body must be {"gate"?: true | false}: ${parsed.error.issues[0]?.message ?? 'invalid'}`,
        parsed.error.issues[0]?.path.join('.') ?? '',
      );
    return c.json(cycleView(await deps.start(parsed.data)), 202);
  });
  return app;
}

/**
 * Each with the decisions made about it. The id of a version is its number. A key sees the versions that learned from
 * what it asked, without the numbers of what all asked.
 */
export function versionList(db: Db, page: Page, keyId: string | undefined): Listing<ListedVersion> {
  const rows = versionsOf(db, page.limit + 1, page.after === undefined ? undefined : Number(page.after), keyId);
  const [serving, head] = [servingVersion(db), headVersion(db)];
  const removed = weightsRemoved(db);
  const removedAt = ({ version }: Version): number | undefined => removed.get(version)?.createdAt;
  if (keyId !== undefined)
    return listingOf(rows, page, (row) => listedVersion({ ...row, metrics: {} }, serving, head, [], removedAt(row)));
  const decisions = decisionsAbout(
    db,
    rows.map((row) => row.version),
  );
  return listingOf(rows, page, (row) =>
    listedVersion(
      row,
      serving,
      head,
      decisions.filter((decision) => decision.version === row.version),
      removedAt(row),
    ),
  );
}

/** Digits as numbers are written: one version has one id. */
function isNumber(text: string): boolean {
  return /^(0|[1-9]\d{0,14})$/.test(text);
}

function versionOf(text: string): number {
  if (!isNumber(text)) throw badRequest(`${quoted(text)} is not a version number`, 'version');
  return Number(text);
}
