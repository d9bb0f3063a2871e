/** The only place that makes a response of an error: OpenAI's envelope, its headers, and whether to try again. */
import { asGyreError, GyreError } from '../core/errors.js';

export interface Failure {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** `toolsRan`: a tool may have had an effect, so the same request must not be sent again by an SDK on its own. */
export function failureOf(thrown: unknown, requestId: string, toolsRan = false): Failure {
  const error = asGyreError(thrown);
  return {
    status: error.status,
    headers: {
      'content-type': 'application/json',
      'x-request-id': requestId,
      'x-should-retry': String(isTransient(error.status) && !toolsRan),
      ...(error.retryAfterMs === undefined ? {} : { 'retry-after': String(Math.max(1, Math.ceil(error.retryAfterMs / 1000))), 'retry-after-ms': String(Math.ceil(error.retryAfterMs)) }),
      ...(error.status === 401 ? { 'www-authenticate': 'Bearer' } : {}),
    },
    body: envelope(error),
  };
}

/** The envelope as JSON: a whole body, or the data of a late error in a stream. */
export function envelope(thrown: unknown): string {
  const error = asGyreError(thrown);
  const message = error.code === 'internal_error' && !(thrown instanceof GyreError) ? 'The gateway failed unexpectedly; its log has the reason.' : error.message;
  return JSON.stringify({ error: { message, type: typeOf(error.status), param: error.param ?? null, code: error.code } });
}

export function notFound(method: string, path: string): GyreError {
  return new GyreError({ side: 'client', status: 404, code: 'unknown_url', message: `Unknown request URL: ${method} ${path}. GET /openapi.json lists the routes.` });
}

/** A path that is served, though not by this method. */
export function methodNotAllowed(method: string, path: string, allowed: readonly string[]): GyreError {
  return new GyreError({ side: 'client', status: 405, code: 'method_not_allowed', message: `Not allowed to ${method} on ${path}. It takes ${allowed.join(', ')}.` });
}

function isTransient(status: number): boolean {
  return status === 429 || status >= 500;
}

function typeOf(status: number): string {
  if (status === 401) return 'authentication_error';
  if (status === 403) return 'permission_error';
  if (status === 429) return 'rate_limit_error';
  return status >= 500 ? 'server_error' : 'invalid_request_error';
}
