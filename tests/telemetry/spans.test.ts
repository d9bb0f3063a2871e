/** Requests as spans and metrics, received by a real OTLP collector: names, parents, what they carry. */
import { describe, expect, it, onTestFinished } from 'vitest';

import { inTurn, startEngine } from '../fakes/engine.js';
import { startGateway } from '../fakes/gateway.js';
import { ANSWER, ASK, CALL, telemetryBench } from './fixture.js';

const bench = telemetryBench();
const { start, sent, span, points } = bench;

describe('a request that runs a tool', () => {
  it('is a span of the server, the run in it, and in the run every policy call and tool', async () => {
    await start({ script: inTurn(CALL, ANSWER) });
    const answer = await bench.gateway.post(
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

    expect(bench.collector.spans.map((each) => each.name).sort()).toEqual([
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
    const chats = bench.collector.spans.filter((each) => each.name === 'chat gyre');
    expect(new Set(bench.collector.spans.map((each) => each.traceId)).size).toBe(1);
    expect([server.parentSpanId, agent.parentSpanId]).toEqual(['', server.spanId]);
    expect([...chats, ran].map((each) => each.parentSpanId)).toEqual(Array(3).fill(agent.spanId));
    expect([server, agent, ...chats, ran].map((each) => each.kind)).toEqual([2, 1, 3, 3, 1]);
    expect(bench.collector.spans.every((each) => each.status === 0 && each.end >= each.start)).toBe(true);

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
    expect(bench.collector.resources[0]).toMatchObject({ 'service.name': 'gyre', 'service.version': '1.2.3' });
  });

  it('is counted in the metrics of the conventions', async () => {
    await start({ script: inTurn(CALL, ANSWER) });
    await bench.gateway.client.chat.completions.create(ASK);
    await sent();
    expect([...new Set(bench.collector.points.map((point) => `${point.name} ${point.unit}`))].sort()).toEqual([
      'gen_ai.client.inference.duration s',
      'gen_ai.client.inference.operation.input_tokens {token}',
      'gen_ai.client.inference.operation.output_tokens {token}',
      'gen_ai.client.inference.time_to_first_chunk s',
      'gen_ai.client.inference.usage.cache_read.input_tokens {token}',
      'gen_ai.client.inference.usage.input_tokens {token}',
      'gen_ai.client.inference.usage.output_tokens {token}',
      'gen_ai.client.inference.usage.reasoning.output_tokens {token}',
      'gen_ai.execute_tool.duration s',
      'gen_ai.invoke_agent.duration s',
      'gen_ai.invoke_agent.inference_calls {inference_call}',
      'gen_ai.invoke_agent.tool_calls {tool_call}',
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
    const used = (what: string): unknown =>
      points(`gen_ai.client.inference.usage.${what}_tokens`).map(({ attributes, sum }) => ({ attributes, sum }));
    const text = { ...about, 'gen_ai.token.modality': 'text' };
    expect(used('input')).toEqual([{ attributes: text, sum: 60 }]);
    expect(used('output')).toEqual([{ attributes: text, sum: 14 }]);
    expect(used('cache_read.input')).toEqual([{ attributes: text, sum: 16 }]);
    expect(used('reasoning.output')).toEqual([{ attributes: text, sum: 2 }]);
    const [input] = points('gen_ai.client.inference.operation.input_tokens');
    expect(input).toMatchObject({ attributes: about, count: 2, sum: 60 });
    expect(input?.bounds.slice(0, 4)).toEqual([1, 4, 16, 64]);
    expect(points('gen_ai.client.inference.duration')).toMatchObject([{ attributes: about, count: 2 }]);
    expect(points('gen_ai.client.inference.time_to_first_chunk')).toMatchObject([{ attributes: about, count: 2 }]);
    const run = {
      'gen_ai.operation.name': 'invoke_agent',
      'gen_ai.agent.name': 'gyre',
      'gen_ai.request.model': 'gyre',
    };
    expect(points('gen_ai.invoke_agent.duration')).toMatchObject([{ attributes: run, count: 1 }]);
    expect(points('gen_ai.invoke_agent.inference_calls')).toMatchObject([{ attributes: run, count: 1, sum: 2 }]);
    expect(points('gen_ai.invoke_agent.tool_calls')).toMatchObject([{ attributes: run, count: 1, sum: 1 }]);
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
    await bench.gateway.client.chat.completions.create({ ...ASK, model: 'big' });
    await sent();
    await upstream.close();
    expect(span('chat big').attributes).toMatchObject({
      'gen_ai.provider.name': 'openai',
      'gen_ai.response.model': 'big',
    });
    expect(span('invoke_agent gyre').attributes).toMatchObject({ 'gen_ai.request.model': 'big' });
    for (const each of bench.collector.spans) expect(each.attributes).not.toHaveProperty('gyre.policy.version');
  });

  it('names the fault of a tool, and hides the name of a tool the policy made up', async () => {
    const twice = {
      calls: [
        { name: 'calculator', arguments: '{"expression":"x+y"}' },
        { name: 'Sarah_lives_in_Bonn', arguments: '{}' },
      ],
    };
    await start({ script: inTurn(twice, ANSWER) });
    await bench.gateway.client.chat.completions.create(ASK);
    await sent();
    expect(span('execute_tool calculator')).toMatchObject({ status: 2, attributes: { 'error.type': 'failed' } });
    expect(span('execute_tool _OTHER')).toMatchObject({ status: 2, attributes: { 'error.type': 'unknown_tool' } });
    expect(bench.collector.bodies.join('')).not.toContain('Sarah');
  });
});

describe('a trace', () => {
  const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';

  it('that the client began is gone on with, down to the engine', async () => {
    await start({ script: inTurn(CALL, ANSWER) });
    await bench.gateway.post(ASK, {
      headers: { traceparent: `00-${TRACE}-00f067aa0ba902b7-01`, tracestate: 'other=1', baggage: 'user=Sarah' },
    });
    await sent();
    expect(new Set(bench.collector.spans.map((each) => each.traceId))).toEqual(new Set([TRACE]));
    expect(span('POST /v1/chat/completions').parentSpanId).toBe('00f067aa0ba902b7');
    const chats = bench.collector.spans.filter((each) => each.name === 'chat gyre');
    expect(bench.gateway.engine.requests.map(({ headers }) => headers['traceparent'])).toEqual(
      chats.map((each) => `00-${TRACE}-${each.spanId}-01`),
    );
    expect(bench.gateway.engine.requests[0]?.headers).toMatchObject({ tracestate: 'other=1' });
    expect(bench.gateway.engine.requests[0]?.headers).not.toHaveProperty('baggage');
  });

  it('that the client does not record is not recorded here, and still counted', async () => {
    await start({ script: inTurn(ANSWER) });
    await bench.gateway.post(ASK, { headers: { traceparent: `00-${TRACE}-00f067aa0ba902b7-00` } });
    await sent();
    expect(bench.collector.spans).toEqual([]);
    expect(bench.gateway.engine.requests[0]?.headers['traceparent']).toMatch(
      new RegExp(`^00-${TRACE}-[0-9a-f]{16}-00$`),
    );
    expect(points('gen_ai.client.inference.duration')).toHaveLength(1);
  });

  it('is none where nobody watches: the engine hears of none', async () => {
    const gateway = await startGateway({ script: inTurn(ANSWER) });
    onTestFinished(() => gateway.close());
    await gateway.post(ASK, { headers: { traceparent: `00-${TRACE}-00f067aa0ba902b7-01` } });
    expect(gateway.engine.requests[0]?.headers).not.toHaveProperty('traceparent');
  });

  it('is sampled as the variables say', async () => {
    await start({ script: inTurn(ANSWER) }, { OTEL_TRACES_SAMPLER: 'always_off' });
    await bench.gateway.client.chat.completions.create(ASK);
    await sent();
    expect(bench.collector.paths).toEqual(['/v1/metrics']);
  });
});
