/** Answers that go wrong, as spans: the code of the fault on each, its words on none. */
import { describe, expect, it } from 'vitest';

import { inTurn } from '../fakes/engine.js';
import { until } from '../fakes/gateway.js';
import { ASK, telemetryBench } from './fixture.js';

const bench = telemetryBench();
const { start, sent, span, points } = bench;

describe('an answer that goes wrong', () => {
  it('by the engine before its first byte marks every span with the code, and none with the reason', async () => {
    await start({ script: inTurn({ status: 500, body: '{"error":{"message":"while reading: how much?"}}' }) });
    expect((await bench.gateway.post(ASK)).status).toBe(502);
    await sent();
    for (const name of ['POST /v1/chat/completions', 'invoke_agent gyre', 'chat gyre'])
      expect(span(name)).toMatchObject({ status: 2, attributes: { 'error.type': 'engine_error' }, events: [] });
    expect(span('POST /v1/chat/completions').attributes['http.response.status_code']).toBe(502);
    expect(span('invoke_agent gyre').attributes['gyre.outcome']).toBe('failed');
    expect(span('chat gyre').attributes['gen_ai.response.finish_reasons']).toEqual(['error']);
    expect(bench.collector.spans.every((each) => each.message === undefined || each.message === '')).toBe(true);
    expect(points('gen_ai.client.inference.duration')).toMatchObject([
      { attributes: { 'error.type': 'engine_error' }, count: 1 },
    ]);
    expect(points('gen_ai.server.request.duration')).toMatchObject([
      { attributes: { 'error.type': 'engine_error' }, count: 1 },
    ]);
    expect(points('gen_ai.server.time_to_first_token')).toEqual([]);
    // By the conventions a request that failed counts as one of no tokens, which is known of none.
    expect(points('gen_ai.client.inference.operation.input_tokens')).toMatchObject([
      { attributes: { 'error.type': 'engine_error' }, count: 1, sum: 0 },
    ]);
    expect(points('gen_ai.client.inference.usage.input_tokens')).toMatchObject([
      { attributes: { 'gen_ai.token.modality': 'unknown' }, sum: 0 },
    ]);
    expect(points('gen_ai.client.inference.time_to_first_chunk')).toEqual([]);
  });

  it('in the middle of a stream marks it though its status was 200', async () => {
    await start({ script: inTurn({ text: 'one two three', reset: 3 }) });
    await (await bench.gateway.post({ ...ASK, stream: true })).text().catch(() => '');
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
    const request = bench.gateway.post({ ...ASK, stream }, { signal: leaving.signal });
    request.catch(() => undefined);
    await until(() => bench.gateway.engine.requests.length === 1, 'the engine to be asked');
    if (stream) await request; // its head is here
    leaving.abort();
    await until(() => bench.gateway.engine.aborts === 1 && bench.gateway.app.inFlight() === 0, 'the end');
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
    expect((await bench.gateway.post({ nonsense: 'how much?' })).status).toBe(400);
    await sent();
    expect(bench.collector.spans).toHaveLength(1);
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
