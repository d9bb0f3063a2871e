/** Whatever is posted that is none of ours goes to the upstream whose model it names, and nowhere else. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { gzipSync } from 'node:zlib';

import { afterEach, describe, expect, it, test } from 'vitest';

import { isPassable } from '../../../src/http/routes/passing.js';
import { usageOf } from '../../../src/store/keys/usage.js';
import type { Gateway, GatewayOptions } from '../../fakes/gateway.js';
import { startRelayUpstream, VECTOR } from '../../fakes/relayed.js';
import { closeOpened, KEY, opened, start } from '../../fakes/upstreams.js';

afterEach(closeOpened);

type Upstream = Awaited<ReturnType<typeof startRelayUpstream>>;
const MODEL = 'ranker';
/** What is said of a model that is nobody's. */
const NONE = 'does not exist. There are: gyre, gyre@base, gyre@1, ranker.';

async function passing(
  options: GatewayOptions = {},
  base = '/v1',
): Promise<{ readonly gateway: Gateway; readonly upstream: Upstream }> {
  const upstream = await startRelayUpstream();
  opened.push(upstream);
  return { gateway: await start([{ url: upstream.url + base, models: [MODEL], api_key: KEY }], options), upstream };
}

const post = (gateway: Gateway, path: string, body: unknown, init: RequestInit = {}): Promise<Response> =>
  fetch(gateway.url + path, {
    method: 'POST',
    body: typeof body === 'string' ? body : JSON.stringify(body),
    ...init,
    headers: { 'content-type': 'application/json', ...(init.headers as Record<string, string>) },
  });
const errorOf = async (response: Response): Promise<Record<string, unknown>> => ({
  status: response.status,
  ...((await response.json()) as { error: Record<string, unknown> }).error,
});

/** What comes back on a connection of its own for what is written to it as it stands. */
async function raw(gateway: Gateway, head: string, body: string): Promise<string> {
  const socket = connect(Number(new URL(gateway.url).port), '127.0.0.1');
  let answer = '';
  socket.setEncoding('utf8').on('data', (text: string) => (answer += text));
  socket.write(`${head}\r\nhost: localhost\r\nconnection: close\r\n\r\n${body}`);
  await once(socket, 'close');
  return answer;
}

/** A request of which only the first bytes come. */
const unfinished = (path: string): [string, string] => [`POST ${path} HTTP/1.1\r\ncontent-length: 1000`, '{"model":'];

describe('a path that is none of ours', () => {
  it.each([
    ['/v1/fim/completions', '/v1', '/v1/fim/completions'],
    ['/v1/ocr', '/v1', '/v1/ocr'],
    ['/v1/ocr', '', '/v1/ocr'],
    ['/v1/ocr', '/v1/?key=of-the-operator', '/v1/ocr?key=of-the-operator'],
    ['/v1/ocr', '/inference/v1', '/inference/v1/ocr'],
    ['/v1/ocr', '/v1beta/openai/', '/v1beta/openai/ocr'],
    ['/v2/rerank', '/v1', '/v2/rerank'],
    ['/v2/rerank', '', '/v2/rerank'],
    ['/v2/rerank', '/cohere/v1', '/cohere/v2/rerank'],
    ['/v1/chat/completions/render', '/v1', '/v1/chat/completions/render'],
    ['/pooling', '/v1', '/pooling'],
    ['/classify', '/v1', '/classify'],
    ['/tokenize', '/behind/v1', '/behind/tokenize'],
  ])('POST %s goes to an upstream at %s as %s', async (path, base, sent) => {
    const { gateway, upstream } = await passing({}, base);
    const text = `{ "model": "${MODEL}", "big": 12345678901234567890 }`;
    const response = await post(gateway, path, text, {
      headers: { authorization: 'Bearer of-the-client', 'x-request-id': 'mine' },
    });
    expect([response.status, await response.json()]).toEqual([200, VECTOR]);
    expect(response.headers.get('x-request-id')).toBe('mine');
    expect(upstream.requests.map(({ url, body }) => [url, body.toString()])).toEqual([[sent, text]]);
    expect(upstream.requests[0]?.headers).toMatchObject({ authorization: `Bearer ${KEY}`, 'x-request-id': 'mine' });
    expect(gateway.logged).toHaveLength(0);
  });

  it('takes a form by its part "model"', async () => {
    const { gateway, upstream } = await passing();
    const form = new FormData();
    form.append('file', new File([new Uint8Array([0, 255, 13, 10, 45, 45])], 'a.wav'));
    form.append('model', MODEL);
    const response = await fetch(`${gateway.url}/v1/audio/diarizations`, { method: 'POST', body: form });
    expect(response.status).toBe(200);
    expect(upstream.requests[0]?.headers['content-type']).toMatch(/^multipart\/form-data; ?boundary=/);
  });

  it('is counted under one name, whatever clients call it, and its tokens under their key', async () => {
    const { gateway } = await passing();
    const key = gateway.key('ann', { limits: { requestsPerMinute: 3, monthlyTokens: 100 } });
    for (const path of ['/v1/one', '/v1/two'])
      await (await post(gateway, path, { model: MODEL }, { headers: key.headers })).text();
    await expect.poll(() => usageOf(gateway.store.db, Date.now()).get(key.id)).toEqual({ requests: 2, tokens: 14 });
    expect((await post(gateway, '/v1/three', { model: 'none' }, { headers: key.headers })).status).toBe(404);
    expect(await errorOf(await post(gateway, '/v1/four', { model: MODEL }, { headers: key.headers }))).toMatchObject({
      status: 429,
      code: 'rate_limit_exceeded',
    });
    const numbers = await gateway.app.metrics.text();
    expect(numbers).toContain('gyre_requests_total{route="(passed on)",status="200"} 2');
    expect(numbers).toContain('gyre_requests_total{route="(passed on)",status="404"} 1');
    expect(numbers).not.toMatch(/\/v1\/(?:one|two|three|four)/);
  });

  it('needs a key where there are keys, before its body is read', async () => {
    const { gateway, upstream } = await passing();
    gateway.key('ann');
    expect((await post(gateway, '/v1/ocr', { model: MODEL })).status).toBe(401);
    expect(await raw(gateway, ...unfinished('/v1/ocr'))).toMatch(/^HTTP\/1\.1 401 /);
    expect(upstream.requests).toHaveLength(0);
  });

  it('is only passed on by POST', async () => {
    const { gateway, upstream } = await passing();
    for (const method of ['GET', 'PUT', 'PATCH', 'DELETE', 'HEAD']) {
      const body = method === 'GET' || method === 'HEAD' ? null : JSON.stringify({ model: MODEL });
      expect((await fetch(`${gateway.url}/v1/ocr`, { method, body })).status, method).toBe(404);
    }
    expect(upstream.requests).toHaveLength(0);
  });

  it('is no route of ours where there are no upstreams', async () => {
    const gateway = await start([]);
    expect(await errorOf(await post(gateway, '/v1/ocr', { model: MODEL }))).toMatchObject({
      status: 404,
      code: 'unknown_url',
      message: 'Unknown request URL: POST /v1/ocr. GET /openapi.json lists the routes.',
    });
  });
});

describe('what is not passed on', () => {
  it.each([
    ['/v1/models', 405],
    ['/v1/models/ranker', 405],
    ['/v1/models/a/b', 405],
    ['/v1/responses/resp_1', 405],
    ['/v1/responses/resp_1/input_items', 405],
    ['/gyre/v1/trajectories', 405],
    ['/health', 405],
    ['/metrics', 405],
    ['/gyre/v1/none', 404],
    ['/V1/chat/completions', 404],
    ['/v1/Chat/Completions', 404],
    ['/v1/chat/completions/', 404],
    ['/v1/v1/chat/completions', 404],
    ['/v1//chat/completions', 404],
    ['/v1/chat%2Fcompletions', 404],
    ['/v1/chat;a/completions', 404],
    ['/openai/v1/chat/completions', 404],
    ['/completions', 404],
    ['/v1/load_lora_adapter', 404],
    ['/v1/fine_tuning/jobs', 404],
    ['/v1/realtime/client_secrets', 404],
    ['/v1/Batches', 404],
    ['/sleep', 404],
    ['/invocations', 404],
    ['/api/pull', 404],
    [`/v1/${'a'.repeat(300)}`, 404],
  ])('%s: %i, though the body names a model of an upstream', async (path, status) => {
    const { gateway, upstream } = await passing();
    expect((await post(gateway, path, { model: MODEL })).status).toBe(status);
    expect(upstream.requests).toHaveLength(0);
  });

  // A client's library would have tidied these up.
  it.each([
    '/v1/../admin',
    '/v1/a/../../admin',
    '/v1/%2e%2e/admin',
    '/v1/..%2fadmin',
    '/v1/.',
    '/v1/..',
    '/v1/...',
    '/v1/.env',
    '//127.0.0.1:9/v1/ocr',
    '/v1//127.0.0.1:9/ocr',
    '/v1/@127.0.0.1:9/ocr',
    '/v1/ocr\\..\\admin',
    '/v1/ocr%00',
    '/v1/ocr%0d%0aa:b',
    '/v1/ocr#a',
    '/v1/öcr',
    '/v1',
    '/v1/',
    '*',
  ])('nothing that could be read as another path: %s', async (target) => {
    const { gateway, upstream } = await passing();
    const body = JSON.stringify({ model: MODEL });
    const head = `POST ${target} HTTP/1.1\r\ncontent-length: ${body.length}`;
    expect(await raw(gateway, head, body)).toMatch(/^HTTP\/1\.1 40[045] /);
    expect(upstream.requests).toHaveLength(0);
  });

  it('the host of an address that names one, as requests through a proxy do', async () => {
    const { gateway, upstream } = await passing();
    const body = JSON.stringify({ model: MODEL });
    const head = (path: string): string => `POST http://127.0.0.1:9${path} HTTP/1.1\r\ncontent-length: ${body.length}`;
    expect(await raw(gateway, head('/v1/ocr?a'), body)).toMatch(/^HTTP\/1\.1 200 /);
    expect(upstream.requests.map(({ url }) => url)).toEqual(['/v1/ocr']);
    expect(await raw(gateway, head('/v1/chat/completions'), body)).toMatch(/^HTTP\/1\.1 400 [^]*"param":"messages"/);
    expect(upstream.requests).toHaveLength(1);
  });

  it('an address that is none is told so', async () => {
    const { gateway } = await passing();
    expect(await raw(gateway, 'POST * HTTP/1.1\r\ncontent-length: 2', '{}')).toMatch(
      /^HTTP\/1\.1 400 [^]*"code":"invalid_target"/,
    );
  });

  it('a query, which stays here', async () => {
    const { gateway, upstream } = await passing({}, '/v1?key=a');
    expect((await post(gateway, '/v1/ocr?key=b&../x', { model: MODEL })).status).toBe(200);
    expect(upstream.requests.map(({ url }) => url)).toEqual(['/v1/ocr?key=a']);
  });

  it.each<[string, string | undefined, string]>([
    ['no JSON', '{', 'The body is not JSON'],
    ['nothing', '', 'The body is not JSON'],
    ['no object', '[]', 'must be a JSON object'],
    ['null', 'null', 'must be a JSON object'],
    ['too deep', '['.repeat(200), 'nested deeper'],
    ['no model', '{}', '"model"'],
    ['a model that is null', '{"model":null}', '"model"'],
    ['a model that is empty', '{"model":""}', '"model"'],
    ['a model that is a number', '{"model":7}', 'must be a text, not 7'],
    ['a model that is a list', '{"model":["ranker"]}', 'must be a text'],
    ['a model that is an object', '{"model":{"id":"ranker"}}', 'must be a text'],
    ['a model inside something', '{"request":{"model":"ranker"}}', '"model"'],
    ['nobody’s model', '{"model":"none"}', NONE],
    ['another spelling', '{"model":"Ranker"}', NONE],
    ['the policy', '{"model":"gyre"}', 'There are: ranker.'],
    ['a version that is not there', '{"model":"gyre@99"}', 'There are: ranker.'],
    ['a model twice', '{"model":"ranker","model":"other"}', '"model" stands 2 times'],
    [
      'a model twice, once with escapes',
      '{"\\u006dodel":"other","a":[{"model":"b"},","],"model":"ranker"}',
      'stands 2',
    ],
    ['a model twice, once in capitals', '{"model":"ranker","MODEL":"other"}', 'stands 2'],
  ])('a body with %s', async (_, body, why) => {
    const { gateway, upstream } = await passing();
    expect(await errorOf(await post(gateway, '/v1/ocr', body))).toMatchObject({
      status: 404,
      code: 'unknown_url',
      message: expect.stringMatching(/^Unknown request URL: POST \/v1\/ocr\. GET \/openapi\.json lists the routes\. /),
    });
    const error = await errorOf(await post(gateway, '/v1/ocr', body));
    expect(error['message']).toContain(why);
    // Where it is known that the path is an upstream's, the body is what is wrong.
    expect((await post(gateway, '/v1/embeddings', body)).status).toBe(why.startsWith(NONE) ? 404 : 400);
    expect(upstream.requests).toHaveLength(0);
  });

  it('a model that stands once, beside values and inner fields of that name', async () => {
    const { gateway } = await passing();
    const body =
      '{"a":"model","b":{"model":1,"c":["model",{"model":2}]},"model":"ranker","d":["model"],"e":"\\"model\\":"}';
    expect((await post(gateway, '/v1/ocr', body)).status).toBe(200);
  });

  it('a path that ends like one of ours keeps its hint', async () => {
    const { gateway } = await passing();
    expect(await errorOf(await post(gateway, '/v1/fim/completions', { model: 'gyre' }))).toMatchObject({
      status: 404,
      message:
        'Unknown request URL: POST /v1/fim/completions. ' +
        `Did you mean POST /v1/completions? Set the base URL to ${gateway.url}/v1`,
    });
  });
});

describe('forms that say too little or too much', () => {
  const part = (head: string, value: string): string => `--x\r\n${head}\r\n\r\n${value}\r\n`;
  const model = 'content-disposition: form-data; name="model"';
  const file = 'content-disposition: form-data; name="a"; filename="b; name="model""';
  it.each<[string, string, string]>([
    ['no model', `${part('content-disposition: form-data; name="a"', 'b')}--x--\r\n`, '"model"'],
    ['two models', `${part(model, MODEL)}${part(model, 'other')}--x--\r\n`, 'stands 2 times'],
    ['a file name that looks like a model', `${part(file, MODEL)}${part(model, 'other')}--x--`, 'stands 2 times'],
    ['a model without an end', `--x\r\n${model}\r\n\r\n${MODEL}`, '"model"'],
    ['a head without an end', `--x\r\n${model}`, '"model"'],
    ['another boundary', `--y\r\n${model}\r\n\r\n${MODEL}\r\n--y--\r\n`, 'The body is no form'],
  ])('%s', async (_, body, why) => {
    const { gateway, upstream } = await passing();
    const headers = { 'content-type': 'multipart/form-data; boundary=x' };
    const error = await errorOf(await post(gateway, '/v1/audio/other', body, { headers }));
    expect(error).toMatchObject({ status: 404, message: expect.stringContaining(why) as string });
    expect((await post(gateway, '/v1/audio/transcriptions', body, { headers })).status).toBe(400);
    expect(upstream.requests).toHaveLength(0);
  });
});

describe('bodies without end', () => {
  it('one that says it is too large, one that is, and one that unpacks to more', async () => {
    const { gateway, upstream } = await passing({ config: { 'limits.body_bytes': 1_000 } });
    const large = JSON.stringify({ model: MODEL, a: 'a'.repeat(2_000) });
    expect(await errorOf(await post(gateway, '/v1/ocr', large))).toMatchObject({ status: 413 });
    const chunked = 'POST /v1/ocr HTTP/1.1\r\ntransfer-encoding: chunked';
    expect(await raw(gateway, chunked, `800\r\n${'a'.repeat(2_048)}\r\n0\r\n\r\n`)).toMatch(/^HTTP\/1\.1 413 /);
    const packed = new Uint8Array(gzipSync(large));
    const headers = { 'content-encoding': 'gzip' };
    expect(packed.length).toBeLessThan(1_000);
    expect(await errorOf(await post(gateway, '/v1/ocr', '', { body: packed, headers }))).toMatchObject({ status: 413 });
    expect(upstream.requests).toHaveLength(0);
  });

  it.each(['/v1/ocr', '/v1/embeddings', '/v1/chat/completions', '/v1/messages/count_tokens'])(
    'one that does not come is a 408 at %s, and holds no place',
    async (path) => {
      const { gateway, upstream } = await passing({ config: { 'limits.seconds': 0.3 } });
      expect(await raw(gateway, ...unfinished(path))).toMatch(/^HTTP\/1\.1 408 [^]*"request_timeout"/);
      await expect.poll(() => gateway.app.inFlight()).toBe(0);
      expect(upstream.requests).toHaveLength(0);
    },
  );

  it('a client that leaves in the middle of one', async () => {
    const { gateway, upstream } = await passing();
    const socket = connect(Number(new URL(gateway.url).port), '127.0.0.1');
    await once(socket, 'connect');
    // Its last byte has left before the end of the connection.
    socket.end(unfinished('/v1/ocr').join('\r\nhost: localhost\r\n\r\n'));
    socket.resume();
    await once(socket, 'close');
    await gateway.app.idle();
    expect(gateway.app.inFlight()).toBe(0);
    expect(upstream.requests).toHaveLength(0);
  });
});

test('no route of ours is passable', async () => {
  const { gateway } = await passing();
  const routes = gateway.app.routes();
  const own = routes.map(({ path }) => path.replace(/\{\w+\}/g, 'resp_1'));
  expect(own.filter((path) => isPassable(path, routes))).toEqual([]);
  expect(own.filter((path) => isPassable(path.toUpperCase(), routes))).toEqual([]);
});
