/** The only place that makes a response of an error: its protocol's envelope, its headers, and whether to try again. */
import { z } from 'zod';

import { asGyreError, GyreError, isBug, reasonOf } from '../../core/errors.js';

export interface Failure {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** How a protocol tells an error. */
export interface ErrorShape {
  /** The error as JSON: a whole body, or the data of a late error in a stream. */
  envelope(thrown: unknown, requestId: string): string;
  /** Where its clients look for the request's id, beside `x-request-id`. */
  readonly idHeader?: string | undefined;
  /** The envelope as a whole body, by its name in /openapi.json. */
  readonly body: { readonly name: string; readonly schema: z.ZodType };
}

const text = z.string();

const OpenaiError = z.object({ message: text, type: text, param: text.nullable(), code: text });

/** `{"error": {message, type, param, code}}`. */
export const OPENAI: ErrorShape = {
  envelope: (thrown) => JSON.stringify({ error: openaiError(thrown) }),
  body: {
    name: 'Error',
    schema: z.object({ error: OpenaiError }),
  },
};

/** What stands in the envelope: events of the Responses API have it beside fields of their own. */
export function openaiError(thrown: unknown): z.infer<typeof OpenaiError> {
  const error = asGyreError(thrown);
  return { message: messageOf(thrown), type: openaiType(error), param: error.param ?? null, code: error.code };
}

/** As {@link OPENAI}, for the Responses API: what the floors below call `messages` is a request's `input` there. */
export const RESPONSES_ERRORS: ErrorShape = {
  ...OPENAI,
  envelope: (thrown) => JSON.stringify({ error: responsesError(thrown) }),
};

export function responsesError(thrown: unknown): ReturnType<typeof openaiError> {
  const { param, ...error } = openaiError(thrown);
  return { ...error, param: param === 'messages' && !OF_FIELDS.has(error.code) ? 'input' : param };
}

/** A request that has a field of that name is told so by it. */
const OF_FIELDS = new Set(['unknown_parameter', 'unsupported_parameter']);

/**
 * `{"type": "error", "error": {type, message, details}, request_id}`; its SDK reads our code as `details.error_code`.
 */
export const ANTHROPIC: ErrorShape = {
  envelope(thrown, requestId) {
    const { status, param, code } = asGyreError(thrown);
    return JSON.stringify({
      type: 'error',
      error: {
        type: anthropicType(status),
        message: tooLongOf(thrown) ?? messageOf(thrown),
        details: { error_code: code, param: param ?? null },
      },
      request_id: requestId,
    });
  },
  idHeader: 'request-id',
  body: {
    name: 'MessagesError',
    schema: z.object({
      type: z.literal('error'),
      error: z.object({ type: text, message: text, details: z.object({ error_code: text, param: text.nullable() }) }),
      request_id: text,
    }),
  },
};

/** `toolsRan`: a tool may have had an effect, so the same request must not be sent again by an SDK on its own. */
export function failureOf(thrown: unknown, requestId: string, toolsRan = false, shape: ErrorShape = OPENAI): Failure {
  const error = asGyreError(thrown);
  return {
    status: error.status,
    headers: {
      'content-type': 'application/json',
      'x-request-id': requestId,
      ...(shape.idHeader === undefined ? {} : { [shape.idHeader]: requestId }),
      'x-should-retry': String(isTransient(error) && !toolsRan),
      ...(error.retryAfterMs === undefined
        ? {}
        : {
            'retry-after': String(Math.max(1, Math.ceil(error.retryAfterMs / 1000))),
            'retry-after-ms': String(Math.ceil(error.retryAfterMs)),
          }),
      ...(error.status === 401 ? { 'www-authenticate': 'Bearer' } : {}),
      // The rest of a body that came too late may still come, and would be read as the next request.
      ...(error.status === 408 ? { connection: 'close' } : {}),
    },
    body: shape.envelope(thrown, requestId),
  };
}

/** `hint` says what was meant, where that can be told; `why`, that no upstream is asked either, where one could be. */
export function notFound(method: string, path: string, hint?: string, why?: string): GyreError {
  const upstreams =
    why === undefined ? '' : ` Other paths are passed on to the upstream whose model the body names. Here: ${why}`;
  return new GyreError({
    side: 'client',
    status: 404,
    code: 'unknown_url',
    message:
      `Unknown request URL: ${method} ${path.slice(0, 200)}. ` +
      (hint ?? `GET /openapi.json lists the routes.${upstreams}`),
  });
}

export function shuttingDown(): GyreError {
  return new GyreError({
    side: 'gateway',
    status: 503,
    code: 'shutting_down',
    message: 'The gateway is shutting down and takes no new requests. Try again in a few seconds.',
    retryAfterMs: 5_000,
  });
}

/** A path that is served, though not by this method. */
export function methodNotAllowed(method: string, path: string, allowed: readonly string[]): GyreError {
  return new GyreError({
    side: 'client',
    status: 405,
    code: 'method_not_allowed',
    message: `Not allowed to ${method} on ${path}. It takes ${allowed.join(', ')}.`,
  });
}

/** Characters of a message: an engine's may quote the whole request back. */
const MESSAGE = 4_000;

/** What a client may read of it: of a bug, only that it is one. */
function messageOf(thrown: unknown): string {
  const message = isBug(thrown) ? 'The gateway failed unexpectedly; its log has the reason.' : reasonOf(thrown);
  return message.length > MESSAGE ? `${message.slice(0, MESSAGE)}...` : message;
}

/** How engines say how long a prompt is and how long one may be. */
const LENGTHS: readonly (readonly [RegExp, 'prompt first' | 'bound first'])[] = [
  [
    // vLLM and OpenAI.
    new RegExp(
      'maximum context length is (\\d+) tokens[^]*?' +
        '(?:contains at least|prompt contains|has|resulted in) (\\d+) (?:input )?tokens',
      'i',
    ),
    'bound first',
  ],
  [/maximum context length is (\d+) tokens[^]*?\((\d+) in the (?:messages|prompt)/i, 'bound first'],
  [/prompt \(length (\d+)\) is longer than the maximum model length of (\d+)/i, 'prompt first'],
];

/** Anthropic's own words before the engine's: by them its programs know that they are to compact. */
function tooLongOf(thrown: unknown): string | undefined {
  const { code, message } = asGyreError(thrown);
  if (code !== 'context_length_exceeded') return undefined;
  for (const [pattern, order] of LENGTHS) {
    const [, first, second] = pattern.exec(message) ?? [];
    const [prompt, bound] = order === 'prompt first' ? [first, second] : [second, first];
    if (prompt !== undefined && bound !== undefined && Number(prompt) > Number(bound))
      return `prompt is too long: ${prompt} tokens > ${bound} maximum. ${message}`;
  }
  return `prompt is too long. ${message}`;
}

/** The month's budget is spent: a 429 that is not transient, and a type of its own at OpenAI. */
const QUOTA = 'insufficient_quota';

/** Not a 501: what the engine cannot do it cannot do a second later either. */
function isTransient({ status, code }: GyreError): boolean {
  return (status === 429 && code !== QUOTA) || (status >= 500 && status !== 501);
}

function openaiType({ status, code }: GyreError): string {
  if (status === 401) return 'authentication_error';
  if (status === 403) return 'permission_error';
  if (status === 429) return code === QUOTA ? QUOTA : 'rate_limit_error';
  return status >= 500 ? 'server_error' : 'invalid_request_error';
}

function anthropicType(status: number): string {
  switch (status) {
    case 401:
      return 'authentication_error';
    case 403:
      return 'permission_error';
    case 404:
      return 'not_found_error';
    case 413:
      return 'request_too_large';
    case 429:
      return 'rate_limit_error';
    case 503:
      return 'overloaded_error';
    case 504:
      return 'timeout_error';
    default:
      return status >= 500 ? 'api_error' : 'invalid_request_error';
  }
}
