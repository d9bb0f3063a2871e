/**
 * The HTTP side put together: `createApp` builds it from what it is given; it opens nothing and reads no environment.
 */
import { randomBytes } from 'node:crypto';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';

import { getRequestListener, RequestError } from '@hono/node-server';
import { Hono } from 'hono';
import { matchedRoutes, routePath } from 'hono/route';
import { METHOD_NAME_ALL } from 'hono/router';

import type { Config } from './core/config.js';
import { badRequest, discreetly, GyreError, isBug } from './core/errors.js';
import type { Keys } from './core/key.js';
import { logWaits, type StepLog } from './core/log.js';
import type { Observer } from './core/observe.js';
import type { Reading } from './core/reading.js';
import type { Serving } from './core/serving.js';
import type { Toolbox } from './core/tool.js';
import { admitPlain, Allowances } from './http/callers/allowance.js';
import { callerOf, isAdmin } from './http/callers/auth.js';
import { healthRoutes, type Part } from './http/routes/health.js';
import { labelRoutes } from './http/routes/labels.js';
import { modelRoutes } from './http/routes/models.js';
import { type LearningNumbers, Metrics } from './http/numbers/metrics.js';
import { documented, openApiRoutes } from './http/openapi/openapi.js';
import type { AnswerDeps } from './http/protocol/deps.js';
import type { AnswerSettings } from './http/protocol/face.js';
import { Seal } from './http/protocol/seal.js';
import { errorsAt, type Protocol, PROTOCOLS } from './http/protocols.js';
import { feedbackRoutes, trajectoryRoutes } from './http/routes/reading.js';
import type { Route } from './http/routes/meant.js';
import { isPassable } from './http/routes/passing.js';
import { relay, RELAYED } from './http/routes/relay.js';
import { responseRoutes } from './http/responses/stored.js';
import { type Answering, RESPONSES_SOCKET, responsesSocket } from './http/responses_socket.js';
import { unknownAt } from './http/unknown.js';
import { answersHeld } from './http/wire/answers.js';
import { Bodies } from './http/wire/bodies.js';
import { corsOf } from './http/wire/cors.js';
import { doorOf } from './http/wire/door.js';
import { type AnyExchange, Exchange, type NodeBindings, requestIdOf } from './http/wire/exchange.js';
import { type ErrorShape, failureOf, OPENAI } from './http/wire/failure.js';
import { inTurn } from './http/wire/in_turn.js';
import { Room } from './http/wire/room.js';
import { Sockets } from './http/wire/sockets.js';
import { pathOf, settleTarget } from './http/wire/target.js';
import { limitsOf } from './loop/budget.js';
import { Clocks } from './loop/clock.js';
import { isPassing, passingReason } from './store/file/passing.js';

export interface AppDeps {
  /** The gateway's own version, for `/health`. */
  readonly version: string;
  readonly config: Config;
  readonly serving: Serving;
  readonly log: StepLog;
  readonly tools: Toolbox;
  readonly keys: Keys;
  readonly reading: Reading;
  /** What must be up before requests can be answered. */
  readonly parts: () => readonly Part[];
  /** Further routes under `/gyre/v1`, e.g. the learner's. They authenticate for themselves. */
  readonly extra?: ((bodies: Bodies) => readonly Hono[]) | undefined;
  /** Hears of every fault that is a bug of ours. */
  readonly bug?: ((thrown: unknown, requestId: string) => void) | undefined;
  /** Watches the requests to the policy. */
  readonly observer?: Observer | undefined;
  /** The learning clock in numbers, for `/metrics`. */
  readonly learning?: (() => LearningNumbers) | undefined;
  /** Milliseconds that only grow, by which keys' limits are counted. */
  readonly now?: (() => number) | undefined;
  /** Signs the reasoning in answers. Without it there is a new one, and what was signed before is no longer known. */
  readonly secret?: Uint8Array | undefined;
  /** Bounds that are no matter of configuration. */
  readonly pace?:
    | Partial<
        Pick<AnswerSettings, 'keepaliveMs' | 'slowReaderMs'> & { socketMs: number; bodyMs: number; roomMs: number }
      >
    | undefined;
}

export interface App {
  /**
   * Answers a request. What the policy answers goes straight to node's response: an answer through the fetch adapter
   * would cost more than all the rest of the gateway. Every other route is an ordinary Hono route.
   */
  readonly listener: RequestListener;
  /** The connections that stop speaking HTTP. */
  readonly sockets: Sockets;
  readonly metrics: Metrics;
  /** Requests to the policy that are being answered. */
  inFlight(): number;
  /** Resolves when none is left: everything they had for the log is handed over. */
  idle(): Promise<void>;
  /** Every route, its path as /openapi.json writes it. */
  routes(): readonly Route[];
}

/** What answers at a path by writing to node's own response. */
type Direct = Pick<Protocol, 'path' | 'errors' | 'answer'>;

const DIRECT: readonly Direct[] = [
  ...PROTOCOLS,
  ...RELAYED.map((path): Direct => ({
    path,
    errors: OPENAI,
    answer: (deps, exchange) => relay({ path }, deps, exchange),
  })),
];
const DIRECT_AT: ReadonlyMap<string, Direct> = new Map(DIRECT.map((each) => [each.path, each]));

/** What requests are counted under whose path is none of ours: clients may make up any number of them. */
const PASSED = '(passed on)';

/** The status a request is counted under whose client left before its first byte, as nginx does. */
const CLIENT_LEFT = 499;

/** Paths that take a key. */
const KEYED = /^\/(?:v1\/|gyre\/v1\/|metrics$)/;
/** Paths whose answers are read from the log. */
const READS_BACK = /^\/(?:v1\/(?:feedback|responses\/)|gyre\/v1\/)/;

/** What requests are counted under that were sent away at the door, whatever they asked for. */
const REFUSED = '/*';

export function createApp(deps: AppDeps): App {
  let running = 0;
  const waiting: (() => void)[] = [];
  const { config, serving, log, keys, reading, observer, pace } = deps;
  const room = new Room({
    requests: config['limits.concurrency'],
    bytes: config['limits.bytes_in_flight'],
    body: config['limits.body_bytes'],
    waitMs: pace?.roomMs ?? 10_000,
  });
  const bodies = new Bodies(room, { bytes: config['limits.body_bytes'], silenceMs: pace?.bodyMs ?? 10_000 });
  const metrics = new Metrics({
    logFailures: () => log.failures,
    log: () => log.state,
    servingVersion: () => serving.version,
    inFlight: () => room.requests,
    limit: config['limits.concurrency'],
    learning: deps.learning,
  });
  const cors = corsOf(config.cors);
  const door = doorOf({ ...config, keyed: () => keys.required(), forms: new Set(RELAYED) });
  const settings = answerSettings(config, deps);
  const told = new WeakSet<object>();
  const bug = (thrown: unknown, requestId: string): void => {
    // One fault is met again where its answer ends, and where that is sent.
    const met = causeOf(thrown);
    if (typeof met === 'object' && met !== null) {
      if (told.has(met)) return;
      told.add(met);
    }
    metrics.bug();
    deps.bug?.(met, requestId);
  };
  const allowances = new Allowances({ spent: (keyId) => keys.spent(keyId), now: deps.now });
  const clocks = new Clocks(settings.limits.milliseconds, config['limits.concurrency']);
  const answerDeps: AnswerDeps = {
    serving,
    log,
    tools: deps.tools,
    keys,
    allowances,
    metrics,
    settings,
    past: reading,
    bodies,
    bug,
  };

  const hono = new Hono<{ Bindings: NodeBindings }>();
  // What stands for every method is no route of its own.
  const routes = (): readonly Route[] => [
    ...DIRECT.map(({ path }) => ({ method: 'POST', path })),
    ...hono.routes.filter(({ method }) => method !== METHOD_NAME_ALL).map(documented),
  ];
  hono.use(async (c, next) => {
    await next();
    c.header('x-request-id', requestIdOf(c.req.header('x-request-id')));
    metrics.request(routePath(c, -1).replace('{[^]+}', ''), c.res.status);
  });
  // A path of its own is no parameter of another route.
  for (const { path } of DIRECT)
    hono.all(path, (c, next) => {
      const method = c.req.method === 'HEAD' ? 'GET' : c.req.method;
      return routes().some((route) => route.path === path && route.method === method) ? next() : c.notFound();
    });
  // Who asks is known, and may ask, before anything is done about it. A route that is none says so to everyone.
  hono.use(async (c, next) => {
    const { path } = c.req;
    const isRoute = matchedRoutes(c).some(({ method }) => method !== METHOD_NAME_ALL);
    if (!isRoute || !KEYED.test(path)) return next();
    const admission = admitPlain({ allowances }, await callerOf(keys, c.req.raw));
    try {
      // Whoever reads the log back reads everything that was answered: it is committed first.
      if (READS_BACK.test(path)) await log.flush();
      await next();
      // The log's thread has it in memory until it looks.
      if (c.req.method === 'DELETE') await log.flush().catch(() => undefined);
    } finally {
      admission?.leave();
    }
    for (const [name, value] of Object.entries(admission?.headers ?? {})) c.header(name, value);
  });
  hono.use(
    answersHeld(
      { bytes: config['limits.bytes_in_flight'] / 2, waitMs: pace?.roomMs ?? 10_000 },
      (method, path) => method === 'GET' && READS_BACK.test(path),
    ),
  );
  hono.route(
    '/',
    healthRoutes({
      version: deps.version,
      serving,
      log,
      metrics,
      keys,
      inFlight: () => room.requests,
      parts: deps.parts,
    }),
  );
  hono.route('/', openApiRoutes(deps.version, routes));
  hono.route('/v1', modelRoutes(serving, keys));
  hono.route('/v1', responseRoutes(reading, keys, settings.slowReaderMs));
  hono.route('/v1', feedbackRoutes(reading, keys, bodies));
  hono.route('/gyre/v1', trajectoryRoutes(reading, keys));
  hono.route('/gyre/v1', labelRoutes(reading.labels, keys, bodies));
  for (const routes of deps.extra?.(bodies) ?? []) hono.route('/gyre/v1', routes);
  hono.notFound((c) => {
    const unknown = unknownAt(c.req.method, c.req.path, c.req.header('host'), routes());
    return failed(unknown.error(), c.req.header('x-request-id'), unknown.shape, unknown.headers);
  });
  hono.onError(async (fault, c) => {
    const thrown = passing(fault, config.data);
    const requestId = requestIdOf(c.req.header('x-request-id'));
    if (isBug(thrown)) bug(thrown, requestId);
    const said = discreetly(thrown);
    // Asked only where there is a difference: keys may be what cannot be looked up.
    const trusted = said !== thrown && (await isAdmin(keys, c.req.raw).catch(() => false));
    return failed(trusted ? thrown : said, requestId, OPENAI);
  });

  // Left to itself the adapter ends a socket half a second after an early answer; node's own way lets the client read a
  // 413.
  const rest = getRequestListener(hono.fetch, {
    autoCleanupIncoming: false,
    // Programs of HTTP/1.0 name no host.
    hostname: 'localhost',
    errorHandler: (thrown) =>
      failed(
        thrown instanceof RequestError
          ? badRequest('The address of the request cannot be read.', undefined, 'invalid_url')
          : thrown,
        undefined,
        OPENAI,
      ),
  });
  const hasUpstreams = serving.models().some(({ source }) => source.kind === 'upstream');
  /** Where a path that is none of ours may be an upstream's. */
  const passedOn = (path: string, { headers: { host } }: IncomingMessage): Direct | undefined => {
    if (!hasUpstreams || !isPassable(path, routes())) return undefined;
    const { error: unknown, shape } = unknownAt('POST', path, host, routes());
    return {
      path: PASSED,
      errors: shape,
      answer: (deps, exchange) => relay({ path, unknown }, deps, exchange),
    };
  };
  const answer = async <E extends AnyExchange>(
    { path, answer: answerWith }: Answering<E>,
    exchange: E,
  ): Promise<void> => {
    if (observer !== undefined) exchange.watch = observer.arrived(exchange, path);
    running += 1;
    await answerWith(answerDeps, exchange);
    running -= 1;
    if (running === 0) for (const done of waiting.splice(0)) done();
    metrics.request(path, exchange.status ?? CLIENT_LEFT);
    metrics.took(path, exchange.elapsed() / 1000);
    exchange.done();
  };
  const closed = (exchange: AnyExchange): void => {
    metrics.delivered(exchange.delivered);
    exchange.watch?.closed(exchange.status, exchange.delivered);
  };
  const socket = responsesSocket(answerDeps, { clocks, closed, bug, answer });
  const sockets = new Sockets(
    new Map([[RESPONSES_SOCKET, socket]]),
    { ...settings, socketMs: pace?.socketMs ?? 3_600_000 },
    bodies,
    (incoming) => {
      door.name(incoming);
      door.page(incoming);
    },
  );
  return {
    metrics,
    sockets,
    inFlight: () => room.requests,
    idle: () => (running === 0 ? Promise.resolve() : new Promise((resolve) => waiting.push(resolve))),
    routes,
    listener: inTurn((incoming, outgoing) => {
      try {
        settleTarget(incoming);
        door.name(incoming);
        if (cors?.(incoming, outgoing) === true) return;
        door.page(incoming);
      } catch (thrown) {
        if (isBug(thrown)) bug(thrown, requestIdOf(incoming.headers['x-request-id']));
        return metrics.request(REFUSED, turnAway(thrown, incoming, outgoing));
      }
      const path = pathOf(incoming);
      const direct = incoming.method === 'POST' ? (DIRECT_AT.get(path) ?? passedOn(path, incoming)) : undefined;
      if (direct === undefined) return void rest(incoming, outgoing);
      const exchange = new Exchange({ incoming, outgoing }, clocks, direct.errors, { closed, bug });
      void answer(direct, exchange);
    }, settings.slowReaderMs),
  };
}

function answerSettings(config: Config, { pace, secret }: Pick<AppDeps, 'pace' | 'secret'>): AnswerSettings {
  return {
    limits: limitsOf(config),
    defaultTools: config['tools.default'],
    logRequired: config.log === 'required',
    keepaliveMs: pace?.keepaliveMs ?? 15_000,
    slowReaderMs: pace?.slowReaderMs ?? 30_000,
    reasoningFields:
      config['chat.reasoning'] === 'both' ? ['reasoning', 'reasoning_content'] : [config['chat.reasoning']],
    seal: new Seal(secret ?? randomBytes(32)),
  };
}

/** A database that is locked, or a disk that is full, for a moment: the same request may do later. */
function passing(thrown: unknown, folder: string): unknown {
  if (thrown instanceof GyreError || !isPassing(thrown)) return thrown;
  return logWaits({ since: Date.now(), reason: passingReason(thrown, folder) }, 'The database cannot be written');
}

/** What went wrong, where the error of ours was only made of it. */
function causeOf(thrown: unknown): unknown {
  return thrown instanceof GyreError && thrown.cause !== undefined ? thrown.cause : thrown;
}

/** Answers in the shape of the route that was asked for. Returns the status. */
function turnAway(thrown: unknown, incoming: IncomingMessage, outgoing: ServerResponse): number {
  const requestId = requestIdOf(incoming.headers['x-request-id']);
  const { status, headers, body } = failureOf(thrown, requestId, false, errorsAt(pathOf(incoming)));
  outgoing.writeHead(status, { ...headers, 'content-length': Buffer.byteLength(body) }).end(body);
  return status;
}

function failed(
  thrown: unknown,
  requestId: string | undefined,
  errors: ErrorShape,
  headers: Readonly<Record<string, string>> = {},
): Response {
  const failure = failureOf(thrown, requestIdOf(requestId), false, errors);
  return new Response(failure.body, { status: failure.status, headers: { ...failure.headers, ...headers } });
}
