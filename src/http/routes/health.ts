/**
 * Whether the process lives (`/health`), whether it can answer (`/ready`), and its numbers (`/metrics`). Who watches a
 * process has no key, so the first two need none: they say numbers and the names of parts. Addresses, reasons and
 * metrics are an admin's once there are keys.
 */
import { Hono } from 'hono';

import type { Keys } from '../../core/key.js';
import type { LogState, StepLog } from '../../core/log.js';
import type { Serving } from '../../core/serving.js';
import { isAdmin, requireAdmin } from '../callers/auth.js';
import type { Metrics } from '../numbers/metrics.js';

/** One part of the installation, e.g. `engine`. */
export interface Part {
  readonly part: string;
  readonly ready: boolean;
  /** False for a part without which requests are answered all the same, e.g. the trainer. */
  readonly needed?: boolean | undefined;
  /** What it is doing, for a person who waits. */
  readonly detail?: string | undefined;
}

export interface HealthDeps {
  /** The gateway's own version. */
  readonly version: string;
  readonly serving: Serving;
  readonly log: Pick<StepLog, 'failures' | 'state'>;
  readonly metrics: Metrics;
  readonly keys: Keys;
  readonly inFlight: () => number;
  readonly parts: () => readonly Part[];
}

/** What waits to be committed, and since when and why where it has to; `wal_bytes` is the write-ahead log's size. */
function logView({ wait, uncommitted, wal }: LogState, told: boolean): Readonly<Record<string, unknown>> {
  return {
    state: wait === undefined ? 'ok' : 'waiting',
    uncommitted,
    waiting_since: wait === undefined ? null : new Date(wait.since).toISOString(),
    reason: (told ? wait?.reason : undefined) ?? null,
    wal_bytes: wal.bytes,
  };
}

export function healthRoutes(deps: HealthDeps): Hono {
  const app = new Hono();
  const startedAt = Date.now();
  app.get('/health', async (c) => {
    const { state } = deps.log;
    // Asked only where there is a reason to tell: nothing else may hold this answer up.
    const told = state.wait !== undefined && (await isAdmin(deps.keys, c.req.raw));
    return c.json({
      status: 'ok',
      version: deps.version,
      policy_version: deps.serving.version,
      uptime_seconds: Math.round((Date.now() - startedAt) / 1000),
      in_flight: deps.inFlight(),
      log_failures: deps.log.failures,
      log: logView(state, told),
    });
  });
  app.get('/ready', async (c) => {
    const told = await isAdmin(deps.keys, c.req.raw);
    const parts = deps.parts().map((part) => (told ? part : { ...part, detail: undefined }));
    const waitingFor = parts
      .filter((part) => !part.ready)
      .map((part) => (part.detail === undefined ? part.part : `${part.part}: ${part.detail}`));
    const ready = parts.every((part) => part.ready || part.needed === false);
    return c.json({ ready, waiting_for: waitingFor, parts }, ready ? 200 : 503);
  });
  app.get('/metrics', async (c) => {
    await requireAdmin(deps.keys, c.req.raw);
    return c.text(await deps.metrics.text(), 200, { 'content-type': deps.metrics.contentType });
  });
  return app;
}
