/** Whether the process lives (`/health`), whether it can answer (`/ready`), and its numbers (`/metrics`). None of them needs a key. */
import { Hono } from 'hono';

import type { StepLog } from '../core/log.js';
import type { Serving } from '../core/serving.js';
import type { Metrics } from './metrics.js';

/** One part the gateway needs, e.g. `engine`. */
export interface Part {
  readonly part: string;
  readonly ready: boolean;
  /** What it is doing, for a person who waits. */
  readonly detail?: string;
}

export interface HealthDeps {
  /** The gateway's own version. */
  readonly version: string;
  readonly serving: Serving;
  readonly log: Pick<StepLog, 'failures'>;
  readonly metrics: Metrics;
  readonly inFlight: () => number;
  readonly parts: () => readonly Part[];
}

export function healthRoutes(deps: HealthDeps): Hono {
  const app = new Hono();
  const startedAt = Date.now();
  app.get('/health', (c) =>
    c.json({
      status: 'ok',
      version: deps.version,
      policy_version: deps.serving.version,
      uptime_seconds: Math.round((Date.now() - startedAt) / 1000),
      in_flight: deps.inFlight(),
      log_failures: deps.log.failures,
    }),
  );
  app.get('/ready', (c) => {
    const parts = deps.parts();
    const waitingFor = parts.filter((part) => !part.ready).map((part) => (part.detail === undefined ? part.part : `${part.part}: ${part.detail}`));
    return c.json({ ready: waitingFor.length === 0, waiting_for: waitingFor, parts }, waitingFor.length === 0 ? 200 : 503);
  });
  app.get('/metrics', async (c) => c.text(await deps.metrics.text(), 200, { 'content-type': deps.metrics.registry.contentType }));
  return app;
}
