/** Every way a request can go wrong, with the status, the envelope and the retry headers a client sees. */
import { gzipSync } from 'node:zlib';

import OpenAI from 'openai';
import { afterEach, describe, expect, it } from 'vitest';

import { inTurn, type Reply } from '../fakes/engine.js';
import { adder, startGateway, until, type Gateway, type GatewayOptions, type PostOptions } from '../fakes/gateway.js';

let gateway: Gateway;
const start = async (options: GatewayOptions = {}): Promise<Gateway> => (gateway = await startGateway(options));
afterEach(async () => gateway.close());

const ASK = { model: 'gyre', messages: [{ role: 'user' as const, content: 'hi' }] };
const ADD = { name: 'calculator', arguments: '{"expression":"2+3"}' };

interface Envelope {
  readonly error: {
    readonly message: string;
    readonly type: string;
    readonly param: string | null;
    readonly code: string;
  };
}

const ask = (path: string, body: unknown): Promise<Response> =>
  fetch(`${gateway.url}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });

async function refused(
  body: unknown,
  init: PostOptions = {},
): Promise<Envelope['error'] & { readonly status: number }> {
  const response = await gateway.post(body, init);
  const { error } = (await response.json()) as Envelope;
  expect(Object.keys(error).sort()).toEqual(['code', 'message', 'param', 'type']);
  expect(response.headers.get('x-request-id')).toBeTruthy();
  return { status: response.status, ...error };
}

describe('a request that is refused', () => {
  it.each<[string, unknown, { status: number; param: string | null; code: string }]>([
    ['malformed JSON', '{"model": "gyre",', { status: 400, param: null, code: 'invalid_json' }],
    ['an empty body', '', { status: 400, param: null, code: 'invalid_json' }],
    ['a list for a body', [], { status: 400, param: null, code: 'invalid_type' }],
    ['no model', { messages: ASK.messages }, { status: 400, param: 'model', code: 'missing_required_parameter' }],
    ['no messages', { model: 'gyre' }, { status: 400, param: 'messages', code: 'missing_required_parameter' }],
    ['an empty conversation', { ...ASK, messages: [] }, { status: 400, param: 'messages', code: 'invalid_value' }],
    ['a number for a model', { ...ASK, model: 5 }, { status: 400, param: 'model', code: 'invalid_type' }],
    [
      'text for a temperature',
      { ...ASK, temperature: 'hot' },
      { status: 400, param: 'temperature', code: 'invalid_type' },
    ],
    [
      'a temperature too high',
      { ...ASK, temperature: 3 },
      { status: 400, param: 'temperature', code: 'invalid_value' },
    ],
    [
      'an unknown role',
      { ...ASK, messages: [{ role: 'robot', content: 'x' }] },
      { status: 400, param: 'messages.0.role', code: 'invalid_value' },
    ],
    [
      'a number for content',
      { ...ASK, messages: [{ role: 'user', content: 3 }] },
      { status: 400, param: 'messages.0.content', code: 'invalid_type' },
    ],
    [
      'an unknown field of what a stream is to have',
      { ...ASK, stream: true, stream_options: { colour: 'red' } },
      { status: 400, param: 'stream_options.colour', code: 'unknown_parameter' },
    ],
    [
      'an unknown parameter',
      { ...ASK, temprature: 1 },
      { status: 400, param: 'temprature', code: 'unknown_parameter' },
    ],
    [
      'an inherited name as a parameter',
      { ...ASK, constructor: 1 },
      { status: 400, param: 'constructor', code: 'unknown_parameter' },
    ],
    [
      'a parameter that is not supported',
      { ...ASK, use_beam_search: true },
      { status: 400, param: 'use_beam_search', code: 'unsupported_parameter' },
    ],
    [
      'top_logprobs without logprobs',
      { ...ASK, top_logprobs: 2 },
      { status: 400, param: 'top_logprobs', code: 'invalid_value' },
    ],
    ['an unknown model', { ...ASK, model: 'gpt-4o' }, { status: 404, param: 'model', code: 'model_not_found' }],
    ['an unknown version', { ...ASK, model: 'gyre@77' }, { status: 404, param: 'model', code: 'model_not_found' }],
    [
      'an unknown server tool',
      { ...ASK, tools: [{ type: 'gyre:calculater' }] },
      { status: 400, param: 'tools', code: 'invalid_value' },
    ],
    [
      'a tool of an unknown type',
      { ...ASK, tools: [{ type: 'web_search' }] },
      { status: 400, param: 'tools.0.type', code: 'invalid_value' },
    ],
    [
      'a function named like a server tool beside it',
      { ...ASK, tools: [{ type: 'gyre:calculator' }, { type: 'function', function: { name: 'calculator' } }] },
      { status: 400, param: 'tools', code: 'invalid_value' },
    ],
    [
      'two functions of one name',
      {
        ...ASK,
        tools: [
          { type: 'function', function: { name: 'a' } },
          { type: 'function', function: { name: 'a' } },
        ],
      },
      { status: 400, param: 'tools', code: 'invalid_value' },
    ],
    [
      'a forced tool that is not offered',
      { ...ASK, tool_choice: { type: 'function', function: { name: 'x' } } },
      { status: 400, param: 'tool_choice', code: 'invalid_value' },
    ],
    [
      'several choices with server tools',
      { ...ASK, n: 2, tools: [{ type: 'gyre:calculator' }] },
      { status: 400, param: 'n', code: 'invalid_value' },
    ],
    [
      'nesting beyond 100',
      { ...ASK, metadata: JSON.parse('['.repeat(101) + ']'.repeat(101)) as unknown },
      { status: 400, param: null, code: 'invalid_json' },
    ],
  ])('for %s says so, and calls no policy', async (_name, body, expected) => {
    await start();
    const error = await refused(body);
    expect(error).toMatchObject(expected);
    expect(error.type).toBe('invalid_request_error');
    expect(gateway.engine.requests).toHaveLength(0);
    expect(gateway.logged).toHaveLength(0);
  });

  it('for a misspelt parameter names the nearest known one', async () => {
    await start();
    expect((await refused({ ...ASK, max_completion_token: 1 })).message).toContain('"max_completion_tokens"');
    expect((await refused({ ...ASK, tools: [{ type: 'gyre:calculater' }] })).message).toContain('"gyre:calculator"');
  });

  it('takes JSON nested to the limit, and null for any optional field', async () => {
    await start({ script: inTurn({}) });
    expect(
      (
        await gateway.post({
          ...ASK,
          temperature: null,
          tools: null,
          functions: null,
          stop: null,
          response_format: null,
        })
      ).status,
    ).toBe(200);
    const deep = JSON.parse('['.repeat(96) + ']'.repeat(96)) as unknown;
    expect((await gateway.post({ ...ASK, chat_template_kwargs: { deep } })).status).toBe(200);
  });

  it('for a body over the limit is a 413, also after unpacking', async () => {
    await start({ config: { 'limits.body_bytes': 10_000 }, script: inTurn({}) });
    const big = JSON.stringify({ ...ASK, messages: [{ role: 'user', content: 'x'.repeat(1_000_000) }] });
    expect(await refused(big)).toMatchObject({ status: 413, code: 'request_too_large' });
    expect(
      await refused(gzipSync(big).toString('latin1'), {
        body: new Uint8Array(gzipSync(big)),
        headers: { 'content-encoding': 'gzip' },
      }),
    ).toMatchObject({ status: 413 });
    const small = new Uint8Array(gzipSync(JSON.stringify(ASK)));
    expect((await gateway.post('', { body: small, headers: { 'content-encoding': 'gzip' } })).status).toBe(200);
    expect(await refused('', { body: 'not gzip', headers: { 'content-encoding': 'gzip' } })).toMatchObject({
      status: 400,
    });
    expect(await refused('', { body: 'x', headers: { 'content-encoding': 'zstd' } })).toMatchObject({ status: 415 });
  });

  it('on an unknown route is a 404 in the same envelope', async () => {
    await start();
    const response = await fetch(`${gateway.url}/v1/nothing`);
    expect(response.status).toBe(404);
    expect(((await response.json()) as Envelope).error.code).toBe('unknown_url');
  });

  it('beyond the concurrency limit is a 429 that says when to come back', async () => {
    await start({ config: { 'limits.concurrency': 1 }, script: inTurn({ silent: true }) });
    const leave = new AbortController();
    const held = gateway.post(ASK, { signal: leave.signal }).catch(() => undefined);
    await until(() => gateway.engine.requests.length === 1, 'the first request');
    const response = await gateway.post(ASK);
    expect(response.status).toBe(429);
    expect(response.headers.get('retry-after')).toBe('1');
    expect(response.headers.get('x-should-retry')).toBe('true');
    leave.abort();
    await held;
  });
});

const FAULTS: readonly [string, Reply, { status: number; code: string; retry: string }][] = [
  [
    '429 with retry-after',
    { status: 429, headers: { 'retry-after': '7' } },
    { status: 429, code: 'rate_limit_exceeded', retry: 'true' },
  ],
  ['500', { status: 500 }, { status: 502, code: 'engine_error', retry: 'true' }],
  ['503', { status: 503 }, { status: 502, code: 'engine_unavailable', retry: 'true' }],
  ['401', { status: 401 }, { status: 502, code: 'engine_refused_key', retry: 'true' }],
  [
    'a page of HTML',
    { status: 200, body: '<html>busy</html>', headers: { 'content-type': 'text/html' } },
    { status: 502, code: 'engine_garbage', retry: 'true' },
  ],
  [
    'garbage where JSON should be',
    { status: 200, body: 'data: {nonsense\n\n', headers: { 'content-type': 'text/event-stream' } },
    { status: 502, code: 'engine_garbage', retry: 'true' },
  ],
  ['a reset before the head', { reset: 0 }, { status: 502, code: 'engine_connection_lost', retry: 'true' }],
  ['an end before the first event', { hangUp: 0 }, { status: 502, code: 'engine_truncated', retry: 'true' }],
  ['silence', { silent: true }, { status: 504, code: 'engine_timeout', retry: 'true' }],
  [
    'an error object in the stream',
    {
      status: 200,
      body: 'data: {"error":{"message":"out of memory","type":"InternalServerError","code":500}}\n\ndata: [DONE]\n\n',
      headers: { 'content-type': 'text/event-stream' },
    },
    { status: 502, code: 'engine_error', retry: 'true' },
  ],
];

describe('an engine that fails before its first byte', () => {
  it('by breaking the connection, as one does that was kept too long, is asked once more and no more', async () => {
    await start({ script: inTurn({ reset: 0 }, { text: 'here' }, { reset: 0 }, { reset: 0 }, { text: 'too late' }) });
    const first = await gateway.post(ASK);
    expect([first.status, gateway.engine.requests.length]).toEqual([200, 2]);
    expect(gateway.logged.at(-1)?.steps).toMatchObject([{ outcome: 'done' }]);
    expect([(await gateway.post(ASK)).status, gateway.engine.requests.length]).toEqual([502, 4]);
  });

  it.each(FAULTS)('with %s gives a real status, whole and streamed', async (_name, reply, expected) => {
    await start({ script: inTurn(reply), engineTimeoutMs: 300 });
    for (const stream of [false, true]) {
      const response = await gateway.post({ ...ASK, stream });
      expect({
        status: response.status,
        retry: response.headers.get('x-should-retry'),
        code: ((await response.json()) as Envelope).error.code,
      }).toEqual(expected);
      expect(response.headers.get('x-gyre-trajectory')).toBe(gateway.logged.at(-1)?.trajectoryId);
      if (expected.status === 429) expect(response.headers.get('retry-after')).toBe('7');
      expect(gateway.logged.at(-1)).toMatchObject({
        ending: { outcome: 'failed', stopReason: 'engine_error' },
        steps: [{ outcome: 'failed', notTrainable: 'engine_error' }],
      });
    }
    // A connection that broke may have been an old one.
    expect(gateway.engine.requests).toHaveLength('reset' in reply ? 4 : 2);
  });

  it('because it is not there gives 503', async () => {
    await start({ engineUrl: 'http://127.0.0.1:9' });
    expect(await refused(ASK)).toMatchObject({ status: 503, code: 'engine_unreachable', type: 'server_error' });
  });

  it("refusing too long a prompt passes its reason on in OpenAI's shape", async () => {
    await start({
      script: inTurn({
        status: 400,
        body: JSON.stringify({
          error: {
            message: "This model's maximum context length is 2048 tokens. However, you requested 4008 tokens.",
            type: 'BadRequestError',
            param: null,
            code: 400,
          },
        }),
      }),
    });
    expect(await refused(ASK)).toMatchObject({
      status: 400,
      code: 'context_length_exceeded',
      param: 'messages',
      type: 'invalid_request_error',
    });
  });

  it.each<[string, object, string]>([
    ['/v1/responses', { model: 'gyre', input: 'hi' }, 'input'],
    ['/v1/responses', { model: 'gyre', input: 'hi', stream: true }, 'input'],
    ['/v1/completions', { model: 'gyre', prompt: 'hi' }, 'prompt'],
  ])('refusing too long a prompt is told at %s by the field of the request %j', async (path, body, param) => {
    const error = { message: "This model's maximum context length is 2048 tokens. You requested 4008.", code: 400 };
    await start({ script: inTurn({ status: 400, body: JSON.stringify({ error }) }) });
    const response = await ask(path, body);
    expect([response.status, await response.json()]).toMatchObject([
      400,
      { error: { code: 'context_length_exceeded', param } },
    ]);
  });

  it('a request with a field of another protocol is told so by its name', async () => {
    await start();
    const response = await ask('/v1/responses', ASK);
    expect(await response.json()).toMatchObject({ error: { param: 'messages', code: 'unknown_parameter' } });
  });

  it('having lost an adapter gets it loaded again, and the client notices nothing', async () => {
    await start({ script: inTurn({ text: 'ok' }) });
    const answer = await gateway.client.chat.completions.create({ ...ASK, model: 'gyre@1' });
    expect(answer.choices[0]?.message.content).toBe('ok');
    gateway.engine.adapters.clear();
    const again = await gateway.client.chat.completions.create({ ...ASK, model: 'gyre@1' }).withResponse();
    expect(again.data.choices[0]?.message.content).toBe('ok');
    expect(again.response.headers.get('x-gyre-policy-version')).toBe('1');
    expect(gateway.serving.inFlight(1)).toBe(0);
  });
});

describe('an engine that fails in the middle', () => {
  it.each<[string, Reply, string]>([
    ['a reset', { text: 'one two three', reset: 2 }, 'engine_connection_lost'],
    ['an end without a finish reason', { text: 'one two', hangUp: 2 }, 'engine_truncated'],
    ['[DONE] without a finish reason', { text: 'one two', finish: null }, 'engine_truncated'],
    ['silence', { text: 'one two', stall: 2 }, 'engine_timeout'],
  ])('by %s ends the stream with one error, no finish reason and no [DONE]', async (_name, reply, code) => {
    await start({ script: inTurn(reply), engineTimeoutMs: 400 });
    const response = await gateway.post({ ...ASK, stream: true });
    expect(response.status).toBe(200);
    const raw = await response.text();
    expect(raw).toContain('"content":"one');
    expect(raw).not.toContain('[DONE]');
    expect(raw).not.toMatch(/"finish_reason":"/);
    const frames = raw.trim().split('\n\n');
    expect((JSON.parse(frames.at(-1)?.slice(6) ?? '') as Envelope).error.code).toBe(code);
    expect(raw.match(/"error"/g)).toHaveLength(1);
    expect(gateway.logged[0]).toMatchObject({
      ending: { outcome: 'failed' },
      steps: [{ outcome: 'failed', action: { cut: true } }],
    });
    const whole = await gateway.post(ASK);
    expect(whole.status).toBeGreaterThanOrEqual(500);
  });

  it('makes the official client throw, not believe in a short answer', async () => {
    await start({ script: inTurn({ text: 'one two', hangUp: 2 }) });
    const stream = await gateway.client.chat.completions.create({ ...ASK, stream: true });
    await expect(async () => {
      for await (const chunk of stream) expect(chunk.object).toBe('chat.completion.chunk');
    }).rejects.toBeInstanceOf(OpenAI.APIError);
  });

  it('after a tool has run forbids a retry', async () => {
    await start({ script: inTurn({ calls: [ADD] }, { status: 500 }), tools: [adder] });
    const response = await gateway.post(ASK);
    expect(response.status).toBe(502);
    expect(response.headers.get('x-should-retry')).toBe('false');
  });

  it('does not need [DONE] once the finish reason is there', async () => {
    await start({ script: inTurn({ text: 'fine', done: false }) });
    expect((await gateway.client.chat.completions.create(ASK)).choices[0]?.message.content).toBe('fine');
  });
});
