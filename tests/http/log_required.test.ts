/** What a request gets while the log can take nothing, and what it says of itself. */
import { afterEach, expect, it } from 'vitest';

import { inTurn } from '../fakes/engine.js';
import { type Gateway, type GatewayOptions, startGateway } from '../fakes/gateway.js';

let gateway: Gateway | undefined;
afterEach(async () => gateway?.close());

const ASK = { model: 'gyre', messages: [{ role: 'user', content: 'hi' }] };

/** A gateway whose database cannot grow. */
async function full(options: GatewayOptions = {}): Promise<Gateway> {
  gateway = await startGateway({ script: inTurn({ text: 'ok' }), ...options });
  await gateway.client.chat.completions.create({ model: 'gyre', messages: [{ role: 'user', content: 'before' }] });
  const pages = gateway.store.sqlite.pragma('page_count', { simple: true }) as number;
  gateway.store.sqlite.pragma(`max_page_count = ${pages}`);
  return gateway;
}

const room = ({ store }: Gateway): void => void store.sqlite.pragma('max_page_count = 1073741823');
const long = { model: 'gyre', messages: [{ role: 'user', content: 'x'.repeat(60_000) }] };

it('with `log: required` a request is refused before anything is spent, in the shape of its protocol', async () => {
  const { url, post, engine } = await full({ config: { log: 'required' } });
  const first = post(long); // it waits for its commit
  await expect.poll(async () => ((await (await fetch(`${url}/health`)).json()) as Health).log.state).toBe('waiting');
  const asked = engine.requests.length;
  const chat = await post(ASK);
  expect([chat.status, chat.headers.get('retry-after'), chat.headers.get('x-should-retry')]).toEqual([
    503,
    '2',
    'true',
  ]);
  expect(await chat.json()).toMatchObject({ error: { type: 'server_error', code: 'log_waiting' } });
  const headers = { 'content-type': 'application/json' };
  const messages = await fetch(`${url}/v1/messages`, {
    method: 'POST',
    headers,
    body: JSON.stringify({ ...ASK, max_tokens: 9 }),
  });
  expect(messages.status).toBe(503);
  expect(await messages.json()).toMatchObject({ type: 'error', error: { type: 'overloaded_error' } });
  const responses = await fetch(`${url}/v1/responses`, {
    method: 'POST',
    headers,
    body: JSON.stringify({ model: 'gyre', input: 'hi' }),
  });
  expect(responses.status).toBe(503);
  expect(engine.requests).toHaveLength(asked);
  if (gateway !== undefined) room(gateway);
  expect((await first).status).toBe(200);
  expect((await post(ASK)).status).toBe(200);
});

it('health and the metrics say that the log waits, since when and why, and that it goes on', async () => {
  const { url, post } = await full();
  const waits = post(long);
  const health = async (): Promise<Health> => (await (await fetch(`${url}/health`)).json()) as Health;
  await expect.poll(async () => (await health()).log.state).toBe('waiting');
  const { log } = await health();
  expect(log.reason).toContain('the disk is full');
  expect(Date.parse(log.waiting_since ?? '')).toBeLessThanOrEqual(Date.now());
  expect(await (await fetch(`${url}/metrics`)).text()).toMatch(/^gyre_log_waiting_seconds [0-9.e-]+$/m);
  if (gateway !== undefined) room(gateway);
  expect((await waits).status).toBe(200);
  expect((await health()).log).toMatchObject({ state: 'ok', waiting_since: null, reason: null });
  expect(await (await fetch(`${url}/metrics`)).text()).toMatch(/^gyre_log_waiting_seconds 0$/m);
});

it('a stream whose answer could not be kept ends with an error and without its last frame', async () => {
  const refusing = {
    open: () => ({
      trajectoryId: 'traj-1',
      continued: false,
      messages: [{ role: 'user' as const, content: 'hi' }],
      step: () => Promise.resolve(false),
      finish: () => Promise.resolve(false),
    }),
    failures: 1,
    state: { uncommitted: { answers: 0, bytes: 0 }, wal: { bytes: 0, heldUp: 0 } },
    refusal: () => undefined,
    flush: () => Promise.resolve(),
  };
  gateway = await startGateway({
    script: inTurn({ text: 'one two' }),
    config: { log: 'required' },
    deps: { log: refusing },
  });
  const text = await (await gateway.post({ ...ASK, stream: true })).text();
  expect(text).toContain('log_waiting');
  expect(text).not.toContain('[DONE]');
  const whole = await gateway.post(ASK);
  expect([whole.status, ((await whole.json()) as { error: { code: string } }).error.code]).toEqual([
    503,
    'log_waiting',
  ]);
});

it('a route that writes says 503 while another program holds the database, and works when it lets go', async () => {
  gateway = await startGateway({ script: inTurn({ text: 'ok' }) });
  const { url, client, store, folder } = gateway;
  const { id } = await client.chat.completions.create({ model: 'gyre', messages: [{ role: 'user', content: 'q' }] });
  const { openStore } = await import('../../src/store/file/db.js');
  const other = openStore(folder);
  store.sqlite.pragma('busy_timeout = 20');
  other.sqlite.exec('BEGIN IMMEDIATE');
  const rate = (): Promise<Response> =>
    fetch(`${url}/v1/feedback`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ response_id: id, value: 1 }),
    });
  const refused = await rate();
  expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '2']);
  expect(await refused.json()).toMatchObject({ error: { code: 'log_waiting' } });
  other.close();
  expect((await rate()).status).toBe(200);
});

interface Health {
  readonly log: { readonly state: string; readonly reason: string | null; readonly waiting_since: string | null };
}
