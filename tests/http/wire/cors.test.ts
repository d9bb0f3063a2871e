import { request } from 'node:http';

import { afterEach, describe, expect, it } from 'vitest';

import { parseConfig } from '../../../src/core/config.js';
import { type Gateway, startGateway } from '../../fakes/gateway.js';
import { closeOpened, opened } from '../../fakes/upstreams.js';

afterEach(closeOpened);

const PAGE = 'https://app.example.com';

async function start(cors?: readonly string[]): Promise<Gateway> {
  const gateway = await startGateway({ config: cors === undefined ? {} : { cors } });
  opened.push(gateway);
  return gateway;
}

interface Answer {
  readonly status: number;
  readonly headers: Record<string, string | string[] | undefined>;
  readonly body: string;
}

/** Browsers alone set `origin`; fetch does not let us. */
function ask(
  gateway: Gateway,
  method: string,
  path: string,
  headers: Record<string, string>,
  body?: string,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asked = request(gateway.url + path, { method, headers }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part: string) => (text += part));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text }));
    });
    asked.on('error', reject);
    asked.end(body);
  });
}

const preflight = (
  gateway: Gateway,
  path: string,
  origin: string,
  more: Record<string, string> = {},
): Promise<Answer> => ask(gateway, 'OPTIONS', path, { origin, 'access-control-request-method': 'POST', ...more });
const CHAT = JSON.stringify({ model: 'gyre', messages: [{ role: 'user', content: 'hi' }] });
const json = { 'content-type': 'application/json' };

describe('a page that may ask', () => {
  it.each([
    '/v1/chat/completions',
    '/v1/responses',
    '/v1/messages',
    '/v1/messages/count_tokens',
    '/v1/completions',
    '/v1/embeddings',
    '/v1/models',
    '/v1/feedback',
    '/gyre/v1/trajectories/x',
    '/nowhere',
  ])('is told so before it asks: %s', async (path) => {
    const gateway = await start(['https://other.example.com', PAGE]);
    const wanted =
      'authorization, content-type, x-api-key, anthropic-version, anthropic-beta, ' +
      'anthropic-dangerous-direct-browser-access, x-stainless-lang, x-stainless-retry-count, openai-organization, ' +
      'x-gyre-train, x-request-id';
    const { status, headers, body } = await preflight(gateway, path, PAGE, {
      'access-control-request-headers': `${wanted}, x-unheard-of`,
      'access-control-request-private-network': 'true',
    });
    expect([status, body]).toEqual([204, '']);
    expect(headers).toMatchObject({
      'access-control-allow-origin': PAGE,
      'access-control-allow-headers': wanted,
      'access-control-allow-private-network': 'true',
      'access-control-max-age': '7200',
      vary: 'Origin, Access-Control-Request-Headers',
    });
    expect(headers['access-control-allow-methods']).toMatch(/GET.*POST.*DELETE/);
    expect(headers).not.toHaveProperty('access-control-allow-credentials');
  });

  it.each([false, true])('reads the answer and its headers, streamed: %s', async (stream) => {
    const gateway = await start([PAGE]);
    for (const [path, body] of [
      ['/v1/chat/completions', CHAT],
      ['/v1/responses', '{"model":"gyre","input":"hi"}'],
      ['/v1/messages', '{"model":"gyre","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}'],
      ['/v1/completions', '{"model":"gyre","prompt":"hi"}'],
    ] as const) {
      const asked = JSON.stringify({ ...(JSON.parse(body) as object), stream });
      const answer = await ask(gateway, 'POST', path, { origin: PAGE, ...json }, asked);
      expect(answer.status).toBe(200);
      expect(answer.body).toContain('ok');
      expect(answer.headers).toMatchObject({
        'access-control-allow-origin': PAGE,
        vary: 'Origin',
        'content-type': expect.stringContaining(stream ? 'event-stream' : 'json') as string,
      });
      const exposed = String(answer.headers['access-control-expose-headers']);
      for (const name of ['x-request-id', 'x-gyre-trajectory', 'retry-after', 'x-should-retry', 'request-id'])
        expect(exposed).toContain(name);
    }
  });

  it('reads errors of every kind, and plain routes', async () => {
    const gateway = await start([PAGE]);
    for (const [method, path, status, body] of [
      ['POST', '/v1/chat/completions', 400, '{'],
      ['POST', '/v1/embeddings', 400, '{"model":"gyre"}'],
      ['GET', '/v1/models', 200],
      ['GET', '/nowhere', 404],
      ['DELETE', '/v1/models', 405],
    ] as const) {
      const answer = await ask(gateway, method, path, { origin: PAGE, ...json }, body);
      expect([path, answer.status]).toEqual([path, status]);
      expect(answer.headers).toMatchObject({ 'access-control-allow-origin': PAGE, vary: 'Origin' });
    }
  });

  it('may be one of a program with pages of its own, or any at all', async () => {
    const gateway = await start(['tauri://localhost', 'http://LOCALHOST:3000']);
    for (const origin of ['tauri://localhost', 'http://localhost:3000'])
      expect((await preflight(gateway, '/v1/models', origin)).headers['access-control-allow-origin']).toBe(origin);
    const { headers } = await ask(await start(['*']), 'GET', '/v1/models', { origin: 'https://any.example' });
    expect(headers['access-control-allow-origin']).toBe('*');
    expect(headers).not.toHaveProperty('access-control-allow-credentials');
  });
});

describe('a page that may not', () => {
  it.each([
    'https://evil.example',
    'http://app.example.com',
    'https://app.example.com:8443',
    'https://sub.app.example.com',
    'null',
  ])('is told nothing a browser would let pass: %s', async (origin) => {
    const gateway = await start([PAGE]);
    const refused = await preflight(gateway, '/v1/chat/completions', origin);
    expect(refused.status).toBe(403);
    expect(refused.body).toContain('origin_not_allowed');
    const answer = await ask(gateway, 'GET', '/v1/models', { origin });
    for (const { headers } of [refused, answer]) {
      expect(headers).not.toHaveProperty('access-control-allow-origin');
      expect(headers['vary']).toBe('Origin');
    }
  });

  it('is every page where none is listed: nothing is said at all', async () => {
    const gateway = await start();
    expect((await preflight(gateway, '/v1/chat/completions', PAGE)).status).toBe(403);
    const { headers } = await ask(gateway, 'POST', '/v1/chat/completions', { origin: PAGE, ...json }, CHAT);
    expect(Object.keys(headers).filter((name) => name.startsWith('access-control') || name === 'vary')).toEqual([]);
  });
});

it('a program that is no page is answered as ever', async () => {
  const gateway = await start([PAGE]);
  const { status, headers } = await ask(gateway, 'GET', '/v1/models', {});
  expect(status).toBe(200);
  expect(headers).not.toHaveProperty('access-control-allow-origin');
  expect((await ask(gateway, 'OPTIONS', '/v1/models', {})).status).toBe(405);
});

it.each([
  'https://app.example.com/',
  'https://app.example.com/path',
  'app.example.com',
  'https://*.example.com',
  '',
  'null',
])('an origin is written as browsers send it: %s', (origin) => {
  expect(() => parseConfig({ cors: [origin] })).toThrow(/key "cors"\[0\].*must be an origin like/);
});
