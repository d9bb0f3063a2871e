/**
 * Requests as spans and metrics, received by a real OTLP collector: names, parents, what they carry, and what they
 * never do.
 */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import type { Key, Keys } from '../../src/core/key.js';
import { CONTENT, PLAIN } from '../../src/telemetry/attributes.js';
import { openTelemetry, type Telemetry } from '../../src/telemetry/open.js';
import { startCollector, type Collector, type Point, type Span } from '../fakes/collector.js';
import { inTurn, startEngine } from '../fakes/engine.js';
import { startGateway, until, type Gateway, type GatewayOptions } from '../fakes/gateway.js';

let collector: Collector;
let gateway: Gateway;
let telemetry: Telemetry | undefined;
const warnings: string[] = [];

beforeEach(async () => {
  collector = await startCollector();
  warnings.length = 0;
});
afterEach(async () => {
  await gateway.close();
  await telemetry?.close();
  telemetry = undefined;
  await collector.close();
  vi.unstubAllEnvs();
});

async function start(
  options: GatewayOptions = {},
  variables: Readonly<Record<string, string>> = {},
  redact: readonly string[] = [],
): Promise<Gateway> {
  const env = { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json', ...variables };
  for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
  telemetry = openTelemetry({
    env,
    version: '1.2.3',
    provider: 'vllm',
    redact,
    warn: (text) => warnings.push(text),
    flushMs: 300,
  });
  return (gateway = await startGateway({ ...options, deps: { observer: telemetry.observer, ...options.deps } }));
}

/** Everything there is has reached the collector afterwards. */
async function sent(): Promise<void> {
  await telemetry?.close();
  telemetry = undefined;
}

function span(name: string): Span {
  const found = collector.spans.find((each) => each.name === name);
  if (found === undefined)
    throw new Error(`no span "${name}" among: ${collector.spans.map((each) => each.name).join(', ')}`);
  return found;
}

const points = (name: string): Point[] => collector.points.filter((point) => point.name === name);
const ASK = { model: 'gyre', messages: [{ role: 'user' as const, content: 'how much?' }] };
const CALL = {
  calls: [{ id: 'call-7', name: 'calculator', arguments: '{"expression":"17+4"}' }],
  usage: { prompt: 20, completion: 9, cached: 16 },
};
const ANSWER = { text: 'It is twenty one.', usage: { prompt: 40, completion: 5, reasoning: 2 } };

describe('a request that runs a tool', () => {
  it('is a span of the server, the run in it, and in the run every policy call and tool', async () => {
    await start({ script: inTurn(CALL, ANSWER) });
    const answer = await gateway.post(
      {
        ...ASK,
        temperature: 0.5,
        top_p: 0.9,
        top_k: 4,
        max_tokens: 64,
        seed: 11,
        presence_penalty: 0.1,
        frequency_penalty: 0.2,
      },
      { headers: { 'x-request-id': 'mine-1' } },
    );
    const trajectory = answer.headers.get('x-gyre-trajectory');
    const { id } = (await answer.json()) as { id: string };
    await sent();

    expect(collector.spans.map((each) => each.name).sort()).toEqual([
      'POST /v1/chat/completions',
      'chat gyre',
      'chat gyre',
      'execute_tool calculator',
      'invoke_agent gyre',
    ]);
    const [server, agent, ran] = [
      span('POST /v1/chat/completions'),
      span('invoke_agent gyre'),
      span('execute_tool calculator'),
    ];
    const chats = collector.spans.filter((each) => each.name === 'chat gyre');
    expect(new Set(collector.spans.map((each) => each.traceId)).size).toBe(1);
    expect([server.parentSpanId, agent.parentSpanId]).toEqual(['', server.spanId]);
    expect([...chats, ran].map((each) => each.parentSpanId)).toEqual(Array(3).fill(agent.spanId));
    expect([server, agent, ...chats, ran].map((each) => each.kind)).toEqual([2, 1, 3, 3, 1]);
    expect(collector.spans.every((each) => each.status === 0 && each.end >= each.start)).toBe(true);

    expect(server.attributes).toEqual({
      'http.request.method': 'POST',
      'http.route': '/v1/chat/completions',
      'url.path': '/v1/chat/completions',
      'url.scheme': 'http',
      'http.response.status_code': 200,
      'gyre.request.id': 'mine-1',
      'gyre.delivery': 'delivered',
    });
    expect(agent.attributes).toEqual({
      'gen_ai.operation.name': 'invoke_agent',
      'gen_ai.provider.name': 'gyre',
      'gen_ai.agent.name': 'gyre',
      'gen_ai.request.model': 'gyre',
      'gen_ai.response.model': 'base',
      'gen_ai.conversation.id': trajectory,
      'gen_ai.response.id': id,
      'gyre.policy.version': 0,
      'gyre.outcome': 'completed',
      'gyre.stop_reason': 'stop',
      'gen_ai.usage.input_tokens': 60,
      'gen_ai.usage.output_tokens': 14,
      'gen_ai.usage.cache_read.input_tokens': 16,
      'gen_ai.usage.reasoning.output_tokens': 2,
    });
    const common = {
      'gen_ai.operation.name': 'chat',
      'gen_ai.provider.name': 'vllm',
      'gen_ai.request.model': 'gyre',
      'gen_ai.response.model': 'base',
      'gen_ai.conversation.id': trajectory,
      'gyre.policy.version': 0,
      'gen_ai.request.stream': true,
      'gen_ai.request.temperature': 0.5,
      'gen_ai.request.top_p': 0.9,
      'gen_ai.request.top_k': 4,
      'gen_ai.request.max_tokens': 64,
      'gen_ai.request.seed': 11,
      'gen_ai.request.presence_penalty': 0.1,
      'gen_ai.request.frequency_penalty': 0.2,
      'gen_ai.response.id': 'chatcmpl-engine',
      'gen_ai.response.time_to_first_chunk': expect.any(Number),
    };
    expect(chats.map((each) => each.attributes)).toEqual([
      {
        ...common,
        'gen_ai.response.finish_reasons': ['tool_calls'],
        'gen_ai.usage.input_tokens': 20,
        'gen_ai.usage.output_tokens': 9,
        'gen_ai.usage.cache_read.input_tokens': 16,
      },
      {
        ...common,
        'gen_ai.response.finish_reasons': ['stop'],
        'gen_ai.usage.input_tokens': 40,
        'gen_ai.usage.output_tokens': 5,
        'gen_ai.usage.reasoning.output_tokens': 2,
      },
    ]);
    expect(ran.attributes).toEqual({
      'gen_ai.operation.name': 'execute_tool',
      'gen_ai.tool.name': 'calculator',
      'gen_ai.tool.type': 'function',
      'gen_ai.tool.call.id': 'call-7',
      'gen_ai.conversation.id': trajectory,
      'gyre.policy.version': 0,
    });
    expect(ran.start).toBe(chats[0]?.end);
    expect(ran.end <= (chats[1]?.start ?? 0n)).toBe(true);
    expect(collector.resources[0]).toMatchObject({ 'service.name': 'gyre', 'service.version': '1.2.3' });
  });

  it('is counted in the metrics of the conventions', async () => {
    await start({ script: inTurn(CALL, ANSWER) });
    await gateway.client.chat.completions.create(ASK);
    await sent();
    expect([...new Set(collector.points.map((point) => `${point.name} ${point.unit}`))].sort()).toEqual([
      'gen_ai.client.operation.duration s',
      'gen_ai.client.token.usage {token}',
      'gen_ai.execute_tool.duration s',
      'gen_ai.server.request.duration s',
      'gen_ai.server.time_per_output_token s',
      'gen_ai.server.time_to_first_token s',
    ]);
    const about = {
      'gen_ai.operation.name': 'chat',
      'gen_ai.provider.name': 'vllm',
      'gen_ai.request.model': 'gyre',
      'gen_ai.response.model': 'base',
    };
    expect(
      points('gen_ai.client.token.usage').map(({ attributes, count, sum }) => ({ attributes, count, sum })),
    ).toEqual([
      { attributes: { ...about, 'gen_ai.token.type': 'input' }, count: 2, sum: 60 },
      { attributes: { ...about, 'gen_ai.token.type': 'output' }, count: 2, sum: 14 },
    ]);
    expect(points('gen_ai.client.token.usage')[0]?.bounds.slice(0, 4)).toEqual([1, 4, 16, 64]);
    expect(points('gen_ai.client.operation.duration')).toMatchObject([{ attributes: about, count: 2 }]);
    expect(points('gen_ai.server.request.duration')).toMatchObject([
      { attributes: { ...about, 'gen_ai.provider.name': 'gyre' }, count: 1 },
    ]);
    expect(points('gen_ai.server.request.duration')[0]?.bounds).toEqual([
      0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92,
    ]);
    expect(points('gen_ai.server.time_to_first_token')).toMatchObject([{ count: 1 }]);
    expect(points('gen_ai.server.time_per_output_token')).toMatchObject([{ count: 1 }]);
    expect(points('gen_ai.execute_tool.duration')).toMatchObject([
      {
        attributes: {
          'gen_ai.operation.name': 'execute_tool',
          'gen_ai.tool.name': 'calculator',
          'gen_ai.tool.type': 'function',
        },
        count: 1,
      },
    ]);
  });

  it('of an upstream names what that is, and no version of the policy', async () => {
    const upstream = await startEngine({ script: inTurn(ANSWER), models: ['big'] });
    await start({ config: { upstreams: [{ url: upstream.url, models: ['big'] }] } });
    await gateway.client.chat.completions.create({ ...ASK, model: 'big' });
    await sent();
    await upstream.close();
    expect(span('chat big').attributes).toMatchObject({
      'gen_ai.provider.name': 'openai',
      'gen_ai.response.model': 'big',
    });
    expect(span('invoke_agent gyre').attributes).toMatchObject({
      'gen_ai.provider.name': 'gyre',
      'gen_ai.request.model': 'big',
    });
    for (const each of collector.spans) expect(each.attributes).not.toHaveProperty('gyre.policy.version');
  });

  it('names the fault of a tool, and hides the name of a tool the policy made up', async () => {
    const twice = {
      calls: [
        { name: 'calculator', arguments: '{"expression":"x+y"}' },
        { name: 'Sarah_lives_in_Bonn', arguments: '{}' },
      ],
    };
    await start({ script: inTurn(twice, ANSWER) });
    await gateway.client.chat.completions.create(ASK);
    await sent();
    expect(span('execute_tool calculator')).toMatchObject({ status: 2, attributes: { 'error.type': 'failed' } });
    expect(span('execute_tool _OTHER')).toMatchObject({ status: 2, attributes: { 'error.type': 'unknown_tool' } });
    expect(collector.bodies.join('')).not.toContain('Sarah');
  });
});

describe('a trace', () => {
  const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';

  it('that the client began is gone on with, down to the engine', async () => {
    await start({ script: inTurn(CALL, ANSWER) });
    await gateway.post(ASK, {
      headers: { traceparent: `00-${TRACE}-00f067aa0ba902b7-01`, tracestate: 'other=1', baggage: 'user=Sarah' },
    });
    await sent();
    expect(new Set(collector.spans.map((each) => each.traceId))).toEqual(new Set([TRACE]));
    expect(span('POST /v1/chat/completions').parentSpanId).toBe('00f067aa0ba902b7');
    const chats = collector.spans.filter((each) => each.name === 'chat gyre');
    expect(gateway.engine.requests.map(({ headers }) => headers['traceparent'])).toEqual(
      chats.map((each) => `00-${TRACE}-${each.spanId}-01`),
    );
    expect(gateway.engine.requests[0]?.headers).toMatchObject({ tracestate: 'other=1' });
    expect(gateway.engine.requests[0]?.headers).not.toHaveProperty('baggage');
  });

  it('that the client does not record is not recorded here, and still counted', async () => {
    await start({ script: inTurn(ANSWER) });
    await gateway.post(ASK, { headers: { traceparent: `00-${TRACE}-00f067aa0ba902b7-00` } });
    await sent();
    expect(collector.spans).toEqual([]);
    expect(gateway.engine.requests[0]?.headers['traceparent']).toMatch(new RegExp(`^00-${TRACE}-[0-9a-f]{16}-00$`));
    expect(points('gen_ai.client.operation.duration')).toHaveLength(1);
  });

  it('is none where nobody watches: the engine hears of none', async () => {
    gateway = await startGateway({ script: inTurn(ANSWER) });
    await gateway.post(ASK, { headers: { traceparent: `00-${TRACE}-00f067aa0ba902b7-01` } });
    expect(gateway.engine.requests[0]?.headers).not.toHaveProperty('traceparent');
  });

  it('is sampled as the variables say', async () => {
    await start({ script: inTurn(ANSWER) }, { OTEL_TRACES_SAMPLER: 'always_off' });
    await gateway.client.chat.completions.create(ASK);
    await sent();
    expect(collector.paths).toEqual(['/v1/metrics']);
  });
});

describe('an answer that goes wrong', () => {
  it('by the engine before its first byte marks every span with the code, and none with the reason', async () => {
    await start({ script: inTurn({ status: 500, body: '{"error":{"message":"while reading: how much?"}}' }) });
    expect((await gateway.post(ASK)).status).toBe(502);
    await sent();
    for (const name of ['POST /v1/chat/completions', 'invoke_agent gyre', 'chat gyre'])
      expect(span(name)).toMatchObject({ status: 2, attributes: { 'error.type': 'engine_error' }, events: [] });
    expect(span('POST /v1/chat/completions').attributes['http.response.status_code']).toBe(502);
    expect(span('invoke_agent gyre').attributes['gyre.outcome']).toBe('failed');
    expect(span('chat gyre').attributes['gen_ai.response.finish_reasons']).toEqual(['error']);
    expect(collector.spans.every((each) => each.message === undefined || each.message === '')).toBe(true);
    expect(points('gen_ai.client.operation.duration')).toMatchObject([
      { attributes: { 'error.type': 'engine_error' }, count: 1 },
    ]);
    expect(points('gen_ai.server.request.duration')).toMatchObject([
      { attributes: { 'error.type': 'engine_error' }, count: 1 },
    ]);
    expect(points('gen_ai.server.time_to_first_token')).toEqual([]);
    expect(points('gen_ai.client.token.usage')).toEqual([]);
  });

  it('in the middle of a stream marks it though its status was 200', async () => {
    await start({ script: inTurn({ text: 'one two three', reset: 3 }) });
    await (await gateway.post({ ...ASK, stream: true })).text().catch(() => '');
    await sent();
    expect(span('POST /v1/chat/completions')).toMatchObject({
      status: 2,
      attributes: { 'http.response.status_code': 200, 'error.type': 'engine_connection_lost' },
    });
    expect(span('chat gyre').attributes['error.type']).toBe('engine_connection_lost');
  });

  it.each([
    [true, 'disconnected'],
    [false, 'not_started'],
  ])('because the client left is cancelled (stream: %s), and was %s', async (stream, delivery) => {
    await start({ script: inTurn({ text: 'one two three', stall: 2 }) });
    const leaving = new AbortController();
    const request = gateway.post({ ...ASK, stream }, { signal: leaving.signal });
    request.catch(() => undefined);
    await until(() => gateway.engine.requests.length === 1, 'the engine to be asked');
    if (stream) await request; // its head is here
    leaving.abort();
    await until(() => gateway.engine.aborts === 1 && gateway.app.inFlight() === 0, 'the end');
    await sent();
    expect(span('POST /v1/chat/completions').attributes['gyre.delivery']).toBe(delivery);
    expect(span('invoke_agent gyre')).toMatchObject({
      status: 0,
      attributes: { 'gyre.outcome': 'cancelled', 'gyre.stop_reason': 'client_abort' },
    });
    expect(span('chat gyre')).toMatchObject({ status: 2, attributes: { 'error.type': 'cancelled' } });
  });

  it("because it was refused is the server's span alone", async () => {
    await start();
    expect((await gateway.post({ nonsense: 'how much?' })).status).toBe(400);
    await sent();
    expect(collector.spans).toHaveLength(1);
    expect(span('POST /v1/chat/completions')).toMatchObject({
      status: 0,
      attributes: { 'http.response.status_code': 400, 'gyre.delivery': 'delivered' },
    });
    expect(points('gen_ai.server.request.duration')[0]?.attributes).toEqual({
      'gen_ai.operation.name': 'chat',
      'gen_ai.provider.name': 'gyre',
      'error.type': '400',
    });
  });
});

describe('what is said', () => {
  const KEY: Key = { id: 'key-ann', role: 'client', train: true };
  const KEYS: Keys = {
    required: () => true,
    find: (secret) => (secret === 'gyre_sk_verysecret' ? KEY : undefined),
    spent: () => 0,
  };
  const SAID = {
    model: 'gyre',
    stop: ['Stopword'],
    metadata: { team: 'Teamword' },
    user: 'Userword',
    messages: [
      { role: 'system', content: 'Systemword rules.' },
      { role: 'user', content: 'Promptword?' },
    ],
    tools: [
      { type: 'gyre:calculator' },
      { type: 'function', function: { name: 'lookup', description: 'Toolword', parameters: { type: 'object' } } },
    ],
  };
  // Numbers long enough to stand in no time or id by chance.
  const CALLING = {
    text: 'Thinkword',
    calls: [{ id: 'call-9', name: 'calculator', arguments: '{"expression":"12345678+43212345"}' }],
  };
  const SAYING = { text: ['Answerword ', 'done'] };
  const ask = async (): Promise<void> => {
    const response = await gateway.post(SAID, {
      headers: { authorization: 'Bearer gyre_sk_verysecret', cookie: 'session=Cookieword' },
    });
    expect(response.status).toBe(200);
    await response.text();
    await gateway.post(SAID, { headers: { authorization: 'Bearer wrongsecret' } });
    await sent();
  };

  it('is in nothing that is exported, and neither is a key, unless it is asked for', async () => {
    await start(
      { script: inTurn(CALLING, SAYING), deps: { keys: KEYS } },
      { OTEL_EXPORTER_OTLP_HEADERS: 'x-collector-key=collectorsecret' },
    );
    await ask();
    const all = collector.bodies.join('\n');
    expect(all.length).toBeGreaterThan(2_000);
    for (const word of [
      'Systemword',
      'Promptword',
      'Stopword',
      'Teamword',
      'Userword',
      'Toolword',
      'Thinkword',
      '12345678',
      '55558023',
      'Answerword',
      'Cookieword',
      'verysecret',
      'wrongsecret',
      'collectorsecret',
      'Bearer',
      'key-ann',
    ])
      expect(all).not.toContain(word);
    const carried = new Set(
      [...collector.spans, ...collector.points].flatMap(({ attributes }) => Object.keys(attributes)),
    );
    expect([...carried].filter((name) => !(PLAIN as readonly string[]).includes(name))).toEqual([]);
    // The process, its owner and its command line are nobody's business either.
    expect(new Set(collector.resources.flatMap((resource) => Object.keys(resource)))).toEqual(
      new Set([
        'service.name',
        'service.version',
        'telemetry.sdk.language',
        'telemetry.sdk.name',
        'telemetry.sdk.version',
      ]),
    );
  });

  it('is on the spans in the shape of the conventions where it is asked for; keys never are', async () => {
    await start(
      { script: inTurn(CALLING, SAYING), deps: { keys: KEYS } },
      { OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT: 'true' },
    );
    await ask();
    const said = (name: string, at: number): unknown =>
      JSON.parse(String(collector.spans.filter((each) => each.name === 'chat gyre')[at]?.attributes[name])) as unknown;
    expect(said('gen_ai.system_instructions', 0)).toEqual([{ type: 'text', content: 'Systemword rules.' }]);
    expect(said('gen_ai.input.messages', 0)).toEqual([
      { role: 'user', parts: [{ type: 'text', content: 'Promptword?' }] },
    ]);
    expect(said('gen_ai.output.messages', 0)).toEqual([
      {
        role: 'assistant',
        parts: [
          { type: 'text', content: 'Thinkword' },
          { type: 'tool_call', id: 'call-9', name: 'calculator', arguments: { expression: '12345678+43212345' } },
        ],
        finish_reason: 'tool_call',
      },
    ]);
    expect(said('gen_ai.tool.definitions', 0)).toEqual([
      { type: 'function', name: 'lookup', description: 'Toolword', parameters: { type: 'object' } },
      { type: 'function', name: 'calculator', parameters: { type: 'object' } },
    ]);
    expect(said('gen_ai.input.messages', 1)).toEqual([
      { role: 'user', parts: [{ type: 'text', content: 'Promptword?' }] },
      {
        role: 'assistant',
        parts: [
          { type: 'text', content: 'Thinkword' },
          { type: 'tool_call', id: 'call-9', name: 'calculator', arguments: { expression: '12345678+43212345' } },
        ],
      },
      { role: 'tool', parts: [{ type: 'tool_call_response', id: 'call-9', response: '55558023' }] },
    ]);
    expect(said('gen_ai.output.messages', 1)).toEqual([
      { role: 'assistant', parts: [{ type: 'text', content: 'Answerword done' }], finish_reason: 'stop' },
    ]);
    expect(span('chat gyre').attributes['gen_ai.request.stop_sequences']).toEqual(['Stopword']);
    expect(span('execute_tool calculator').attributes).toMatchObject({
      'gen_ai.tool.call.arguments': '{"expression":"12345678+43212345"}',
      'gen_ai.tool.call.result': '55558023',
    });
    const carried = new Set(collector.spans.flatMap(({ attributes }) => Object.keys(attributes)));
    expect([...carried].filter((name) => ![...PLAIN, ...CONTENT].some((known) => known === name))).toEqual([]);
    for (const word of ['verysecret', 'wrongsecret', 'Bearer', 'Cookieword'])
      expect(collector.bodies.join('\n')).not.toContain(word);
  });

  it('is redacted here as in the log', async () => {
    await start(
      { script: inTurn(CALLING, SAYING), deps: { keys: KEYS } },
      { OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT: 'true' },
      ['Promptword', '\\d{4}'],
    );
    await ask();
    const all = collector.bodies.join('\n');
    for (const word of ['Promptword', '12345678', '43212345', '55558023']) expect(all).not.toContain(word);
    expect(all).toContain('[redacted]?');
  });
});

describe('the collector', () => {
  it('gets only what was given an address', async () => {
    await start(
      { script: inTurn(ANSWER) },
      {
        OTEL_EXPORTER_OTLP_ENDPOINT: '',
        OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${collector.url}/v1/traces`,
        OTEL_SERVICE_NAME: 'mine',
        OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=lab',
      },
    );
    await gateway.client.chat.completions.create(ASK);
    await sent();
    expect(collector.paths).toEqual(['/v1/traces']);
    expect(collector.resources[0]).toMatchObject({ 'service.name': 'mine', 'deployment.environment.name': 'lab' });
  });

  it('that fails is complained of once, and no answer hears of it', async () => {
    collector.answer = (outgoing) => void outgoing.writeHead(400).end('no');
    await start({ script: inTurn(ANSWER) }, { OTEL_BSP_SCHEDULE_DELAY: '1', OTEL_METRICS_EXPORTER: 'none' });
    for (let time = 1; time <= 3; time += 1) {
      expect((await gateway.post(ASK)).status).toBe(200);
      await until(() => collector.paths.length >= time, 'an export');
    }
    await until(() => warnings.length > 0, 'a complaint');
    expect(warnings).toEqual(['OpenTelemetry: Bad Request']);
    await sent();
  });

  it('that never answers holds the end up no longer than the bound', async () => {
    collector.answer = () => undefined;
    await start({ script: inTurn(ANSWER) }, { OTEL_METRICS_EXPORTER: 'none' });
    await gateway.client.chat.completions.create(ASK);
    await sent();
    expect(warnings).toEqual(['the last telemetry could not be sent: not within 0.3 s']);
  });
});
