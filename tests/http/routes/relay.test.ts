import type { ServerResponse } from 'node:http';

import { afterEach, describe, expect, it } from 'vitest';

import { RELAYED } from '../../../src/http/routes/relay.js';
import { usageOf } from '../../../src/store/keys/usage.js';
import type { Gateway, GatewayOptions } from '../../fakes/gateway.js';
import { startRelayUpstream, VECTOR } from '../../fakes/relayed.js';
import { closeOpened, KEY, opened, start } from '../../fakes/upstreams.js';

afterEach(closeOpened);

type Upstream = Awaited<ReturnType<typeof startRelayUpstream>>;
const MODEL = 'text-embedding-3-small';

async function relaying(
  reply?: Parameters<typeof startRelayUpstream>[0],
  options: GatewayOptions = {},
): Promise<{ readonly gateway: Gateway; readonly upstream: Upstream }> {
  const upstream = await startRelayUpstream(reply);
  opened.push(upstream);
  const gateway = await start([{ url: `${upstream.url}/v1`, models: [MODEL, 'whisper-1'], api_key: KEY }], options);
  return { gateway, upstream };
}

const post = (gateway: Gateway, path: string, body: unknown, init: RequestInit = {}): Promise<Response> =>
  fetch(gateway.url + path, {
    method: 'POST',
    body: JSON.stringify(body),
    ...init,
    headers: { 'content-type': 'application/json', ...(init.headers as Record<string, string>) },
  });
const errorOf = async (response: Response): Promise<Record<string, unknown>> => ({
  status: response.status,
  ...((await response.json()) as { error: Record<string, unknown> }).error,
});

describe('what only an upstream does', () => {
  it.each(RELAYED)('POST %s goes to the upstream as it came, with the upstream’s key', async (path) => {
    const { gateway, upstream } = await relaying();
    const text = `{ "model": "${MODEL}", "input": ["a"], "big": 12345678901234567890 }`;
    const response = await post(gateway, path, undefined, {
      body: text,
      headers: {
        authorization: 'Bearer of-the-client',
        'x-api-key': 'of-the-client',
        'x-request-id': 'mine',
        cookie: 'a=b',
      },
    });
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual(VECTOR);
    expect(response.headers.get('x-request-id')).toBe('mine');
    expect(response.headers.get('set-cookie')).toBeNull();
    const [sent] = upstream.requests;
    expect(sent?.url).toBe(path);
    expect(sent?.body.toString()).toBe(text);
    expect(sent?.headers).toMatchObject({ authorization: `Bearer ${KEY}`, 'x-request-id': 'mine' });
    expect(JSON.stringify(sent?.headers)).not.toContain('of-the-client');
    expect(sent?.headers).not.toHaveProperty('cookie');
    expect(gateway.logged).toHaveLength(0);
  });

  it('the official client embeds', async () => {
    const { gateway } = await relaying();
    const { data } = await gateway.client.embeddings.create({ model: MODEL, input: 'a', encoding_format: 'float' });
    expect(data[0]?.embedding).toEqual([0.5, -0.5]);
  });

  it('a form is told by its part "model", and passed on byte for byte', async () => {
    const { gateway, upstream } = await relaying((outgoing) =>
      outgoing.writeHead(200, { 'content-type': 'application/json' }).end('{"text":"hello"}'),
    );
    const sound = new File([new Uint8Array([0, 255, 13, 10, 45, 45])], 'a.wav', { type: 'audio/wav' });
    expect(await gateway.client.audio.transcriptions.create({ model: 'whisper-1', file: sound })).toEqual({
      text: 'hello',
    });
    expect(upstream.requests[0]?.headers['content-type']).toMatch(/^multipart\/form-data; ?boundary=/);
    expect(upstream.requests[0]?.body.includes(Buffer.from([0, 255, 13, 10, 45, 45]))).toBe(true);

    const form = new FormData();
    form.append('file', sound);
    const response = await fetch(`${gateway.url}/v1/audio/translations`, { method: 'POST', body: form });
    expect(await errorOf(response)).toMatchObject({ status: 400, param: 'model', code: 'missing_required_parameter' });
  });

  it('a stream and sound come as they are', async () => {
    const bytes = Buffer.from(Array.from({ length: 200_000 }, (_, at) => at % 256));
    const { gateway } = await relaying((outgoing, { url }) => {
      if (url.endsWith('/speech')) return outgoing.writeHead(200, { 'content-type': 'audio/mpeg' }).end(bytes);
      outgoing.writeHead(200, { 'content-type': 'text/event-stream' });
      outgoing.write('data: {"delta":"a"}\n\n');
      return setTimeout(() => outgoing.end('data: [DONE]\n\n'), 50);
    });
    const sound = await post(gateway, '/v1/audio/speech', { model: MODEL, input: 'a', voice: 'b' });
    expect(sound.headers.get('content-type')).toBe('audio/mpeg');
    expect(Buffer.from(await sound.arrayBuffer()).equals(bytes)).toBe(true);
    const events = await post(gateway, '/v1/images/generations', { model: MODEL, stream: true });
    expect(events.headers.get('content-type')).toBe('text/event-stream');
    const reader = (events.body as ReadableStream<Uint8Array>).getReader();
    expect(new TextDecoder().decode((await reader.read()).value)).toBe('data: {"delta":"a"}\n\n');
    expect(new TextDecoder().decode((await reader.read()).value)).toBe('data: [DONE]\n\n');
  });
});

describe('a reply larger than 16 times "limits.answer_bytes"', () => {
  const config = { 'limits.answer_bytes': 1_000 };
  const large = Buffer.alloc(20_000);

  it('is a 502 where it says so, and broken off where it does not', async () => {
    const { gateway } = await relaying(
      (outgoing, { url }) => {
        const length = url.endsWith('/speech') ? { 'content-length': String(large.length) } : {};
        outgoing.writeHead(200, { 'content-type': 'audio/mpeg', ...length });
        outgoing.write(large.subarray(0, 10_000));
        return setTimeout(() => outgoing.end(large.subarray(10_000)), 50);
      },
      { config },
    );
    expect(await errorOf(await post(gateway, '/v1/audio/speech', { model: MODEL }))).toMatchObject({
      status: 502,
      code: 'engine_garbage',
      message: expect.stringContaining('16000 bytes') as string,
    });
    await expect(
      post(gateway, '/v1/images/generations', { model: MODEL }).then((response) => response.arrayBuffer()),
    ).rejects.toThrow();
  });

  it('and one within it is passed on', async () => {
    const { gateway } = await relaying((outgoing) => outgoing.writeHead(200).end(large.subarray(0, 15_000)), {
      config,
    });
    const response = await post(gateway, '/v1/audio/speech', { model: MODEL });
    expect((await response.arrayBuffer()).byteLength).toBe(15_000);
  });
});

describe('what is counted of it', () => {
  it('requests and tokens, under the key that asked', async () => {
    const { gateway } = await relaying();
    const key = gateway.key('ann', { limits: { requestsPerMinute: 2, monthlyTokens: 100 } });
    const ask = (): Promise<Response> => post(gateway, '/v1/embeddings', { model: MODEL }, { headers: key.headers });
    expect((await ask()).headers.get('x-ratelimit-limit-requests')).toBe('2');
    await (await ask()).text();
    await expect.poll(() => usageOf(gateway.store.db, Date.now()).get(key.id)).toEqual({ requests: 2, tokens: 14 });
    expect(await errorOf(await ask())).toMatchObject({ status: 429, code: 'rate_limit_exceeded' });
    expect((await post(gateway, '/v1/embeddings', { model: MODEL })).status).toBe(401);
    const { headers } = gateway.key('root', { role: 'admin' });
    const numbers = await (await fetch(`${gateway.url}/metrics`, { headers })).text();
    expect(numbers).toContain('gyre_requests_total{route="/v1/embeddings",status="200"} 2');
    expect(numbers).toContain('gyre_requests_total{route="/v1/embeddings",status="429"} 1');
    expect(numbers).toContain('gyre_tokens_total{kind="prompt"} 14');
  });

  it('a spent month is spent here too', async () => {
    const { gateway } = await relaying();
    const { headers } = gateway.key('ann', { limits: { monthlyTokens: 7 } });
    await (await post(gateway, '/v1/embeddings', { model: MODEL }, { headers })).text();
    await expect
      .poll(async () => (await post(gateway, '/v1/embeddings', { model: MODEL }, { headers })).status)
      .toBe(429);
    expect(
      (await gateway.post({ model: 'gyre', messages: [{ role: 'user', content: 'a' }] }, { headers })).status,
    ).toBe(429);
  });
});

describe('what goes wrong', () => {
  it.each(['gyre', 'gyre@base', 'gyre@1'])('the policy does not do it: %s', async (model) => {
    const { gateway, upstream } = await relaying();
    expect(await errorOf(await post(gateway, '/v1/embeddings', { model }))).toMatchObject({
      status: 400,
      param: 'model',
      message: expect.stringMatching(
        /gateway's own.*\/v1\/embeddings.*There are: text-embedding-3-small, whisper-1\./,
      ) as string,
    });
    expect(upstream.requests).toHaveLength(0);
    expect(await errorOf(await post(await start([]), '/v1/embeddings', { model }))).toMatchObject({
      message: expect.stringContaining('There are none') as string,
    });
  });

  it.each<[string, RequestInit, Record<string, unknown>]>([
    ['no such model', { body: '{"model":"other"}' }, { status: 404, code: 'model_not_found', param: 'model' }],
    ['no model', { body: '{"input":"a"}' }, { status: 400, param: 'model', code: 'missing_required_parameter' }],
    ['a model that is no text', { body: '{"model":5}' }, { status: 400, param: 'model' }],
    ['no JSON', { body: '{' }, { status: 400, code: 'invalid_json' }],
    ['no object', { body: '[]' }, { status: 400 }],
    [
      'no form',
      { body: 'a', headers: { 'content-type': 'multipart/form-data; boundary=x' } },
      { status: 400, code: 'invalid_form' },
    ],
    ['a body that is no JSON', { body: 'a', headers: { 'content-type': 'text/plain' } }, { status: 400 }],
  ])('%s is refused here', async (_, init, expected) => {
    const { gateway, upstream } = await relaying();
    expect(await errorOf(await post(gateway, '/v1/embeddings', undefined, init))).toMatchObject(expected);
    expect(upstream.requests).toHaveLength(0);
  });

  it('a body that is too large is', async () => {
    const { gateway } = await relaying(undefined, { config: { 'limits.body_bytes': 100 } });
    const response = await post(gateway, '/v1/embeddings', { model: MODEL, input: 'a'.repeat(100) });
    expect(await errorOf(response)).toMatchObject({ status: 413 });
  });

  it.each<[number, string, Record<string, unknown>]>([
    [
      400,
      '{"error":{"message":"too many dimensions"}}',
      { status: 400, message: expect.stringContaining('too many dimensions') },
    ],
    [401, '{}', { status: 502, code: 'engine_refused_key' }],
    [
      404,
      '{"detail":"Not Found"}',
      { status: 404, code: 'upstream_not_found', message: expect.stringContaining('Not Found') },
    ],
    [405, '', { status: 404, code: 'upstream_not_found' }],
    [429, '{"error":{"message":"slow down"}}', { status: 429, code: 'rate_limit_exceeded' }],
    [500, `oops ${KEY}`, { status: 502, message: expect.stringMatching(/oops \[api_key\]/) }],
    [503, '', { status: 502, code: 'engine_unavailable' }],
  ])('an upstream that answers %i', async (status, body, expected) => {
    const { gateway } = await relaying((outgoing) =>
      outgoing.writeHead(status, { 'content-type': 'application/json' }).end(body),
    );
    expect(await errorOf(await post(gateway, '/v1/rerank', { model: MODEL }))).toMatchObject(expected);
  });

  it('an upstream that is silent, gone, or breaks off', async () => {
    const silent = await relaying(() => undefined, { engineTimeoutMs: 100 });
    expect(await errorOf(await post(silent.gateway, '/v1/embeddings', { model: MODEL }))).toMatchObject({
      status: 504,
    });
    await silent.upstream.close();
    expect(await errorOf(await post(silent.gateway, '/v1/embeddings', { model: MODEL }))).toMatchObject({
      status: 503,
      code: 'engine_unreachable',
    });
    const broken = await relaying((outgoing: ServerResponse) => {
      outgoing.writeHead(200, { 'content-type': 'application/json', 'content-length': '100' });
      outgoing.write('{"data":');
      return setTimeout(() => outgoing.destroy(), 50);
    });
    const response = await post(broken.gateway, '/v1/embeddings', { model: MODEL });
    await expect(response.text()).rejects.toThrow();
  });

  it('a client that leaves is a client that left, for the upstream too', async () => {
    const { gateway, upstream } = await relaying(() => undefined);
    const leaving = new AbortController();
    const asked = post(gateway, '/v1/embeddings', { model: MODEL }, { signal: leaving.signal });
    await expect.poll(() => upstream.requests.length).toBe(1);
    leaving.abort();
    await expect(asked).rejects.toThrow();
    await expect.poll(() => upstream.requests[0]?.aborted).toBe(true);
    await expect.poll(() => gateway.app.inFlight()).toBe(0);
  });

  it('another method is told which there is', async () => {
    const { gateway } = await relaying();
    const response = await fetch(`${gateway.url}/v1/embeddings`);
    expect([response.status, response.headers.get('allow')]).toEqual([405, 'POST']);
  });
});
