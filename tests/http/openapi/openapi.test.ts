/** /openapi.json says of every route what it takes and gives, and the routes do as it says. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';

import { OPERATIONS } from '../../../src/http/openapi/operations.js';
import { inTurn } from '../../fakes/engine.js';
import type { Gateway } from '../../fakes/gateway.js';
import { startRelayUpstream } from '../../fakes/relayed.js';
import { startWhole } from '../../fakes/whole.js';

interface Schema {
  readonly $ref?: string;
  readonly [key: string]: unknown;
}
interface Parameter {
  readonly name: string;
  readonly in: string;
  readonly required: boolean;
  readonly schema: Schema;
}
interface Media {
  readonly schema: Schema;
  readonly example?: unknown;
}
interface Described {
  readonly operationId: string;
  readonly summary: string;
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: { readonly required: boolean; readonly content: Readonly<Record<string, Media>> };
  readonly responses: Readonly<
    Record<string, { readonly description: string; readonly content: Readonly<Record<string, Media>> }>
  >;
}
interface Document {
  readonly openapi: string;
  readonly info: { readonly title: string; readonly version: string };
  readonly paths: Readonly<Record<string, Readonly<Record<string, Described>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> };
}

let gateway: Gateway;
let document: Document;
let upstream: Awaited<ReturnType<typeof startRelayUpstream>>;
beforeAll(async () => {
  upstream = await startRelayUpstream();
  const upstreams = [{ url: upstream.url, models: ['text-embedding-3-small'] }];
  gateway = await startWhole({ script: inTurn({ text: 'It is 391.' }), config: { upstreams } });
  document = (await (await fetch(`${gateway.url}/openapi.json`)).json()) as Document;
});
afterAll(async () => {
  await gateway.close();
  await upstream.close();
});

const each = (): readonly (readonly [string, string, Described])[] =>
  Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, described]) => [method.toUpperCase(), path, described] as const),
  );
const deep = (value: unknown, visit: (object: Readonly<Record<string, unknown>>) => void): void => {
  if (typeof value !== 'object' || value === null) return;
  if (!Array.isArray(value)) visit(value as Readonly<Record<string, unknown>>);
  for (const inner of Object.values(value)) deep(inner, visit);
};
/** The schema as a check, its references resolved. */
const check = (schema: Schema): z.ZodType => {
  const name = schema.$ref?.split('/').at(-1);
  return z.fromJSONSchema(
    (name === undefined ? schema : document.components.schemas[name]) as Parameters<typeof z.fromJSONSchema>[0],
  );
};

describe('the document', () => {
  it('has every route of the gateway and no other', () => {
    const routes = gateway.app
      .routes()
      .map(({ method, path }) => `${method} ${path}`)
      .sort();
    expect(
      each()
        .map(([method, path]) => `${method} ${path}`)
        .sort(),
    ).toEqual(routes);
    expect(Object.keys(OPERATIONS).sort()).toEqual(routes);
    expect(routes).toContain('GET /openapi.json');
  });

  it('is OpenAPI 3.1 as far as its own rules go', () => {
    expect(document.openapi).toBe('3.1.0');
    expect(document.info).toMatchObject({ title: 'Gyre', version: 'test' });
    const ids = each().map(([, , described]) => described.operationId);
    expect(ids).toEqual([...new Set(ids)]);
    for (const [method, path, { parameters = [], requestBody, responses, summary }] of each()) {
      const where = `${method} ${path}`;
      expect(path, where).toMatch(/^\/[A-Za-z0-9_./{}-]*$/);
      expect(
        parameters.filter((parameter) => parameter.in === 'path').map(({ name, required }) => [name, required]),
        where,
      ).toEqual([...path.matchAll(/\{(\w+)\}/g)].map((match) => [match[1], true]));
      expect(summary, where).not.toBe('');
      if (method === 'GET' || method === 'DELETE') expect(requestBody, where).toBeUndefined();
      expect(
        Object.keys(responses).some((status) => /^2|^101$/.test(status)),
        where,
      ).toBe(true);
      for (const [status, response] of Object.entries(responses)) {
        expect(status, where).toMatch(/^[1-5]\d\d$/);
        expect(response.description, where).not.toBe('');
        expect(Object.keys(response.content).length, where).toBeGreaterThan(0);
      }
    }
    const dangling: string[] = [];
    deep(document, ({ $ref }) => {
      if (typeof $ref !== 'string') return;
      const found = $ref
        .replace(/^#\//, '')
        .split('/')
        .reduce<unknown>((inner, step) => (inner as Record<string, unknown> | undefined)?.[step], document);
      if (found === undefined) dangling.push($ref);
    });
    expect(dangling).toEqual([]);
  });

  it('has schemas that are schemas, each of them used', () => {
    for (const [name, schema] of Object.entries(document.components.schemas)) {
      expect(() => check(schema), name).not.toThrow();
      expect(JSON.stringify(document.paths), name).toContain(`"#/components/schemas/${name}"`);
    }
  });

  it("has errors in the shape of the route's protocol for every status above 399", () => {
    for (const [method, path, { responses }] of each()) {
      for (const [status, response] of Object.entries(responses)) {
        if (Number(status) < 400 || path === '/ready') continue;
        expect(response.content['application/json']?.schema, `${method} ${path} ${status}`).toEqual({
          $ref: `#/components/schemas/${path.startsWith('/v1/messages') ? 'MessagesError' : 'Error'}`,
        });
      }
    }
  });

  it('has the request fields of every protocol, as they are checked', () => {
    const request = check({ $ref: '#/components/schemas/ChatCompletionsRequest' });
    const ask = { model: 'gyre', messages: [{ role: 'user', content: 'hi' }] };
    for (const good of [
      ask,
      { ...ask, functions: [], use_beam_search: false },
      { ...ask, n: 2, temperature: null, functions: null, response_format: { type: 'json_object' } },
    ])
      expect(request.safeParse(good).success, JSON.stringify(good)).toBe(true);
    for (const bad of [{}, { model: 'gyre' }, { ...ask, n: 0 }, { ...ask, functions: [{}] }, { ...ask, unheard: 1 }])
      expect(request.safeParse(bad).success, JSON.stringify(bad)).toBe(false);
  });
});

describe('what the document says', () => {
  it('holds: every route answers as documented, the example requests among them', async () => {
    const asked = await gateway.client.chat.completions.create({
      model: 'gyre',
      messages: [{ role: 'user', content: 'hi' }],
    });
    const forgotten = { model: 'gyre', messages: [{ role: 'user' as const, content: 'forget it' }] };
    await gateway.client.chat.completions.create(forgotten);
    const [deleted, trajectory] = (
      (await (await fetch(`${gateway.url}/gyre/v1/trajectories?view=client`)).json()) as {
        data: { id: string; steps: { id: string }[] }[];
      }
    ).data;
    await fetch(`${gateway.url}/gyre/v1/trajectories/${deleted?.id ?? ''}`, { method: 'DELETE' });
    const cycle = (await (await fetch(`${gateway.url}/gyre/v1/cycles`, { method: 'POST' })).json()) as { id: string };
    const answered = await gateway.client.responses.create({ model: 'gyre', input: 'hi' });
    const places: Readonly<Record<string, string>> = {
      '/v1/responses/{id}': answered.id,
      '/v1/responses/{id}/input_items': answered.id,
      '/v1/models/{id}': 'gyre@1',
      '/gyre/v1/trajectories/{id}': trajectory?.id ?? '',
      '/gyre/v1/deletions/{id}': deleted?.id ?? '',
      '/gyre/v1/steps/{id}': trajectory?.steps[0]?.id ?? '',
      '/gyre/v1/cycles/{id}': cycle.id,
    };
    // What deletes comes last.
    for (const [method, path, { requestBody, responses }] of [...each()].sort(
      ([a], [b]) => Number(a === 'DELETE') - Number(b === 'DELETE'),
    )) {
      const where = `${method} ${path}`;
      // A WebSocket: `tests/http/responses/socket.test.ts`.
      if ('101' in responses) continue;
      const example = requestBody?.content['application/json']?.example as
        Readonly<Record<string, unknown>> | undefined;
      expect(example !== undefined, where).toBe(requestBody !== undefined);
      if (requestBody !== undefined) check(requestBody.content['application/json']?.schema ?? {}).parse(example);
      // An id in an example stands for one that its reader has.
      const body =
        example === undefined
          ? undefined
          : {
              ...example,
              ...('response_id' in example ? { response_id: asked.id } : {}),
              ...('step_id' in example ? { step_id: trajectory?.steps[0]?.id } : {}),
            };
      const response = await fetch(
        `${gateway.url}${path.replace('{id}', encodeURIComponent(places[path] ?? '')).replace('{version}', '1')}`,
        {
          method,
          ...(body === undefined
            ? {}
            : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
        },
      );
      const text = await response.text();
      expect(response.status, `${where}: ${text.slice(0, 300)}`).toBeLessThan(300);
      expect(response.headers.get('x-request-id'), where).not.toBeNull();
      const type = response.headers.get('content-type')?.split(';')[0] ?? '';
      const media = responses[response.status]?.content[type];
      expect(media, `${where} answers ${response.status} ${type}`).toBeDefined();
      if (type === 'application/json')
        expect(check(media?.schema ?? {}).safeParse(JSON.parse(text)).error, where).toBeUndefined();
    }
  });

  it('holds of errors too', async () => {
    for (const [method, path, { responses }] of each().filter(([, path]) => path.includes('{id}'))) {
      const response = await fetch(gateway.url + path.replace('{id}', 'nothing'), { method });
      expect(response.status).toBe(404);
      expect(
        check(responses['404']?.content['application/json']?.schema ?? {}).safeParse(await response.json()).error,
        `${method} ${path}`,
      ).toBeUndefined();
    }
  });

  it('holds of methods: one that is not there is a 405 that names those that are', async () => {
    const response = await fetch(`${gateway.url}/v1/chat/completions`);
    expect(response.status).toBe(405);
    expect(response.headers.get('allow')).toBe('POST');
    expect(await response.json()).toMatchObject({
      error: {
        code: 'method_not_allowed',
        type: 'invalid_request_error',
        param: null,
        message: 'Not allowed to GET on /v1/chat/completions. It takes POST.',
      },
    });
    expect((await fetch(`${gateway.url}/gyre/v1/trajectories/x`, { method: 'PUT' })).headers.get('allow')).toBe(
      'GET, DELETE',
    );
    expect((await fetch(`${gateway.url}/v1/nothing`, { method: 'PUT' })).status).toBe(404);
  });
});
