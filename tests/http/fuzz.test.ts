/**
 * Whatever is asked, the answer is no fault of ours: strange bodies, headers, ids and queries get an answer or their
 * protocol's error, and the log is whole afterwards.
 */
import fc from 'fast-check';
import { NewLabel } from '../../src/core/judging/labels.js';
import { request as send } from 'undici';
import { afterEach, expect, it } from 'vitest';

import { SHAPES } from '../../src/http/openapi/shapes.js';
import { RELAYED } from '../../src/http/routes/relay.js';
import { ANTHROPIC } from '../../src/http/wire/failure.js';
import { verify } from '../../src/store/proof/verify.js';
import type { EngineRequest, Reply } from '../fakes/engine.js';
import type { Gateway } from '../fakes/gateway.js';
import { startWhole } from '../fakes/whole.js';
import { bodyOf, headers, MESSAGES, TURNS } from './strange.js';

let gateway: Gateway;
afterEach(async () => gateway.close());

/** Every third conversation calls a tool that is offered. */
function script({ body }: EngineRequest, number: number): Reply {
  const [tool] = body.tools ?? [];
  return tool !== undefined && number % 3 === 0 && body.messages.at(-1)?.role !== 'tool'
    ? { calls: [{ name: tool.function.name, arguments: '{"expression":"1+1"}' }] }
    : { text: 'ok' };
}

interface Asked {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
}

/** Whether an error is told as the route's protocol tells it. */
function isTold(path: string, text: string): boolean {
  const value: unknown = JSON.parse(text);
  if (path.startsWith('/v1/messages')) return ANTHROPIC.body.schema.safeParse(value).success;
  return (
    SHAPES.Error.safeParse(value).success &&
    Object.keys((value as { error: object }).error)
      .sort()
      .join() === 'code,message,param,type'
  );
}

/** Fails unless the answer is no fault of the gateway, and every error is in the shape of its protocol. */
async function ask({ method, path, headers, body }: Asked): Promise<number> {
  const {
    statusCode: status,
    headers: sent,
    body: answer,
  } = await send(gateway.url + path, { method: method, headers, ...(body === undefined ? {} : { body }) });
  const text = await answer.text();
  const said = (): string =>
    `${method} ${path} ${JSON.stringify(headers)} ${String(body).slice(0, 3_000)}\nwas ` +
    `answered ${status} ${text.slice(0, 500)}`;
  // A stream that has begun can tell of a fault only inside itself.
  if (status >= 500 || /"(?:code|type)":"(?:internal_error|server_error|api_error)"/.test(text))
    throw new Error(said());
  if (status >= 400 && (!isTold(path, text) || sent['x-request-id'] === undefined)) throw new Error(said());
  return status;
}

it('ten thousand strange bodies are answered without a fault, and the log is whole', async () => {
  gateway = await startWhole({ script });
  const ids = ['chatcmpl-none', 'resp-none'];
  for (let times = 0; times < 3; times += 1) {
    ids.push(
      (
        await gateway.client.chat.completions.create({
          model: 'gyre',
          messages: [{ role: 'user', content: `q${times}` }],
        })
      ).id,
      (await gateway.client.responses.create({ model: 'gyre', input: `r${times}` })).id,
    );
  }
  const models = ['gyre', 'gyre', 'gyre', 'gyre', 'gyre', 'gyre@base', 'gyre@1', 'gyre@9'];
  const asked = {
    model: models,
    input: ['hi', [{ role: 'user', content: 'hi' }]],
    previous_response_id: [null, ...ids],
  };
  const bodies: Readonly<Record<string, readonly [number, fc.Arbitrary<string | Uint8Array>]>> = {
    '/v1/chat/completions': [
      40,
      bodyOf(SHAPES['ChatCompletionsRequest' as 'Error'], { model: models, messages: MESSAGES }),
    ],
    '/v1/responses': [32, bodyOf(SHAPES['ResponsesRequest' as 'Error'], asked)],
    '/v1/responses/input_tokens': [6, bodyOf(SHAPES['ResponsesInputTokensRequest' as 'Error'], asked)],
    '/v1/responses/compact': [6, bodyOf(SHAPES['ResponsesCompactRequest' as 'Error'], asked)],
    '/v1/messages': [
      24,
      bodyOf(SHAPES['MessagesRequest' as 'Error'], { model: models, max_tokens: [1, 64], messages: TURNS }),
    ],
    '/v1/messages/count_tokens': [
      6,
      bodyOf(SHAPES['MessagesCountTokensRequest' as 'Error'], { model: models, messages: TURNS }),
    ],
    '/v1/completions': [
      12,
      bodyOf(SHAPES['CompletionsRequest' as 'Error'], {
        model: models,
        prompt: ['hi', ['a', 'b'], [1, 2], [[1], [2]]],
      }),
    ],
    ...Object.fromEntries(
      RELAYED.map((path) => [path, [1, bodyOf(SHAPES.Relayed, { model: ['gyre', 'nobody'] })] as const]),
    ),
    '/v1/feedback': [16, bodyOf(SHAPES.Feedback, { response_id: ids, value: [true, -1, 2] })],
    '/gyre/v1/labels': [8, bodyOf(NewLabel, { step_id: ['step-none', ...ids], good: [true, null, 'no'] })],
    '/gyre/v1/cycles': [2, bodyOf(SHAPES.StartCycle, { gate: [true, false] })],
    '/gyre/v1/versions/{version}/promote': [2, fc.constant('')],
    '/gyre/v1/rollback': [1, fc.constantFrom('', '{}')],
    '/gyre/v1/restart': [1, fc.constantFrom('', '{}', '{"version":0}', '{"version":"x"}')],
  };
  expect(Object.keys(bodies).sort()).toEqual(
    gateway.app
      .routes()
      .filter((route) => route.method === 'POST')
      .map((route) => route.path)
      .sort(),
  );
  const version = fc.oneof(
    fc.constantFrom('0', '1', '2', '007', '99999999999999999999', '-1', '1e3'),
    fc.string({ maxLength: 8 }).map((text) => encodeURIComponent(text) || '%20'),
  );
  const request = fc.oneof(
    ...Object.entries(bodies).map(([path, [weight, body]]) => ({
      weight,
      arbitrary: fc.record({
        method: fc.constant('POST'),
        path: version.map((number) => path.replace('{version}', number)),
        headers,
        body,
      }),
    })),
  );
  const statuses = new Map<number, number>();
  await fc.assert(
    fc.asyncProperty(fc.array(request, { minLength: 50, maxLength: 50 }), async (requests) => {
      for (const status of await Promise.all(requests.map(ask))) statuses.set(status, (statuses.get(status) ?? 0) + 1);
    }),
    { numRuns: 200, endOnFailure: true },
  );
  console.log(
    `answers by status: ${[...statuses]
      .sort(([a], [b]) => a - b)
      .map(([status, count]) => `${status}: ${count}`)
      .join(', ')}`,
  );
  expect([...statuses.values()].reduce((sum, count) => sum + count, 0)).toBe(10_000);
  // That most were refused at the door would show nothing.
  expect(statuses.get(200)).toBeGreaterThan(2_000);
  expect(statuses.get(400)).toBeGreaterThan(1_000);
  expect(gateway.app.inFlight()).toBe(0);
  expect(verify(gateway.store.db).problems).toEqual([]);
  expect(gateway.store.sqlite.prepare('SELECT count(*) AS rows FROM steps').get()).toEqual({
    rows: gateway.logged.reduce((sum, { steps }) => sum + steps.length, 0),
  });
  expect(((await (await fetch(`${gateway.url}/health`)).json()) as { log_failures: number }).log_failures).toBe(0);
}, 240_000);

it('two thousand strange ids and queries are answered without a fault', async () => {
  gateway = await startWhole({ script });
  const asked = await Promise.all(
    Array.from({ length: 4 }, (_, at) =>
      gateway.client.chat.completions.create({ model: 'gyre', messages: [{ role: 'user', content: `q${at}` }] }),
    ),
  );
  const cycle = (await (await fetch(`${gateway.url}/gyre/v1/cycles`, { method: 'POST' })).json()) as { id: string };
  const { data } = (await (await fetch(`${gateway.url}/gyre/v1/trajectories?view=client`)).json()) as {
    data: { id: string; steps: { id: string }[] }[];
  };
  const real = [
    ...data.flatMap((trajectory) => [trajectory.id, ...trajectory.steps.map((step) => step.id)]),
    ...asked.map((answer) => answer.id),
    cycle.id,
    'gyre',
    'gyre@1',
    '1',
  ];
  const id = fc.oneof(
    fc.constantFrom(...real),
    fc
      .string({ unit: 'binary', minLength: 1, maxLength: 20 })
      .filter((text) => text.isWellFormed())
      .map(encodeURIComponent),
    fc.constantFrom(
      '%',
      '%zz',
      '%00',
      '%C3%28',
      '..%2f..',
      'a%2Fb',
      'a/b',
      '%F0%9F%98%80',
      "'%20OR%201=1--",
      'x'.repeat(4_000),
    ),
  );
  const value = fc.oneof(fc.constantFrom('1', '200', '201', '0', '-1', '1.5', 'NaN', '', '%', '9'.repeat(400)), id);
  const query = fc
    .array(fc.tuple(fc.constantFrom('limit', 'after', 'before', 'limit'), value), { maxLength: 3 })
    .map((pairs) =>
      pairs.length === 0 ? '' : `?${pairs.map(([name, given]) => `${name}=${given.replaceAll('#', '%23')}`).join('&')}`,
    );
  const routes = gateway.app.routes().filter((route) => route.method !== 'POST');
  expect(routes.length).toBeGreaterThan(10);
  const request = fc.record({
    route: fc.constantFrom(...routes),
    method: fc.constantFrom(undefined, undefined, undefined, 'PUT', 'PATCH', 'OPTIONS'),
    id,
    query,
    headers,
  });
  const statuses = new Map<number, number>();
  await fc.assert(
    fc.asyncProperty(fc.array(request, { minLength: 50, maxLength: 50 }), async (requests) => {
      const answered = requests.map(({ route, method, id: given, query: asks, headers: sent }) =>
        ask({
          method: method ?? route.method,
          path: route.path.replace('{id}', given.replaceAll('#', '%23').replaceAll('?', '%3F')) + asks,
          headers: sent,
        }),
      );
      for (const status of await Promise.all(answered)) statuses.set(status, (statuses.get(status) ?? 0) + 1);
    }),
    { numRuns: 40, endOnFailure: true },
  );
  expect([...statuses.values()].reduce((sum, count) => sum + count, 0)).toBe(2_000);
  for (const status of [200, 400, 404, 405]) expect(statuses.get(status), String(status)).toBeGreaterThan(20);
  expect(verify(gateway.store.db).problems).toEqual([]);
});
