/**
 * Other people's models by name: asked with their own key in OpenAI's words, through the same loop, logged, and never a
 * version of the policy.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

import { afterEach, describe, expect, it } from 'vitest';

import { readTrajectory, listTrajectories } from '../../src/store/read/trajectories.js';
import { verify } from '../../src/store/proof/verify.js';
import { inTurn, startEngine, type Engine, type EngineRequest, type Reply, type Script } from '../fakes/engine.js';
import { startGateway, until, type Gateway, type GatewayOptions } from '../fakes/gateway.js';

const KEY = 'sk-of-the-upstream';
const opened: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const each of opened.splice(0).reverse()) await each.close();
});

async function server(script: Script, models: readonly string[]): Promise<Engine> {
  const engine = await startEngine({ script, models });
  opened.push(engine);
  return engine;
}

async function start(upstreams: readonly unknown[], options: GatewayOptions = {}): Promise<Gateway> {
  const gateway = await startGateway({ ...options, config: { upstreams, ...options.config } });
  opened.push(gateway);
  return gateway;
}

/** A gateway with one upstream that has two models. */
async function both(
  script: Script,
  options: GatewayOptions = {},
): Promise<{ readonly gateway: Gateway; readonly upstream: Engine }> {
  const upstream = await server(script, ['big', 'vendor/small']);
  return {
    upstream,
    gateway: await start([{ url: upstream.url, models: ['big', 'vendor/small'], api_key: KEY }], options),
  };
}

const ASK = { model: 'big', messages: [{ role: 'user' as const, content: 'hi' }] };
const call = (expression: string): Reply => ({
  calls: [{ name: 'calculator', arguments: JSON.stringify({ expression }) }],
});

interface Refusal {
  readonly error: {
    readonly message: string;
    readonly code: string;
    readonly type: string;
    readonly param: string | null;
  };
}
async function refused(
  gateway: Gateway,
  body: unknown = ASK,
): Promise<
  Refusal['error'] & { readonly status: number; readonly retry: string | null; readonly after: string | null }
> {
  const response = await gateway.post(body);
  return {
    status: response.status,
    retry: response.headers.get('x-should-retry'),
    after: response.headers.get('retry-after'),
    ...((await response.json()) as Refusal).error,
  };
}

describe('an upstream', () => {
  it('answers what names its model, and the engine everything else', async () => {
    const other = await server(inTurn({ text: 'from the other' }), ['other']);
    const upstream = await server(inTurn({ text: 'from the upstream' }), ['big']);
    const gateway = await start(
      [
        { url: upstream.url, models: ['big'], api_key: KEY },
        { url: `${other.url}/v1`, models: ['other'] },
      ],
      { script: inTurn({ text: 'from the policy' }) },
    );
    const answer = async (model: string): Promise<string | null | undefined> =>
      (await gateway.client.chat.completions.create({ ...ASK, model })).choices[0]?.message.content;
    expect([await answer('big'), await answer('other'), await answer('gyre')]).toEqual([
      'from the upstream',
      'from the other',
      'from the policy',
    ]);
    expect(
      [upstream, other, gateway.engine].map((engine) =>
        engine.requests.map((request) => [request.path, request.body.model]),
      ),
    ).toEqual([
      [['/v1/chat/completions', 'big']],
      [['/v1/chat/completions', 'other']],
      [['/v1/chat/completions', 'base']],
    ]);
  });

  it("is given its own key and never the client's", async () => {
    const { gateway, upstream } = await both(inTurn({}));
    const keyless = await server(inTurn({}), ['free']);
    const second = await start([{ url: keyless.url, models: ['free'] }]);
    const headers = {
      authorization: 'Bearer sk-of-the-client',
      'x-api-key': 'sk-of-the-client',
      cookie: 'a=b',
      'x-request-id': 'mine',
    };
    await gateway.post(ASK, { headers });
    await second.post({ ...ASK, model: 'free' }, { headers });
    expect(upstream.requests[0]?.headers).toMatchObject({ authorization: `Bearer ${KEY}`, 'x-request-id': 'mine' });
    expect(keyless.requests[0]?.headers.authorization).toBeUndefined();
    for (const engine of [upstream, keyless])
      expect(JSON.stringify(engine.requests[0]?.headers)).not.toMatch(/sk-of-the-client|cookie/);
  });

  it.each([
    ['', '/v1/chat/completions'],
    ['/', '/v1/chat/completions'],
    ['/v1', '/v1/chat/completions'],
    ['/v1/', '/v1/chat/completions'],
    ['/proxy', '/proxy/v1/chat/completions'],
    ['/openai/v1', '/openai/v1/chat/completions'],
    ['/v1beta/openai/', '/v1beta/openai/chat/completions'],
    ['/api/v4?region=eu', '/api/v4/chat/completions?region=eu'],
  ])('at the address "%s" is asked at "%s"', async (path, asked) => {
    const paths: (string | undefined)[] = [];
    const web = createServer((incoming, outgoing) => {
      paths.push(incoming.url);
      outgoing.writeHead(200, { 'content-type': 'application/json' }).end(
        JSON.stringify({
          choices: [{ index: 0, message: { role: 'assistant', content: 'ok' }, finish_reason: 'stop' }],
        }),
      );
    });
    await new Promise<void>((resolve) => web.listen(0, '127.0.0.1', resolve));
    opened.push({
      close: () =>
        new Promise((resolve) => {
          web.close(() => resolve());
          web.closeAllConnections();
        }),
    });
    const gateway = await start([
      { url: `http://127.0.0.1:${(web.address() as AddressInfo).port}${path}`, models: ['big'] },
    ]);
    expect((await gateway.client.chat.completions.create(ASK)).choices[0]?.message.content).toBe('ok');
    expect(paths).toEqual([asked]);
  });

  it("is asked in the client's own words and nothing of ours", async () => {
    const { gateway, upstream } = await both(inTurn({}), { config: { 'tools.default': [] } });
    await gateway.post({
      ...ASK,
      temperature: 0.5,
      top_k: 3,
      seed: 7,
      max_completion_tokens: 9,
      user: 'u',
      reasoning_effort: 'low',
    });
    await gateway.post({
      ...ASK,
      max_tokens: 5,
      messages: [
        { role: 'developer', content: 'be brief' },
        { role: 'user', content: 'q' },
        { role: 'assistant', content: 'a', reasoning: 'hm' },
        { role: 'user', content: 'again' },
      ],
    });
    await gateway.client.responses.create({ model: 'big', input: 'q', max_output_tokens: 16 });
    const always = { model: 'big', stream: true, stream_options: { include_usage: true } };
    expect(upstream.requests.map((request) => request.body)).toEqual([
      {
        ...always,
        messages: ASK.messages,
        temperature: 0.5,
        top_k: 3,
        seed: 7,
        max_completion_tokens: 9,
        reasoning_effort: 'low',
      },
      {
        ...always,
        max_tokens: 5,
        messages: [
          { role: 'system', content: 'be brief' },
          { role: 'user', content: 'q' },
          { role: 'assistant', content: 'a' },
          { role: 'user', content: 'again' },
        ],
      },
      { ...always, max_completion_tokens: 16, messages: [{ role: 'user', content: 'q' }] },
    ]);
  });

  it('is asked for logprobs and token ids only by a client that wants them', async () => {
    const { gateway, upstream } = await both(inTurn({ text: ['a', 'b'] }));
    const plain = (await (await gateway.post(ASK)).json()) as object;
    const wanted = (await (
      await gateway.post({ ...ASK, logprobs: true, top_logprobs: 1, return_token_ids: true })
    ).json()) as object;
    expect(upstream.requests[0]?.body).not.toHaveProperty('logprobs');
    expect(upstream.requests[0]?.body).not.toHaveProperty('return_token_ids');
    expect(upstream.requests[1]?.body).toMatchObject({ logprobs: true, top_logprobs: 1, return_token_ids: true });
    expect(JSON.stringify(plain)).not.toContain('token_ids');
    expect(wanted).toMatchObject({
      choices: [
        {
          token_ids: [expect.any(Number), expect.any(Number), expect.any(Number)],
          logprobs: { content: [{ token: 'a' }, { token: 'b' }, {}] },
        },
      ],
    });
  });

  it('is refused in its own words, when it refuses what only our engine knows', async () => {
    const { gateway, upstream } = await both(
      inTurn({
        status: 400,
        body: JSON.stringify({
          error: {
            message: 'Unrecognized request argument supplied: top_k',
            type: 'invalid_request_error',
            param: 'top_k',
            code: null,
          },
        }),
      }),
    );
    expect(await refused(gateway, { ...ASK, top_k: 2 })).toMatchObject({
      status: 400,
      param: 'top_k',
      type: 'invalid_request_error',
      message: `The upstream at ${upstream.url} refused the request: Unrecognized request argument supplied: top_k`,
    });
  });

  it("runs the gateway's tools in the same loop", async () => {
    const { gateway, upstream } = await both(inTurn(call('2+3'), { text: 'It is 5.' }));
    const answer = await gateway.client.chat.completions.create({ ...ASK, model: 'vendor/small' });
    expect(answer).toMatchObject({
      model: 'vendor/small',
      choices: [{ finish_reason: 'stop', message: { content: 'It is 5.' } }],
      usage: { server_tool_use: { requested: 1, executed: 1, by_tool: { calculator: 1 } } },
    });
    expect(upstream.requests.map((request) => request.body.model)).toEqual(['vendor/small', 'vendor/small']);
    expect(upstream.requests[1]?.body.messages.at(-1)).toMatchObject({ role: 'tool', content: '5' });
    expect(gateway.engine.requests).toHaveLength(0);
  });

  it('streams through the same events, chat and responses alike', async () => {
    const { gateway } = await both((_request, number) =>
      number % 2 === 0 ? call('1+1') : { text: ['It', ' is', ' 2.'], usage: { prompt: 10, completion: 4 } },
    );
    let text = '';
    for await (const chunk of await gateway.client.chat.completions.create({ ...ASK, stream: true })) {
      expect(chunk.system_fingerprint).toBeNull();
      text += chunk.choices[0]?.delta.content ?? '';
    }
    expect(text).toBe('It is 2.');
    const response = await gateway.client.responses.stream({ model: 'big', input: 'and again' }).finalResponse();
    expect(response.output_text).toBe('It is 2.');
    expect(response.output.map((item) => item.type)).toEqual(['mcp_call', 'message']);
  });

  it('is told at once when the client goes away', async () => {
    const { gateway, upstream } = await both(() => ({ text: 'one two', stall: 1 }));
    const gone = new AbortController();
    const asked = gateway.post(ASK, { signal: gone.signal });
    await until(() => upstream.requests.length === 1, 'the request');
    gone.abort();
    await expect(asked).rejects.toThrow();
    await until(() => upstream.aborts === 1, 'the abort upstream');
  });
});

describe('the models', () => {
  it('of upstreams are listed by name with their host, slashes and all', async () => {
    const { gateway, upstream } = await both(inTurn({}));
    const list = (await gateway.client.models.list()).data;
    expect(list.map((model) => model.id)).toEqual(['gyre', 'gyre@base', 'gyre@1', 'big', 'vendor/small']);
    expect(list.at(-1)).toEqual({
      id: 'vendor/small',
      object: 'model',
      created: expect.any(Number),
      owned_by: new URL(upstream.url).host,
    });
    expect(await gateway.client.models.retrieve('vendor/small')).toMatchObject({ id: 'vendor/small' });
    expect(await (await fetch(`${gateway.url}/v1/models/vendor/small`)).json()).toMatchObject({ id: 'vendor/small' });
    await expect(gateway.client.models.retrieve('vendor/none')).rejects.toMatchObject({
      status: 404,
      code: 'model_not_found',
      message: expect.stringContaining('vendor/small'),
    });
    expect(await refused(gateway, { ...ASK, model: 'vendor' })).toMatchObject({
      status: 404,
      code: 'model_not_found',
      message: expect.stringContaining('vendor/small'),
    });
  });
});

const FAULTS: readonly (readonly [
  string,
  Reply,
  { readonly status: number; readonly code: string; readonly says: string },
])[] = [
  [
    '429',
    { status: 429, body: '{"error":{"message":"slow down"}}', headers: { 'retry-after': '7' } },
    { status: 429, code: 'rate_limit_exceeded', says: 'is at its limit: slow down' },
  ],
  [
    '401 that repeats the key',
    { status: 401, body: `{"error":{"message":"Incorrect API key provided: ${KEY}"}}` },
    {
      status: 502,
      code: 'engine_refused_key',
      says: 'refused the gateway\'s key (401). Set its "api_key" in "upstreams"',
    },
  ],
  [
    '402 that repeats the key',
    { status: 402, body: `{"error":{"message":"no credit left for ${KEY}"}}` },
    { status: 502, code: 'engine_error', says: 'answered 402: no credit left for [api_key]' },
  ],
  [
    '404',
    { status: 404 },
    { status: 502, code: 'engine_weights_missing', says: 'does not know the model it was asked for' },
  ],
  [
    '500 that repeats the key',
    { status: 500, body: `boom ${KEY}` },
    { status: 502, code: 'engine_error', says: 'answered 500: boom [api_key]' },
  ],
  ['503', { status: 503 }, { status: 502, code: 'engine_unavailable', says: 'answered 503' }],
  [
    'a page of HTML',
    { status: 200, body: '<html>busy</html>', headers: { 'content-type': 'text/html' } },
    { status: 502, code: 'engine_garbage', says: 'not a chat completion' },
  ],
  [
    'garbage with the key',
    { status: 200, body: `data: {nonsense ${KEY}\n\n`, headers: { 'content-type': 'text/event-stream' } },
    { status: 502, code: 'engine_garbage', says: 'not JSON: {nonsense [api_key]' },
  ],
  [
    'an error object in the stream',
    {
      status: 200,
      body: `data: {"error":{"message":"overloaded, ${KEY}"}}\n\n`,
      headers: { 'content-type': 'text/event-stream' },
    },
    { status: 502, code: 'engine_error', says: 'reported an error: overloaded, [api_key]' },
  ],
  ['a reset', { reset: 0 }, { status: 502, code: 'engine_connection_lost', says: 'broke the connection' }],
  [
    'an end before the first event',
    { hangUp: 0 },
    { status: 502, code: 'engine_truncated', says: 'without a finish reason' },
  ],
  ['silence', { silent: true }, { status: 504, code: 'engine_timeout', says: 'sent no reply in time' }],
];

describe('an upstream that fails', () => {
  it.each(FAULTS)(
    'with %s is named by its address and never by its key',
    async (_name, reply, { status, code, says }) => {
      const { gateway, upstream } = await both(inTurn(reply), { engineTimeoutMs: 300 });
      const error = await refused(gateway);
      expect(error).toMatchObject({ status, code, retry: 'true' });
      expect(error.message).toContain(`The upstream at ${upstream.url} `);
      expect(error.message).toContain(says);
      expect(error.message).not.toContain(KEY);
      if (status === 429) expect(error.after).toBe('7');
      expect(gateway.logged[0]).toMatchObject({
        ending: { outcome: 'failed' },
        steps: [{ policyVersion: undefined, notTrainable: 'engine_error' }],
      });
    },
  );

  it('in the middle ends the stream with an error, and the gateway stays ready', async () => {
    const { gateway, upstream } = await both(inTurn({ text: 'one two three', reset: 2 }));
    const raw = await (await gateway.post({ ...ASK, stream: true })).text();
    expect(raw).toContain(`{"error":{"message":"The upstream at ${upstream.url} broke the connection`);
    expect(raw).not.toContain('[DONE]');
  });

  it('by being nowhere is a 503 for its model alone', async () => {
    const gateway = await start([{ url: 'http://127.0.0.1:9/v1', models: ['big'], api_key: KEY }], {
      script: inTurn({ text: 'here' }),
    });
    expect(await refused(gateway)).toMatchObject({
      status: 503,
      code: 'engine_unreachable',
      message: 'The upstream at http://127.0.0.1:9 cannot be reached (ECONNREFUSED).',
    });
    expect((await fetch(`${gateway.url}/ready`)).status).toBe(200);
    expect((await gateway.client.chat.completions.create({ ...ASK, model: 'gyre' })).choices[0]?.message.content).toBe(
      'here',
    );
  });

  it('has a key no header can carry, which stops the start without being shown', async () => {
    await expect(start([{ url: 'http://127.0.0.1:9', models: ['big'], api_key: 'sk-secret\n' }])).rejects.toThrow(
      /^(?!.*sk-secret).*http:\/\/127\.0\.0\.1:9 has a character that no header can carry/,
    );
  });
});

describe('the log', () => {
  it("has an upstream's steps under its name, without a version, and not trainable", async () => {
    const { gateway } = await both(inTurn(call('2+3'), { text: 'It is 5.' }));
    const response = await gateway.post(ASK);
    expect(response.headers.get('x-gyre-policy-version')).toBeNull();
    const id = response.headers.get('x-gyre-trajectory') ?? '';
    await response.text();
    const trajectory = readTrajectory(gateway.store.db, id);
    expect(trajectory).toMatchObject({ model: 'big', policy_version: null, outcome: 'completed' });
    expect(
      trajectory?.steps.map(({ policy_version, trainable, not_trainable_reason, token_ids }) => [
        policy_version,
        trainable,
        not_trainable_reason,
        token_ids,
      ]),
    ).toEqual([
      [null, false, 'no_token_ids', null],
      [null, false, 'no_token_ids', null],
    ]);
    expect(trajectory?.steps[0]?.tool_calls).toMatchObject([{ name: 'calculator', owner: 'server', observation: '5' }]);
    expect(verify(gateway.store.db).problems).toEqual([]);
  });

  it("calls them the upstream's even where it gave token ids and logprobs", async () => {
    const { gateway } = await both(inTurn({ text: 'ok' }));
    await gateway.post({ ...ASK, return_token_ids: true, logprobs: true });
    const [trajectory] = listTrajectories(gateway.store.db, { limit: 1 }).data;
    expect(trajectory?.steps[0]).toMatchObject({
      policy_version: null,
      trainable: false,
      not_trainable_reason: 'upstream',
    });
    expect(trajectory?.steps[0]?.token_ids).toHaveLength(2);
  });

  it('keeps one trajectory for one model; another model goes on from it in a branch, with what the tools said', async () => {
    const replies = (request: EngineRequest): Reply =>
      request.body.messages.at(-1)?.role === 'user' && request.body.messages.length === 1
        ? call('2+3')
        : { text: `turn ${request.body.messages.length}` };
    const { gateway, upstream } = await both(replies, { script: replies });
    const messages: { role: 'user' | 'assistant'; content: string }[] = [{ role: 'user', content: 'add' }];
    const turn = async (model: string): Promise<string | null> => {
      const response = await gateway.post({ model, messages });
      const { choices } = (await response.json()) as { choices: { message: { content: string } }[] };
      messages.push(
        { role: 'assistant', content: choices[0]?.message.content ?? '' },
        { role: 'user', content: 'go on' },
      );
      return response.headers.get('x-gyre-trajectory');
    };
    const [first, second, third, fourth] = [
      await turn('big'),
      await turn('big'),
      await turn('gyre'),
      await turn('gyre@base'),
    ];
    expect(second).toBe(first);
    expect(third).not.toBe(first);
    expect(fourth).toBe(third);
    expect(gateway.engine.requests[0]?.body.messages.map((message) => message.role)).toEqual([
      'user',
      'assistant',
      'tool',
      'assistant',
      'user',
      'assistant',
      'user',
    ]);
    expect(upstream.requests).toHaveLength(3);
    const models = listTrajectories(gateway.store.db, { limit: 10 }).data.map(({ model, steps }) => [
      model,
      steps.map((step) => step.policy_version),
    ]);
    expect(models).toEqual([
      ['gyre', [0, 0]],
      ['big', [null, null, null]],
    ]);
    expect(verify(gateway.store.db).ok).toBe(true);
  });
});
