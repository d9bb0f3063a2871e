/** Limits of keys: what a bounded key is told, when it may go on, and that nothing is spent on what is refused. */
import OpenAI, { RateLimitError } from 'openai';
import { afterEach, describe, expect, it, onTestFinished } from 'vitest';

import { type GyreError } from '../../../src/core/errors.js';
import { Allowances, duration } from '../../../src/http/callers/allowance.js';
import { openStore } from '../../../src/store/file/db.js';
import { OLDEST_MS } from '../../../src/http/callers/keyring.js';
import { changeKey } from '../../../src/store/keys/keys.js';
import { inTurn, type Reply } from '../../fakes/engine.js';
import { startGateway, until, type Gateway, type GatewayOptions } from '../../fakes/gateway.js';
import { keyringOver } from '../../run/rows.js';
import { temporaryFolder } from '../../store/fixture.js';

describe('windows', () => {
  const open = (): { readonly at: { now: number }; readonly allowances: Allowances } => {
    const at = { now: 5_000 };
    return { at, allowances: new Allowances({ spent: () => Promise.resolve(0), now: () => at.now }) };
  };

  it('slide: a request frees its place after 60 seconds, and the time to wait is true to the millisecond', () => {
    const { at, allowances } = open();
    const enter = (): GyreError | undefined => allowances.admit('a', { requestsPerMinute: 2 }).refusal;
    expect(enter()).toBeUndefined();
    at.now += 10_000;
    expect(enter()).toBeUndefined();
    at.now += 5_000.5;
    const refused = enter();
    expect(refused).toMatchObject({ status: 429, code: 'rate_limit_exceeded', retryAfterMs: 45_000 });
    at.now += 44_999;
    expect(enter()).toBeDefined();
    at.now += 1;
    expect(enter()).toBeUndefined();
    // The next place is that of the second request; what was refused took none.
    expect(enter()?.retryAfterMs).toBe(10_000);
  });

  it('of tokens close when what was used reaches the limit, and open when enough of it has passed', () => {
    const { at, allowances } = open();
    const limits = { tokensPerMinute: 100 };
    const spend = (tokens: number): void => allowances.admit('a', limits).used(tokens);
    spend(30);
    at.now += 1_000;
    spend(30);
    at.now += 1_000;
    spend(500); // what an answer takes is known when it is there: the last may go over
    const pass = allowances.admit('a', limits);
    expect(pass.refusal?.message).toContain('may use 100 tokens in 60 seconds, and has used 560');
    // 560 - 30 - 30 is still too much: only when the large one passes is the sum below the limit.
    expect(pass.refusal?.retryAfterMs).toBe(60_000);
    expect(pass.headers).toEqual({
      'x-ratelimit-limit-tokens': '100',
      'x-ratelimit-remaining-tokens': '0',
      'x-ratelimit-reset-tokens': '1m0s',
    });
    at.now += 60_000;
    expect(allowances.admit('a', limits).headers).toEqual({
      'x-ratelimit-limit-tokens': '100',
      'x-ratelimit-remaining-tokens': '100',
      'x-ratelimit-reset-tokens': '0s',
    });
  });

  it('are one for each key, and hold over thousands of requests', () => {
    const { at, allowances } = open();
    for (let n = 0; n < 5_000; n += 1) {
      at.now += 30;
      expect(allowances.admit('busy', { requestsPerMinute: 2_000 }).refusal).toBeUndefined();
    }
    expect(allowances.admit('busy', { requestsPerMinute: 2_000 }).refusal).toBeDefined();
    expect(allowances.admit('other', { requestsPerMinute: 1 }).refusal).toBeUndefined();
  });

  it('follow a limit that is changed', () => {
    const { allowances } = open();
    allowances.admit('a', { requestsPerMinute: 5 });
    allowances.admit('a', { requestsPerMinute: 5 });
    expect(allowances.admit('a', { requestsPerMinute: 2 }).refusal).toBeDefined();
    expect(allowances.admit('a', { requestsPerMinute: 3 }).refusal).toBeUndefined();
  });

  it('are told in the form OpenAI uses', () => {
    expect([0, 0.2, 120, 999, 1_000, 6_500, 59_999, 60_000, 61_500].map(duration)).toEqual([
      '0s',
      '1ms',
      '120ms',
      '999ms',
      '1s',
      '6.5s',
      '59.999s',
      '1m0s',
      '1m1.5s',
    ]);
  });
});

describe('through the gateway', () => {
  let gateway: Gateway;
  afterEach(async () => gateway.close());
  const at = { now: 1_000 };
  const start = async (options: GatewayOptions = {}): Promise<Gateway> =>
    (gateway = await startGateway({
      script: inTurn({ text: 'ok', usage: { prompt: 40, completion: 2 } }),
      ...options,
      deps: { now: () => at.now, ...options.deps },
    }));
  const ASK = { model: 'gyre', messages: [{ role: 'user' as const, content: 'hi' }] };
  const RESPONSE = { model: 'gyre', input: 'hi' };
  const faces = [
    ['chat', '/v1/chat/completions', ASK],
    ['a chat stream', '/v1/chat/completions', { ...ASK, stream: true }],
    ['responses', '/v1/responses', RESPONSE],
    ['a stream of responses', '/v1/responses', { ...RESPONSE, stream: true }],
  ] as const;
  const post = async (path: string, body: unknown, headers: Record<string, string>): Promise<Response> =>
    fetch(gateway.url + path, {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
  const limited = (response: Response): Record<string, string> =>
    Object.fromEntries([...response.headers].filter(([name]) => name.startsWith('x-ratelimit-')));

  it.each(faces)(
    '%s: the answer says what is left, and the request too many is refused before the engine hears of it',
    async (_face, path, body) => {
      await start();
      const { headers } = gateway.key('ada', { limits: { requestsPerMinute: 2, tokensPerMinute: 1_000 } });
      at.now += 100_000;
      const first = await post(path, body, headers);
      expect([first.status, limited(first)]).toEqual([
        200,
        {
          'x-ratelimit-limit-requests': '2',
          'x-ratelimit-remaining-requests': '1',
          'x-ratelimit-reset-requests': '1m0s',
          'x-ratelimit-limit-tokens': '1000',
          'x-ratelimit-remaining-tokens': '1000',
          'x-ratelimit-reset-tokens': '0s',
        },
      ]);
      await first.text();
      at.now += 20_000;
      const second = await post(path, body, headers);
      await second.text();
      expect(limited(second)).toMatchObject({
        'x-ratelimit-remaining-requests': '0',
        'x-ratelimit-remaining-tokens': '958',
        'x-ratelimit-reset-tokens': '40s',
      });
      const third = await post(path, body, headers);
      expect(third.status).toBe(429);
      expect(Object.fromEntries(third.headers)).toMatchObject({
        'retry-after': '40',
        'retry-after-ms': '40000',
        'x-should-retry': 'true',
        'x-ratelimit-remaining-requests': '0',
        'x-ratelimit-reset-requests': '1m0s',
      });
      expect(await third.json()).toEqual({
        error: {
          message: 'This key may begin 2 requests in 60 seconds, and has. Try again in 40s.',
          type: 'rate_limit_error',
          param: null,
          code: 'rate_limit_exceeded',
        },
      });
      expect(gateway.engine.requests).toHaveLength(2);
      expect(gateway.logged).toHaveLength(2);
      at.now += 40_000;
      expect((await post(path, body, headers)).status).toBe(200);
    },
  );

  it('a key without limits is told of none, and one whose request is wrong is told all the same', async () => {
    await start();
    const free = gateway.key('free');
    const bounded = gateway.key('bounded', { limits: { requestsPerMinute: 9 } });
    expect(limited(await post('/v1/chat/completions', ASK, free.headers))).toEqual({});
    const wrong = await post('/v1/chat/completions', { ...ASK, nonsense: 1 }, bounded.headers);
    expect([wrong.status, limited(wrong)['x-ratelimit-remaining-requests']]).toEqual([400, '8']);
  });

  it('tokens are those of every step', async () => {
    const steps: Reply[] = [
      { calls: [{ name: 'calculator', arguments: '{"expression":"1+1"}' }], usage: { prompt: 100, completion: 10 } },
      { text: 'two', usage: { prompt: 200, completion: 20 } },
    ];
    await start({ script: inTurn(...steps) });
    const { headers } = gateway.key('ada', { limits: { tokensPerMinute: 330 } });
    at.now += 100_000;
    await (await post('/v1/chat/completions', ASK, headers)).text();
    const refused = await post('/v1/chat/completions', ASK, headers);
    expect(refused.status).toBe(429);
    expect(await refused.json()).toMatchObject({
      error: { message: expect.stringContaining('has used 330') as string },
    });
  });

  it('as many requests at once as the key may have, and the next when one is over, cancelled or refused', async () => {
    let finish = (): void => undefined;
    const held = new Promise<void>((resolve) => (finish = resolve));
    await start({ script: async () => (await held, { text: 'ok' }) });
    const { headers } = gateway.key('ada', { limits: { concurrent: 2 } });
    const abort = new AbortController();
    const slow = post('/v1/chat/completions', ASK, headers);
    const left = fetch(`${gateway.url}/v1/chat/completions`, {
      method: 'POST',
      headers,
      body: JSON.stringify(ASK),
      signal: abort.signal,
    });
    await until(() => gateway.engine.requests.length === 2, 'two requests at the engine');
    const third = await post('/v1/responses', RESPONSE, headers);
    expect(third.status).toBe(429);
    expect(await third.json()).toMatchObject({
      error: {
        code: 'rate_limit_exceeded',
        message: 'This key may have 2 requests answered at once, and has. Try again in 1s.',
      },
    });
    abort.abort();
    await expect(left).rejects.toThrow();
    await until(() => gateway.engine.aborts === 1, 'the abort at the engine');
    expect((await post('/v1/chat/completions', { nonsense: 1 }, headers)).status).toBe(400);
    const fourth = post('/v1/chat/completions', ASK, headers);
    await until(() => gateway.engine.requests.length === 3, 'the next request at the engine');
    finish();
    expect((await slow).status).toBe(200);
    expect((await fourth).status).toBe(200);
    expect((await post('/v1/chat/completions', ASK, headers)).status).toBe(200);
  });

  it("a month's budget outlives the gateway, and its refusal is not worth trying again", async () => {
    await start();
    const { id, headers } = gateway.key('ada', { limits: { monthlyTokens: 80 } });
    for (const expected of [200, 200]) expect((await post('/v1/chat/completions', ASK, headers)).status).toBe(expected);
    const [first] = gateway.logged;
    expect(
      (await fetch(`${gateway.url}/gyre/v1/trajectories/${first?.trajectoryId ?? ''}`, { method: 'DELETE', headers }))
        .status,
    ).toBe(200);

    // Another gateway on the same folder, with nothing of this one's memory.
    const other = await startGateway({ folder: gateway.folder, deps: { keys: keyringOver(gateway.store.db) } });
    try {
      const refused = await fetch(`${other.url}/v1/chat/completions`, {
        method: 'POST',
        headers,
        body: JSON.stringify(ASK),
      });
      expect(refused.status).toBe(429);
      expect(Object.fromEntries(refused.headers)).toMatchObject({ 'x-should-retry': 'false' });
      expect(refused.headers.has('retry-after')).toBe(false);
      expect(await refused.json()).toMatchObject({
        error: {
          type: 'insufficient_quota',
          code: 'insufficient_quota',
          message: expect.stringContaining('may use 80 tokens in a month of UTC, and has used 84') as string,
        },
      });
      expect(other.engine.requests).toHaveLength(0);
      // The official client does not try again by itself.
      const client = new OpenAI({ baseURL: `${other.url}/v1`, apiKey: headers.authorization.slice(7), maxRetries: 5 });
      await expect(client.chat.completions.create(ASK)).rejects.toSatisfy(
        (thrown) => thrown instanceof RateLimitError && thrown.code === 'insufficient_quota',
      );
      expect(await other.app.metrics.text()).toContain(
        'gyre_requests_total{route="/v1/chat/completions",status="429"} 2',
      );
    } finally {
      await other.close();
    }
    expect(await keyringOver(gateway.store.db).spent(id)).toBe(84);
  });

  it('a limit that is changed acts on the living key', async () => {
    let clock = 0;
    const folder = temporaryFolder();
    const store = openStore(folder);
    onTestFinished(() => store.close());
    await start({ folder, deps: { keys: keyringOver(store.db, { elapsed: () => clock }) } });
    const { headers } = gateway.key('ada');
    expect((await post('/v1/chat/completions', ASK, headers)).status).toBe(200);
    changeKey(gateway.store.db, 'ada', { limits: { requestsPerMinute: 1 } });
    clock += OLDEST_MS + 1;
    expect((await post('/v1/chat/completions', ASK, headers)).status).toBe(200);
    const refused = await post('/v1/chat/completions', ASK, headers);
    expect(refused.status).toBe(429);
  });

  it('the official client waits as long as it is told, and then succeeds', async () => {
    await start({ deps: { now: () => performance.now() } });
    const { headers } = gateway.key('ada', { limits: { concurrent: 1 } });
    let finish = (): void => undefined;
    const held = new Promise<void>((resolve) => (finish = resolve));
    gateway.engine.script = async (_request, number) => (number === 0 ? (await held, {}) : {});
    const slow = post('/v1/chat/completions', ASK, headers);
    await until(() => gateway.engine.requests.length === 1, 'the slow request');
    const seen: number[] = [];
    const client = new OpenAI({
      baseURL: `${gateway.url}/v1`,
      apiKey: headers.authorization.slice(7),
      maxRetries: 3,
      fetch: async (url, init) => {
        const response = await fetch(url, init);
        seen.push(response.status);
        finish();
        return response;
      },
    });
    await expect(client.chat.completions.create(ASK)).resolves.toMatchObject({ object: 'chat.completion' });
    await slow;
    expect(seen).toEqual([429, 200]);
  });
});
