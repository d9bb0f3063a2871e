/** The HTTP side put together: `createApp` builds it from what it is given; it opens nothing and reads no environment. */
import type { IncomingMessage, ServerResponse } from 'node:http';

import { getRequestListener } from '@hono/node-server';
import { Hono } from 'hono';
import { routePath } from 'hono/route';
import { METHOD_NAME_ALL } from 'hono/router';

import type { Config } from './core/config.js';
import { GyreError } from './core/errors.js';
import type { StepLog } from './core/log.js';
import type { Policy } from './core/policy.js';
import type { Serving } from './core/serving.js';
import type { Toolbox } from './core/tool.js';
import type { Keys } from './http/auth.js';
import { BODY_BYTES } from './http/body.js';
import { answerBy, CHAT, type ChatSettings, type Face } from './http/chat.js';
import { Exchange, requestIdOf, type NodeBindings } from './http/exchange.js';
import { failureOf, methodNotAllowed, notFound } from './http/failure.js';
import { healthRoutes, type Part } from './http/health.js';
import { Metrics } from './http/metrics.js';
import { modelRoutes } from './http/models.js';
import { documented, openApiRoutes, type Route } from './http/openapi.js';
import { RESPONSES } from './http/responses.js';
import { limitsOf } from './loop/budget.js';
import { Clocks } from './loop/clock.js';
import { feedbackRoutes, trajectoryRoutes, type Reading } from './http/reading.js';

export interface AppDeps {
  /** The gateway's own version, for `/health`. */
  readonly version: string;
  readonly config: Config;
  readonly policy: Policy;
  readonly serving: Serving;
  readonly log: StepLog;
  readonly tools: Toolbox;
  readonly keys: Keys;
  readonly reading: Reading;
  /** What must be up before requests can be answered. */
  readonly parts: () => readonly Part[];
  /** Further routes under `/gyre/v1`, e.g. the learner's. They authenticate for themselves. */
  readonly extra?: readonly Hono[];
  /** Bounds that are no matter of configuration. */
  readonly pace?: Partial<Pick<ChatSettings, 'keepaliveMs' | 'slowReaderMs' | 'bodyBytes'>>;
}

export interface App {
  /**
   * Answers a request. What the policy answers goes straight to node's response: an answer through the fetch adapter would
   * cost more than all the rest of the gateway. Every other route is an ordinary Hono route.
   */
  listener(incoming: IncomingMessage, outgoing: ServerResponse): void;
  readonly metrics: Metrics;
  /** Chat requests being answered. */
  inFlight(): number;
  /** Every route, its path as /openapi.json writes it. */
  routes(): readonly Route[];
}

/** Answers of the policy, by the path they are asked at. */
export const FACES: Readonly<Record<string, Face>> = { '/v1/chat/completions': CHAT, '/v1/responses': RESPONSES };

export function createApp(deps: AppDeps): App {
  let inFlight = 0;
  const { config, serving, log, keys, reading } = deps;
  const metrics = new Metrics({ logFailures: () => log.failures, servingVersion: () => serving.version, inFlight: () => inFlight });
  const settings = chatSettings(config, deps.pace);
  const clocks = new Clocks(settings.limits.milliseconds, config['limits.concurrency']);
  const chat = { policy: deps.policy, serving, log, tools: deps.tools, keys, metrics, settings, past: reading.conversation };

  const hono = new Hono<{ Bindings: NodeBindings }>();
  // What stands for every method is no route of its own.
  const routes = (): readonly Route[] => [
    ...Object.keys(FACES).map((path) => ({ method: 'POST', path })),
    ...hono.routes.filter(({ method }) => method !== METHOD_NAME_ALL).map(({ method, path }) => ({ method, path: documented(path) })),
  ];
  hono.use(async (c, next) => {
    await next();
    c.header('x-request-id', requestIdOf(c.req.header('x-request-id')));
    metrics.request(routePath(c, -1).replace('{.+}', ''), c.res.status);
  });
  hono.route('/', healthRoutes({ version: deps.version, serving, log, metrics, inFlight: () => inFlight, parts: deps.parts }));
  hono.route('/', openApiRoutes(deps.version, routes));
  hono.route('/v1', modelRoutes(serving, keys));
  hono.route('/v1', feedbackRoutes(reading, keys, settings.bodyBytes));
  hono.route('/gyre/v1', trajectoryRoutes(reading, keys));
  for (const routes of deps.extra ?? []) hono.route('/gyre/v1', routes);
  hono.notFound((c) => {
    const { method, path } = c.req;
    const allowed = routes().filter((route) => isAt(path, route.path)).map((route) => route.method);
    if (allowed.length === 0) return failed(notFound(method, path), c.req.header('x-request-id'));
    return failed(methodNotAllowed(method, path, allowed), c.req.header('x-request-id'), { allow: allowed.join(', ') });
  });
  hono.onError((thrown, c) => failed(thrown, c.req.header('x-request-id')));

  // Left to itself the adapter ends a socket half a second after an early answer; node's own way lets the client read a 413.
  const rest = getRequestListener(hono.fetch, { autoCleanupIncoming: false });
  const answer = async (path: string, face: Face, exchange: Exchange): Promise<void> => {
    if (inFlight >= config['limits.concurrency']) exchange.fail(overloaded(inFlight), {}, false);
    else {
      inFlight += 1;
      await answerBy(face, chat, exchange);
      inFlight -= 1;
    }
    metrics.request(path, exchange.outgoing.statusCode);
  };
  return {
    metrics,
    inFlight: () => inFlight,
    routes,
    listener(incoming, outgoing) {
      const path = incoming.url?.split('?', 1)[0] ?? '';
      const face = incoming.method === 'POST' && Object.hasOwn(FACES, path) ? FACES[path] : undefined;
      if (face === undefined) void rest(incoming, outgoing);
      else void answer(path, face, new Exchange({ incoming, outgoing }, clocks));
    },
  };
}

function chatSettings(config: Config, pace: AppDeps['pace']): ChatSettings {
  return {
    limits: limitsOf(config),
    bodyBytes: pace?.bodyBytes ?? BODY_BYTES,
    defaultTools: config['tools.default'],
    keepaliveMs: pace?.keepaliveMs ?? 15_000,
    slowReaderMs: pace?.slowReaderMs ?? 30_000,
  };
}

function overloaded(inFlight: number): GyreError {
  return new GyreError({
    side: 'gateway', status: 429, code: 'rate_limit_exceeded', retryAfterMs: 1000,
    message: `The gateway is answering ${inFlight} requests, as many as "limits.concurrency" allows. Try again in a second.`,
  });
}

function failed(thrown: unknown, requestId: string | undefined, headers: Readonly<Record<string, string>> = {}): Response {
  const failure = failureOf(thrown, requestIdOf(requestId));
  return new Response(failure.body, { status: failure.status, headers: { ...failure.headers, ...headers } });
}

/** Whether a path is one of the route's. */
function isAt(path: string, route: string): boolean {
  const [parts, wanted] = [path.split('/'), route.split('/')];
  return parts.length === wanted.length && wanted.every((part, at) => part.startsWith('{') || part === parts[at]);
}
