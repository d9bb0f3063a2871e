/**
 * Which web pages may ask (CORS): the one place that says so, for every route, those that write to node's own response
 * among them. No credentials are allowed: keys are headers that a page must hold itself, never cookies.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';

import { requestIdOf } from './exchange.js';

/** Headers a page may send: what clients' own libraries put into a request. */
const NAMES: readonly string[] = [
  'accept',
  'authorization',
  'baggage',
  'cache-control',
  'content-type',
  'http-referer',
  'idempotency-key',
  'last-event-id',
  'traceparent',
  'tracestate',
  'user-agent',
  'x-api-key',
  'x-app',
  'x-request-id',
  'x-requested-with',
  'x-title',
];
const PREFIXES: readonly string[] = ['anthropic-', 'openai-', 'x-gyre-', 'x-stainless-'];

/** Headers a page may read. Browsers without a word for "every" read those that are named. */
const EXPOSED = [
  'x-request-id',
  'request-id',
  'x-gyre-trajectory',
  'x-gyre-policy-version',
  'x-gyre-tools-left-out',
  'x-gyre-left-out',
  'x-should-retry',
  'retry-after',
  'retry-after-ms',
  ...['limit', 'remaining', 'reset'].flatMap((what) => ['requests', 'tokens'].map((of) => `x-ratelimit-${what}-${of}`)),
  '*',
].join(', ');

const METHODS = 'GET, POST, DELETE, OPTIONS';
/** Seconds; browsers keep an answer for two hours at most. */
const REMEMBERED = '7200';

/** Says of a request what a page may; true where it was a welcome page's preflight, which is answered with that. */
export type Cors = (incoming: IncomingMessage, outgoing: ServerResponse) => boolean;

/** Whether pages of an origin may ask. */
export function originsOf(origins: readonly string[]): (origin: string) => boolean {
  const allowed = new Set(origins.map((origin) => origin.toLowerCase()));
  return (origin) => allowed.has('*') || allowed.has(origin.toLowerCase());
}

/** Undefined where no page may ask: nothing is said then, and nothing costs anything. */
export function corsOf(origins: readonly string[]): Cors | undefined {
  if (origins.length === 0) return undefined;
  const any = origins.includes('*');
  const isWelcome = originsOf(origins);
  return (incoming, outgoing) => {
    const { origin } = incoming.headers;
    // A cache must not give one page's answer to another.
    if (!any) outgoing.setHeader('vary', 'Origin');
    if (origin === undefined) return false;
    const welcome = isWelcome(origin);
    if (welcome) {
      outgoing.setHeader('access-control-allow-origin', any ? '*' : origin);
      outgoing.setHeader('access-control-expose-headers', EXPOSED);
    }
    if (!welcome || incoming.method !== 'OPTIONS') return false;
    if (incoming.headers['access-control-request-method'] === undefined) return false;
    preflight(incoming, outgoing);
    return true;
  };
}

function preflight(incoming: IncomingMessage, outgoing: ServerResponse): void {
  const asked = (incoming.headers['access-control-request-headers'] ?? '')
    .split(',')
    .map((name) => name.trim().toLowerCase())
    .filter((name) => NAMES.includes(name) || PREFIXES.some((prefix) => name.startsWith(prefix)));
  outgoing.appendHeader('vary', 'Access-Control-Request-Headers');
  outgoing.writeHead(204, {
    'access-control-allow-methods': METHODS,
    ...(asked.length === 0 ? {} : { 'access-control-allow-headers': asked.join(', ') }),
    'access-control-max-age': REMEMBERED,
    // A page from the internet asks whether it may speak to a machine of this network.
    ...(incoming.headers['access-control-request-private-network'] === 'true'
      ? { 'access-control-allow-private-network': 'true' }
      : {}),
    'x-request-id': requestIdOf(incoming.headers['x-request-id']),
  });
  outgoing.end();
}
