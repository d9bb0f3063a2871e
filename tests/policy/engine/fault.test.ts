/** Every way a server can fail to sample, as an upstream's: named by its address, and never by its key. */
import { afterEach, describe, expect, it } from 'vitest';

import { inTurn, type Reply } from '../../fakes/engine.js';
import { ASK, both, closeOpened, KEY, refused, start } from '../../fakes/upstreams.js';

afterEach(closeOpened);

const FAULTS: readonly (readonly [
  string,
  Reply,
  { readonly status: number; readonly code: string; readonly says: string },
])[] = [
  [
    '429',
    { status: 429, body: '{"error":{"message":"slow down"}}', headers: { 'retry-after': '7' } },
    { status: 429, code: 'rate_limit_exceeded', says: 'is at its limit: slow down' },
  ],
  [
    '401 that repeats the key',
    { status: 401, body: `{"error":{"message":"Incorrect API key provided: ${KEY}"}}` },
    {
      status: 502,
      code: 'engine_refused_key',
      says: 'refused the gateway\'s key (401). Set its "api_key" in "upstreams"',
    },
  ],
  [
    '402 that repeats the key',
    { status: 402, body: `{"error":{"message":"no credit left for ${KEY}"}}` },
    { status: 502, code: 'engine_error', says: 'answered 402: no credit left for [api_key]' },
  ],
  [
    '404',
    { status: 404 },
    { status: 502, code: 'engine_weights_missing', says: 'does not know the model it was asked for' },
  ],
  [
    '500 that repeats the key',
    { status: 500, body: `boom ${KEY}` },
    { status: 502, code: 'engine_error', says: 'answered 500: boom [api_key]' },
  ],
  ['503', { status: 503 }, { status: 502, code: 'engine_unavailable', says: 'answered 503' }],
  [
    'a page of HTML',
    { status: 200, body: '<html>busy</html>', headers: { 'content-type': 'text/html' } },
    { status: 502, code: 'engine_garbage', says: 'not a chat completion' },
  ],
  [
    'garbage with the key',
    { status: 200, body: `data: {nonsense ${KEY}\n\n`, headers: { 'content-type': 'text/event-stream' } },
    { status: 502, code: 'engine_garbage', says: 'not JSON: {nonsense [api_key]' },
  ],
  [
    'an error object in the stream',
    {
      status: 200,
      body: `data: {"error":{"message":"overloaded, ${KEY}"}}\n\n`,
      headers: { 'content-type': 'text/event-stream' },
    },
    { status: 502, code: 'engine_error', says: 'reported an error: overloaded, [api_key]' },
  ],
  ['a reset', { reset: 0 }, { status: 502, code: 'engine_connection_lost', says: 'broke the connection' }],
  [
    'an end before the first event',
    { hangUp: 0 },
    { status: 502, code: 'engine_truncated', says: 'without a finish reason' },
  ],
  ['silence', { silent: true }, { status: 504, code: 'engine_timeout', says: 'sent no reply in time' }],
];

describe('an upstream that fails', () => {
  it.each(FAULTS)(
    'with %s is named by its address and never by its key',
    async (_name, reply, { status, code, says }) => {
      const { gateway, upstream } = await both(inTurn(reply), { engineTimeoutMs: 300 });
      const error = await refused(gateway);
      expect(error).toMatchObject({ status, code, retry: 'true' });
      expect(error.message).toContain(`The upstream at ${upstream.url} `);
      expect(error.message).toContain(says);
      expect(error.message).not.toContain(KEY);
      if (status === 429) expect(error.after).toBe('7');
      expect(gateway.logged[0]).toMatchObject({
        ending: { outcome: 'failed' },
        steps: [{ policyVersion: undefined, notTrainable: 'engine_error' }],
      });
    },
  );

  it('in the middle ends the stream with an error, and the gateway stays ready', async () => {
    const { gateway, upstream } = await both(inTurn({ text: 'one two three', reset: 2 }));
    const raw = await (await gateway.post({ ...ASK, stream: true })).text();
    expect(raw).toContain(`{"error":{"message":"The upstream at ${upstream.url} broke the connection`);
    expect(raw).not.toContain('[DONE]');
  });

  it('by being nowhere is a 503 for its model alone', async () => {
    const gateway = await start([{ url: 'http://127.0.0.1:9/v1', models: ['big'], api_key: KEY }], {
      script: inTurn({ text: 'here' }),
    });
    expect(await refused(gateway)).toMatchObject({
      status: 503,
      code: 'engine_unreachable',
      message: 'The upstream at http://127.0.0.1:9 cannot be reached (ECONNREFUSED).',
    });
    expect((await fetch(`${gateway.url}/ready`)).status).toBe(200);
    expect((await gateway.client.chat.completions.create({ ...ASK, model: 'gyre' })).choices[0]?.message.content).toBe(
      'here',
    );
  });

  it('has a key no header can carry, which stops the start without being shown', async () => {
    await expect(start([{ url: 'http://127.0.0.1:9', models: ['big'], api_key: 'sk-secret\n' }])).rejects.toThrow(
      /^(?!.*sk-secret).*http:\/\/127\.0\.0\.1:9 has a character that no header can carry/,
    );
  });
});
