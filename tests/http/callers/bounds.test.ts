/** Every route asks for a key first, and takes one of the requests that the key may begin. */
import { afterEach, describe, expect, it } from 'vitest';

import type { Part } from '../../../src/http/routes/health.js';
import { revokeKey } from '../../../src/store/keys/keys.js';
import { type Gateway, type GatewayOptions, startGateway } from '../../fakes/gateway.js';
import { dial } from '../../fakes/socket.js';
import { keyringOver } from '../../run/rows.js';
import { closeOpened, opened } from '../../fakes/upstreams.js';
import { startWhole } from '../../fakes/whole.js';

afterEach(closeOpened);

async function start(options: GatewayOptions = {}): Promise<Gateway> {
  const gateway = await startGateway(options);
  opened.push(gateway);
  return gateway;
}

type Headers = Readonly<Record<string, string>>;

const send = (gateway: Gateway, method: string, path: string, headers: Headers, body?: string): Promise<Response> =>
  fetch(gateway.url + path, { method, headers, ...(body === undefined ? {} : { body }) });

/** Routes that take no tokens of a model. */
const PLAIN: readonly (readonly [method: string, path: string, body?: string])[] = [
  ['POST', '/v1/messages/count_tokens', '{"model":"gyre","messages":[{"role":"user","content":"hi"}]}'],
  ['POST', '/v1/responses/input_tokens', '{"model":"gyre","input":"hi"}'],
  ['GET', '/v1/models'],
  ['GET', '/v1/models/gyre'],
  ['POST', '/v1/feedback', '{"response_id":"x","value":true}'],
  ['GET', '/v1/responses/resp_x'],
  ['DELETE', '/v1/responses/resp_x'],
  ['GET', '/v1/responses/resp_x/input_items'],
  ['GET', '/gyre/v1/trajectories'],
  ['GET', '/gyre/v1/trajectories/x'],
  ['DELETE', '/gyre/v1/trajectories/x'],
  ['GET', '/gyre/v1/steps/x'],
  ['GET', '/gyre/v1/status'],
  ['GET', '/gyre/v1/versions'],
  ['GET', '/gyre/v1/cycles'],
  ['GET', '/gyre/v1/cycles/x'],
  ['POST', '/gyre/v1/rollback'],
  ['POST', '/gyre/v1/restart'],
  ['GET', '/metrics'],
];

describe("a key's limits", () => {
  it.each(PLAIN.map(([method, path, body]) => ({ method, path, body })))('hold for $method $path', async (route) => {
    const { method, path, body } = route;
    const gateway = await startWhole({ script: () => ({ text: 'ok' }) });
    opened.push(gateway);
    const { headers } = gateway.key('ann', { limits: { requestsPerMinute: 2 } });
    const statuses: number[] = [];
    for (let at = 0; at < 4; at += 1) statuses.push((await send(gateway, method, path, headers, body)).status);
    expect(statuses.map((status) => status === 429)).toEqual([false, false, true, true]);
    const refused = await send(gateway, method, path, headers, body);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    // Another key is not concerned.
    const other = gateway.key('bob').headers;
    expect((await send(gateway, method, path, other, body)).status).not.toBe(429);
  });

  it('are one sum over all routes, and said on each', async () => {
    const gateway = await start();
    const { headers } = gateway.key('ann', { limits: { requestsPerMinute: 3 } });
    const models = await send(gateway, 'GET', '/v1/models', headers);
    expect(models.headers.get('x-ratelimit-remaining-requests')).toBe('2');
    const counted = await send(gateway, 'POST', PLAIN[0]?.[1] ?? '', headers, PLAIN[0]?.[2]);
    expect(counted.headers.get('x-ratelimit-remaining-requests')).toBe('1');
    const chat = await gateway.post({ model: 'gyre', messages: [{ role: 'user', content: 'hi' }] }, { headers });
    expect([chat.status, chat.headers.get('x-ratelimit-remaining-requests')]).toEqual([200, '0']);
    expect((await send(gateway, 'GET', '/gyre/v1/trajectories', headers)).status).toBe(429);
  });

  it('of tokens let a key that has none left read, rate and delete', async () => {
    const gateway = await start();
    const { headers } = gateway.key('ann', { limits: { monthlyTokens: 1 } });
    const ask = { model: 'gyre', messages: [{ role: 'user', content: 'hi' }] };
    const { id } = (await (await gateway.post(ask, { headers })).json()) as { id: string };
    expect((await gateway.post(ask, { headers })).status).toBe(429);
    const rated = await send(
      gateway,
      'POST',
      '/v1/feedback',
      headers,
      JSON.stringify({ response_id: id, value: true }),
    );
    expect(rated.status).toBe(200);
    expect((await send(gateway, 'GET', '/gyre/v1/trajectories', headers)).status).toBe(200);
  });

  it('free the place of a request that was refused, or had nothing to find', async () => {
    const gateway = await start();
    const { headers } = gateway.key('ann', { limits: { concurrent: 1 } });
    for (const [method, path, body] of PLAIN.filter(
      ([, path]) => !/status|versions|cycles|rollback|restart/.test(path),
    ))
      expect((await send(gateway, method, path, headers, body)).status, path).not.toBe(429);
  });

  it('hold for a message that is only remembered, as for the upgrade before it', async () => {
    const gateway = await start();
    const { headers } = gateway.key('ann', { limits: { requestsPerMinute: 2 } });
    const socket = await dial(gateway.url, { headers });
    expect((await socket.ask({ input: 'hi', generate: false })).at(-1)?.type).toBe('response.completed');
    expect(await socket.ask({ input: 'hi', generate: false })).toMatchObject([{ type: 'error', status: 429 }]);
    socket.close();
  });
});

describe('whoever has no key', () => {
  it('makes nothing be written, read or counted', async () => {
    const gateway = await start();
    gateway.key('ann');
    let flushed = 0;
    const { flush } = gateway.log;
    gateway.log.flush = () => {
      flushed += 1;
      return flush.call(gateway.log);
    };
    for (const [method, path, body] of PLAIN.filter(
      ([, path]) => !/status|versions|cycles|rollback|restart/.test(path),
    ))
      expect((await send(gateway, method, path, {}, body)).status, path).toBe(401);
    expect(flushed).toBe(0);
    expect(gateway.engine.requests).toEqual([]);
  });

  it('is still told of a path that is none', async () => {
    const gateway = await start();
    gateway.key('ann');
    const answer = await send(gateway, 'POST', '/chat/completions', {}, '{}');
    expect([answer.status, await answer.text()]).toEqual([404, expect.stringContaining('/v1/chat/completions')]);
    expect((await send(gateway, 'GET', '/v1/feedback', {})).status).toBe(405);
  });
});

describe('what says how the process is', () => {
  const parts = (): readonly Part[] => [
    { part: 'engine', ready: true, detail: 'http://10.1.2.3:8000' },
    { part: 'mcp files', ready: false, needed: false, detail: 'it said last: a secret' },
  ];
  const ready = async (gateway: Gateway, headers: Headers): Promise<string> =>
    (await send(gateway, 'GET', '/ready', headers)).text();

  it('says addresses and reasons to an admin, and to everyone where there are no keys', async () => {
    const gateway = await start({ deps: { parts } });
    expect(await ready(gateway, {})).toContain('10.1.2.3');
    expect((await send(gateway, 'GET', '/metrics', {})).status).toBe(200);
    const closed = await start({ deps: { parts } });
    const root = closed.key('root', { role: 'admin' }).headers;
    const ann = closed.key('ann').headers;
    expect(await ready(closed, root)).toMatch(/10\.1\.2\.3[^]*secret/);
    for (const headers of [{}, ann, { authorization: 'Bearer wrong' }]) {
      const answer = await send(closed, 'GET', '/ready', headers);
      expect([answer.status, await answer.json()]).toEqual([
        200,
        {
          ready: true,
          waiting_for: ['mcp files'],
          parts: [
            { part: 'engine', ready: true },
            { part: 'mcp files', ready: false, needed: false },
          ],
        },
      ]);
      expect((await send(closed, 'GET', '/health', headers)).status).toBe(200);
    }
    expect((await send(closed, 'GET', '/metrics', {})).status).toBe(401);
    expect((await send(closed, 'GET', '/metrics', ann)).status).toBe(403);
    expect(await (await send(closed, 'GET', '/metrics', root)).text()).toContain('gyre_in_flight');
  });
});

describe('the secret', () => {
  it.each([
    ['a proxy asked for a password of its own', (key: string) => ({ authorization: 'Basic dTpw', 'x-api-key': key })],
    ['another scheme', (key: string) => ({ authorization: 'Digest username="u"', 'x-api-key': key })],
    ['an empty one', (key: string) => ({ authorization: 'Bearer ', 'x-api-key': key })],
    ['one that is none of ours', (key: string) => ({ authorization: 'Bearer sk-dummy', 'x-api-key': key })],
    ['the other one is none of ours', (key: string) => ({ authorization: `bearer   ${key}`, 'x-api-key': 'dummy' })],
    ['the key alone', (key: string) => ({ authorization: key })],
  ])('is found beside what is no key: %s', async (_, headersOf) => {
    const gateway = await start();
    const secret = gateway.key('ann').headers.authorization.slice('Bearer '.length);
    expect((await send(gateway, 'GET', '/v1/models', headersOf(secret))).status).toBe(200);
  });

  it.each([
    { authorization: 'Basic dTpw' },
    { authorization: 'Bearer' },
    { authorization: 'Basic x', 'x-api-key': 'y' },
  ])('is missed: %j', async (headers) => {
    const gateway = await start();
    gateway.key('ann');
    expect((await send(gateway, 'GET', '/v1/models', headers as unknown as Headers)).status).toBe(401);
  });

  it('is forgotten by a clock that cannot be set back', async () => {
    let elapsed = 0;
    let wall = Date.UTC(2026, 10, 30);
    const gateway = await start({
      depsOver: (store) => ({
        keys: keyringOver(store.db, { now: () => wall, elapsed: () => elapsed }),
      }),
    });
    expect((await send(gateway, 'GET', '/v1/models', {})).status).toBe(200);
    const { headers } = gateway.key('ann');
    wall -= 3_600_000;
    elapsed += 5_000;
    expect((await send(gateway, 'GET', '/v1/models', {})).status).toBe(401);
    expect((await send(gateway, 'GET', '/v1/models', headers)).status).toBe(200);
    revokeKey(gateway.store.db, 'ann');
    wall -= 3_600_000;
    elapsed += 5_000;
    expect((await send(gateway, 'GET', '/v1/models', headers)).status).toBe(401);
  });
});

it.each(['/v1/chat/completions', '/v1/messages', '/v1/responses', '/v1/completions', '/v1/embeddings'])(
  'an error of %s does not send a long name of a model back',
  async (path) => {
    const gateway = await start();
    const model = 'm'.repeat(1_000_000);
    const more = { max_tokens: 9, messages: [{ role: 'user', content: 'hi' }], input: 'hi', prompt: 'hi' };
    for (const body of [
      { ...more, model },
      { ...more, [model]: 1, model: 'gyre' },
    ]) {
      const text = await (await send(gateway, 'POST', path, {}, JSON.stringify(body))).text();
      expect(text.length).toBeLessThan(6_000);
    }
    expect((await (await send(gateway, 'GET', `/v1/models/${'m'.repeat(8_000)}`, {})).text()).length).toBeLessThan(
      6_000,
    );
  },
);
