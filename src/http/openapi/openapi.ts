/** `GET /openapi.json`: the routes as an OpenAPI 3.1 document, made from the schemas requests are checked with. */
import { Hono } from 'hono';
import { z } from 'zod';

import type { Route } from '../routes/meant.js';
import { OPERATIONS, type Operation, type Reply } from './operations.js';
import { SHAPES } from './shapes.js';

type Json = Readonly<Record<string, unknown>>;

/** `routes` is called at the first request, when every route is registered. */
export function openApiRoutes(version: string, routes: () => readonly Route[]): Hono {
  const app = new Hono();
  let document: string | undefined;
  app.get('/openapi.json', (c) =>
    c.body((document ??= JSON.stringify(openApi(version, routes()))), 200, { 'content-type': 'application/json' }),
  );
  return app;
}

/** The document over those of the routes that are described. */
function openApi(version: string, routes: readonly Route[]): Json {
  const paths: Record<string, Record<string, Json>> = {};
  for (const { method, path } of routes) {
    const operation = OPERATIONS[`${method} ${path}`];
    if (operation !== undefined) (paths[path] ??= {})[method.toLowerCase()] = operationOf(method, path, operation);
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Gyre',
      version,
      description: 'An OpenAI-compatible gateway whose model gets better by being used.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    paths,
    components: {
      schemas: schemas(),
      headers: HEADERS,
      securitySchemes: {
        key: {
          type: 'http',
          scheme: 'bearer',
          description: 'A key of `gyre keys add`. Without any keys every token, and none, is accepted.',
        },
      },
    },
  };
}

/** A route of Hono as the document writes it: `/models/:id{[^]+}` is `/models/{id}`. */
export function documented({ method, path }: Route): Route {
  return { method, path: path.replace(/:(\w+)(?:\{[^/]*\})?/g, '{$1}'), deep: path.includes('{[^]+}') };
}

const HEADERS: Readonly<Record<string, Json>> = {
  RequestId: { description: "The request's id: the client's own where it sent one.", schema: { type: 'string' } },
  Trajectory: { description: 'The conversation this answer is logged in.', schema: { type: 'string' } },
  PolicyVersion: {
    description: 'The version that answered. Absent where an upstream did.',
    schema: { type: 'string' },
  },
  ToolsLeftOut: {
    description: 'Hosted tools of the request that are not here, by their types. Absent where there are none.',
    schema: { type: 'string' },
  },
  LeftOut: {
    description:
      'Names of what the answer had beside its text and its protocol has no form for. Absent where there is none, ' +
      'and in streams, which say it in `gyre` at their end.',
    schema: { type: 'string' },
  },
  RetryAfter: { description: 'Seconds until it is worth asking again.', schema: { type: 'string' } },
  ShouldRetry: {
    description: 'Whether the same request may be sent again.',
    schema: { type: 'string', enum: ['true', 'false'] },
  },
};

const ERRORS: Readonly<Record<number, string>> = {
  400: 'The request is not as it must be; `param` names the field.',
  401: 'The key is missing or unknown.',
  403: "The key is not an admin's; or a web page asks that may not, or by a name that is not the gateway's.",
  404: 'There is no such thing that this key may see.',
  408: 'The body did not come in time.',
  409: 'Not now: the state of things forbids it.',
  413: 'The body is too large.',
  415: "The body's encoding is not known; or a web page sent no JSON.",
  426: 'This path opens a WebSocket, and none was asked for.',
  429: 'Too much at once, here or at the engine.',
  500: 'A fault of the gateway.',
  501: 'The engine has no such thing.',
  502: 'The engine, or the trainer, failed.',
  503: 'The engine, or the trainer, cannot be reached.',
  504: 'The engine was silent too long.',
};

/** A number of fifteen digits at most, which every client holds exactly. */
const VERSION: Json = { type: 'integer', minimum: 0, maximum: 999_999_999_999_999 };

function operationOf(method: string, path: string, operation: Operation): Json {
  const { summary, tag, key, query = {}, body, replies, answer } = operation;
  const placed = [...path.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => ({
    name,
    in: 'path',
    required: true,
    schema: name === 'version' ? VERSION : { type: 'string' },
  }));
  const asked = Object.entries(query).map(([name, { says, schema }]) => ({
    name,
    in: 'query',
    required: false,
    description: says,
    schema: inline(schema),
  }));
  const statuses = [
    ...new Set([
      403,
      ...(key === 'none' ? [] : [401, 429]),
      ...(body === undefined ? [] : [400, 413, 415]),
      ...operation.errors,
    ]),
  ].sort((a, b) => a - b);
  return {
    operationId:
      method.toLowerCase() +
      path.replace(/[{}]/g, '').replace(/[^A-Za-z0-9]+(\w?)/g, (_, letter: string) => letter.toUpperCase()),
    summary,
    tags: [tag],
    security: key === 'none' ? [] : [{ key: [] }, {}],
    ...(placed.length + asked.length === 0 ? {} : { parameters: [...placed, ...asked] }),
    ...(body === undefined
      ? {}
      : {
          requestBody: {
            required: body.required,
            content: { 'application/json': { schema: ref(body.name), example: body.example } },
          },
        }),
    responses: Object.fromEntries([
      ...Object.entries(replies).map(([status, reply]) => [status, replyOf(reply, answer === true)]),
      ...statuses.map((status) => [status, failureOf(status, operation.failure ?? 'Error')]),
    ]),
  };
}

function replyOf({ says, body, events }: Reply, answer: boolean): Json {
  return {
    description: says,
    headers: {
      'x-request-id': header('RequestId'),
      ...(answer
        ? {
            'x-gyre-trajectory': header('Trajectory'),
            'x-gyre-policy-version': header('PolicyVersion'),
            'x-gyre-tools-left-out': header('ToolsLeftOut'),
            'x-gyre-left-out': header('LeftOut'),
          }
        : {}),
    },
    content: {
      ...(body === 'text'
        ? { 'text/plain': { schema: { type: 'string' } } }
        : { 'application/json': { schema: ref(body) } }),
      // OpenAPI 3.1 has no words for the events of a stream.
      ...(events === true ? { 'text/event-stream': {} } : {}),
    },
  };
}

function failureOf(status: number, shape: string): Json {
  return {
    description: ERRORS[status] ?? 'An error.',
    headers: {
      'x-request-id': header('RequestId'),
      'x-should-retry': header('ShouldRetry'),
      ...(status === 429 || status === 503 ? { 'retry-after': header('RetryAfter') } : {}),
    },
    content: { 'application/json': { schema: ref(shape) } },
  };
}

function ref(name: string): Json {
  return { $ref: `#/components/schemas/${name}` };
}

function header(name: keyof typeof HEADERS): Json {
  return { $ref: `#/components/headers/${name}` };
}

function schemas(): Json {
  return Object.fromEntries(Object.entries(SHAPES).map(([name, shape]) => [name, inline(shape)]));
}

/** A schema of what comes in: a field with a default is optional. What JSON Schema cannot express is left out. */
function inline(schema: z.ZodType): Json {
  return Object.fromEntries(
    Object.entries(z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' })).filter(
      ([name]) => name !== '$schema',
    ),
  );
}
