/** What a web page can send, as browsers send it, and the names by which a gateway may be asked: over real sockets. */
import { request } from 'node:http';
import { connect } from 'node:net';

import { afterEach, describe, expect, it } from 'vitest';

import { type Gateway, type GatewayOptions, startGateway } from '../../fakes/gateway.js';
import { dial, Refused } from '../../fakes/socket.js';
import { closeOpened, opened } from '../../fakes/upstreams.js';

afterEach(closeOpened);

const EVIL = 'https://evil.example';
const PAGE = 'https://app.example.com';

async function start(options: GatewayOptions = {}): Promise<Gateway> {
  const gateway = await startGateway(options);
  opened.push(gateway);
  return gateway;
}

interface Answer {
  readonly status: number;
  readonly body: string;
  readonly headers: Record<string, string | string[] | undefined>;
}

function ask(
  { url }: Gateway,
  method: string,
  path: string,
  headers: Record<string, string>,
  body?: string,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asked = request(url + path, { method, headers }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part: string) => (text += part));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body: text, headers: response.headers }));
    });
    asked.on('error', reject);
    asked.end(body);
  });
}

/** A request word for word; the whole answer. */
function say({ url }: Gateway, ...lines: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    const socket = connect(Number(new URL(url).port), '127.0.0.1', () => socket.write(lines.join('\r\n')));
    socket.setEncoding('utf8').on('data', (part: string) => (text += part));
    socket.on('end', () => resolve(text)).on('error', reject);
  });
}

const CHAT = JSON.stringify({ model: 'gyre', messages: [{ role: 'user', content: 'hi' }] });
const json = { 'content-type': 'application/json' };

/** Routes of every kind: written to node's response, plain ones, those nobody needs a key for, and none at all. */
const ROUTES: readonly (readonly [method: string, path: string, body?: string])[] = [
  ['POST', '/v1/chat/completions', CHAT],
  ['POST', '/v1/completions', '{"model":"gyre","prompt":"hi"}'],
  ['POST', '/v1/messages', '{"model":"gyre","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}'],
  ['POST', '/v1/messages/count_tokens', '{"model":"gyre","messages":[{"role":"user","content":"hi"}]}'],
  ['POST', '/v1/responses', '{"model":"gyre","input":"hi"}'],
  ['POST', '/v1/embeddings', '{"model":"gyre","input":"hi"}'],
  ['POST', '/v1/feedback', '{"response_id":"x","value":true}'],
  ['GET', '/v1/models'],
  ['GET', '/v1/responses/resp_x'],
  ['DELETE', '/v1/responses/resp_x'],
  ['GET', '/gyre/v1/trajectories'],
  ['DELETE', '/gyre/v1/trajectories/x'],
  ['GET', '/health'],
  ['GET', '/ready'],
  ['GET', '/metrics'],
  ['GET', '/openapi.json'],
  ['POST', '/nowhere', '{}'],
];

const code = (body: string): unknown => {
  const { error } = JSON.parse(body) as { error: { code?: string; details?: { error_code: string } } };
  return error.code ?? error.details?.error_code;
};

describe('a page of another site', () => {
  it.each([
    ['a plain form', { origin: EVIL, 'sec-fetch-site': 'cross-site', 'content-type': 'text/plain' }],
    ['JSON', { origin: EVIL, 'sec-fetch-site': 'cross-site', ...json }],
    ['a page beside us on this machine', { origin: 'http://localhost:3000', 'sec-fetch-site': 'same-site', ...json }],
    ['a browser that does not say from where', { origin: EVIL, ...json }],
    ['a sandboxed frame', { origin: 'null', ...json }],
    ['a picture, or a link', { 'sec-fetch-site': 'cross-site' }],
    ['a picture of a neighbour', { 'sec-fetch-site': 'same-site' }],
  ])('is sent away from every route: %s', async (_, headers) => {
    const gateway = await start();
    for (const [method, path, body] of ROUTES) {
      const answer = await ask(gateway, method, path, headers, body);
      expect([path, answer.status, code(answer.body)]).toEqual([path, 403, 'origin_not_allowed']);
      expect(answer.headers['x-request-id']).toBeTruthy();
    }
    expect(gateway.engine.requests).toEqual([]);
    expect(gateway.logged).toEqual([]);
  });

  it('is told so in the shape of the route', async () => {
    const gateway = await start();
    const { body } = await ask(gateway, 'POST', '/v1/messages', { origin: EVIL, ...json }, '{}');
    expect(JSON.parse(body)).toMatchObject({ type: 'error', error: { type: 'permission_error' } });
  });

  it('is sent away although it holds a key, and although others are listed', async () => {
    const gateway = await start({ config: { cors: [PAGE] } });
    const { headers } = gateway.key('ann');
    expect((await ask(gateway, 'GET', '/v1/models', { ...headers, origin: EVIL })).status).toBe(403);
    expect((await ask(gateway, 'GET', '/v1/models', { ...headers, 'sec-fetch-site': 'cross-site' })).status).toBe(403);
  });

  it('opens no WebSocket, wherever it asks for one', async () => {
    const gateway = await start();
    for (const path of ['/v1/responses', '/nowhere'])
      for (const headers of [{ origin: EVIL }, { 'sec-fetch-site': 'cross-site' }, { host: 'rebind.evil.example' }])
        await expect(dial(gateway.url, { headers }, path)).rejects.toMatchObject({ status: 403 });
  });

  it('is counted', async () => {
    const gateway = await start();
    await ask(gateway, 'GET', '/v1/models', { origin: EVIL });
    const { body } = await ask(gateway, 'GET', '/metrics', {});
    expect(body).toMatch(/gyre_requests_total\{[^}]*status="403"[^}]*\} 1|gyre_requests_total\{.*403.*\} 1/);
  });
});

describe('a page that may ask', () => {
  it('is one of ours, by whatever name we were asked', async () => {
    const gateway = await start();
    const { port } = new URL(gateway.url);
    for (const host of [`127.0.0.1:${port}`, `localhost:${port}`, `[::1]:${port}`]) {
      const headers = { host, origin: `http://${host}`, 'sec-fetch-site': 'same-origin', ...json };
      expect((await ask(gateway, 'POST', '/v1/chat/completions', headers, CHAT)).status).toBe(200);
    }
    const other = { host: `127.0.0.1:${port}`, origin: `http://localhost:${port}`, ...json };
    expect((await ask(gateway, 'POST', '/v1/chat/completions', other, CHAT)).status).toBe(403);
  });

  it('is what a person opened', async () => {
    const gateway = await start();
    expect((await ask(gateway, 'GET', '/health', { 'sec-fetch-site': 'none' })).status).toBe(200);
  });

  it('is a listed one, which a browser calls cross-site', async () => {
    const gateway = await start({ config: { cors: [PAGE] } });
    const headers = { origin: PAGE, 'sec-fetch-site': 'cross-site', ...json };
    const answer = await ask(gateway, 'POST', '/v1/chat/completions', headers, CHAT);
    expect([answer.status, answer.headers['access-control-allow-origin']]).toEqual([200, PAGE]);
    const asked = { origin: PAGE, 'sec-fetch-site': 'cross-site', 'access-control-request-method': 'POST' };
    expect((await ask(gateway, 'OPTIONS', '/v1/chat/completions', asked)).status).toBe(204);
    (await dial(gateway.url, { headers: { origin: PAGE, 'sec-fetch-site': 'cross-site' } })).close();
  });

  it.each([
    'text/plain',
    'text/plain; application/json',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    '',
  ])('sends JSON and nothing else: %j', async (type) => {
    const gateway = await start({ config: { cors: [PAGE] } });
    for (const [method, path, body] of ROUTES.filter(([, path]) => path !== '/v1/embeddings')) {
      if (body === undefined) continue;
      const headers = { origin: PAGE, ...(type === '' ? {} : { 'content-type': type }) };
      const answer = await ask(gateway, method, path, headers, body);
      expect([path, answer.status, code(answer.body)]).toEqual([path, 415, 'unsupported_media_type']);
      // So that it can read why.
      expect(answer.headers['access-control-allow-origin']).toBe(PAGE);
    }
    expect(gateway.engine.requests).toEqual([]);
  });

  it('sends JSON of any spelling, no body at all, and a form where forms are taken', async () => {
    const gateway = await start({ config: { cors: [PAGE] } });
    for (const type of ['application/json; charset=utf-8', 'Application/JSON', 'application/vnd.api+json']) {
      const headers = { origin: PAGE, 'content-type': type };
      expect((await ask(gateway, 'POST', '/v1/chat/completions', headers, CHAT)).status).toBe(200);
    }
    expect((await ask(gateway, 'DELETE', '/gyre/v1/trajectories/x', { origin: PAGE })).status).toBe(404);
    const form = { origin: PAGE, 'content-type': 'multipart/form-data; boundary=b' };
    const body = '--b\r\ncontent-disposition: form-data; name="model"\r\n\r\nwhisper\r\n--b--\r\n';
    const answer = await ask(gateway, 'POST', '/v1/audio/transcriptions', form, body);
    expect([answer.status, code(answer.body)]).toEqual([404, 'model_not_found']);
  });
});

describe('a program', () => {
  it.each(['application/x-www-form-urlencoded', 'text/plain', undefined])('needs no header: %s', async (type) => {
    // What `curl -d` sends.
    const gateway = await start();
    const headers = type === undefined ? {} : { 'content-type': type };
    expect((await ask(gateway, 'POST', '/v1/chat/completions', headers as never, CHAT)).status).toBe(200);
  });

  it('need not say by what name it asks (HTTP/1.0)', async () => {
    const gateway = await start();
    expect(await say(gateway, 'GET /v1/models HTTP/1.0', '', '')).toMatch(/^HTTP\/1\.1 200 /);
    expect(
      await say(gateway, 'POST /v1/chat/completions HTTP/1.0', `content-length: ${CHAT.length}`, '', CHAT),
    ).toMatch(/^HTTP\/1\.1 200 /);
  });

  it('may write the whole address into its request', async () => {
    const gateway = await start();
    const head = ['host: proxy.example', 'connection: close'];
    const chat = [...head, `content-length: ${CHAT.length}`, '', CHAT];
    for (const scheme of ['http', 'HTTP', 'https']) {
      expect(await say(gateway, `GET ${scheme}://localhost:1/v1/models?a=b HTTP/1.1`, ...head, '', '')).toMatch(
        / 200 /,
      );
      expect(await say(gateway, `POST ${scheme}://127.0.0.1/v1/chat/completions HTTP/1.1`, ...chat)).toMatch(/ 200 /);
    }
    expect(await say(gateway, 'GET http://127.0.0.1 HTTP/1.1', ...head, '', '')).toMatch(/ 404 /);
    // What stands in the target goes before what "Host" says.
    const evil = await say(
      gateway,
      'GET http://evil.example/v1/models HTTP/1.1',
      'host: 127.0.0.1',
      'connection: close',
      '',
      '',
    );
    expect(evil).toMatch(/ 403 [^]*host_not_allowed/);
  });

  it.each(['ftp://127.0.0.1/v1/models', 'http://a b/', 'http:/v1/models'])(
    'is told when its target is no path: %s',
    async (target) => {
      const gateway = await start();
      expect(await say(gateway, `GET ${target} HTTP/1.1`, 'host: 127.0.0.1', 'connection: close', '', '')).toMatch(
        / 400 /,
      );
    },
  );

  it('is told of the asterisk, too', async () => {
    const gateway = await start();
    const answer = await say(gateway, 'OPTIONS * HTTP/1.1', 'host: 127.0.0.1', 'connection: close', '', '');
    expect(answer).toMatch(/ 400 [^]*invalid_target/);
  });
});

describe('without keys', () => {
  it.each([
    'rebind.evil.example',
    'rebind.evil.example:8080',
    '127.0.0.1.evil.example',
    'localhost.evil.example',
    'evil-localhost',
    '0.0.0.0:8080',
    '10.0.0.1',
    '[::2]',
    'user@127.0.0.1',
    '127.0.0.1/../x',
  ])('no route answers to a foreign name: %j', async (host) => {
    const gateway = await start();
    for (const [method, path, body] of ROUTES) {
      const forwarded = { 'x-forwarded-host': '127.0.0.1', forwarded: 'host=127.0.0.1', 'x-real-ip': '127.0.0.1' };
      const answer = await ask(gateway, method, path, { host, ...forwarded, ...json }, body);
      expect([path, answer.status, code(answer.body)]).toEqual([path, 403, 'host_not_allowed']);
    }
    // Rebound, a page is of the same origin as what it asks.
    const rebound = { host, origin: `http://${host}`, 'sec-fetch-site': 'same-origin', ...json };
    expect((await ask(gateway, 'GET', '/gyre/v1/trajectories', rebound)).status).toBe(403);
    expect(gateway.logged).toEqual([]);
  });

  it('no route answers to no name at all where one has to be said', async () => {
    const gateway = await start();
    expect(await say(gateway, 'GET /health HTTP/1.1', 'host:', 'connection: close', '', '')).toMatch(/ 403 /);
    expect(await say(gateway, 'GET /health HTTP/1.1', 'connection: close', '', '')).toMatch(/ 400 /);
  });

  it.each([
    '127.0.0.1',
    '127.0.0.1:1',
    '127.8.8.8:80',
    'localhost',
    'LocalHost:8080',
    'localhost.:8080',
    'gyre.localhost',
    '[::1]',
    '[::1]:8080',
    '[0:0:0:0:0:0:0:1]:80',
    '[::ffff:127.0.0.1]:80',
  ])('every name of this machine itself is ours: %s', async (host) => {
    const gateway = await start();
    expect((await ask(gateway, 'GET', '/health', { host })).status).toBe(200);
    expect((await ask(gateway, 'POST', '/v1/chat/completions', { host, ...json }, CHAT)).status).toBe(200);
  });

  it('so is the one in the configuration', async () => {
    const gateway = await start({ config: { host: 'Box.lan' } });
    expect((await ask(gateway, 'GET', '/v1/models', { host: 'box.lan:8080' })).status).toBe(200);
    expect((await ask(gateway, 'GET', '/v1/models', { host: 'boxxlan' })).status).toBe(403);
  });
});

it('with keys any name will do: the key says who asks', async () => {
  const gateway = await start();
  const { headers } = gateway.key('ann');
  // The first key acts within seconds.
  for (const host of ['gyre.example.com', 'gateway:8080'])
    await expect
      .poll(async () => (await ask(gateway, 'GET', '/v1/models', { host, ...headers })).status, { timeout: 10_000 })
      .toBe(200);
  expect((await ask(gateway, 'GET', '/v1/models', { host: 'gyre.example.com' })).status).toBe(401);
});

it('a refused upgrade is answered as an error of its route', async () => {
  const gateway = await start();
  const refused = await dial(gateway.url, { headers: { origin: EVIL } }).catch((thrown: unknown) => thrown);
  expect(refused).toBeInstanceOf(Refused);
  expect(JSON.parse((refused as Refused).body)).toMatchObject({ error: { code: 'origin_not_allowed' } });
});
