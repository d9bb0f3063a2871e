/** `x-gyre-train`, as clients write it, over real requests. */
import { afterEach, expect, it } from 'vitest';

import { type Gateway, startGateway } from '../../fakes/gateway.js';
import { dial } from '../../fakes/socket.js';
import { closeOpened, opened } from '../../fakes/upstreams.js';

afterEach(closeOpened);

async function start(): Promise<Gateway> {
  const gateway = await startGateway();
  opened.push(gateway);
  return gateway;
}

const BODIES = {
  '/v1/chat/completions': { model: 'gyre', messages: [{ role: 'user', content: 'hi' }] },
  '/v1/completions': { model: 'gyre', prompt: 'hi' },
  '/v1/messages': { model: 'gyre', max_tokens: 9, messages: [{ role: 'user', content: 'hi' }] },
  '/v1/responses': { model: 'gyre', input: 'hi' },
};

const ask = (gateway: Gateway, path: string, body: unknown, train: string): Promise<Response> =>
  fetch(gateway.url + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-gyre-train': train },
    body: JSON.stringify(body),
  });

it.each(['no', 'false', '0', 'off', 'NO', 'False', ' Off '])('%j withholds consent', async (word) => {
  const gateway = await start();
  for (const [path, body] of Object.entries(BODIES)) expect((await ask(gateway, path, body, word)).status).toBe(200);
  expect(gateway.logged.map(({ opening }) => opening.asker.consent)).toEqual([false, false, false, false]);
});

it.each(['yes', 'true', '1', 'on', 'TRUE'])('%j gives it, as far as there is any to give', async (word) => {
  const gateway = await start();
  for (const [path, body] of Object.entries(BODIES)) expect((await ask(gateway, path, body, word)).status).toBe(200);
  await ask(gateway, '/v1/chat/completions', { ...BODIES['/v1/chat/completions'], store: false }, word);
  expect(gateway.logged.map(({ opening }) => opening.asker.consent)).toEqual([true, true, true, true, false]);
});

it('gives none that the key withholds', async () => {
  const gateway = await start();
  const { headers } = gateway.key('quiet', { train: false });
  await gateway.post(BODIES['/v1/chat/completions'], { headers: { ...headers, 'x-gyre-train': 'yes' } });
  expect(gateway.logged[0]?.opening.asker.consent).toBe(false);
});

it.each(['none', 'nope', 'n', '2', 'no, no', 'never', 'null'])('%j is neither, and nothing is asked', async (word) => {
  const gateway = await start();
  for (const [path, body] of Object.entries(BODIES)) {
    const answer = await ask(gateway, path, body, word);
    expect([path, answer.status]).toEqual([path, 400]);
    const text = await answer.text();
    for (const said of [JSON.stringify(word).slice(1, -1), 'x-gyre-train', 'no, false, 0 or off', 'yes, true, 1 or on'])
      expect(text).toContain(said);
  }
  await expect(dial(gateway.url, { headers: { 'x-gyre-train': word } })).rejects.toMatchObject({ status: 400 });
  expect(gateway.engine.requests).toEqual([]);
  expect(gateway.logged).toEqual([]);
});

it('holds for every message of a WebSocket that is opened with it', async () => {
  const gateway = await start();
  const socket = await dial(gateway.url, { headers: { 'x-gyre-train': 'off' } });
  await socket.ask({ input: 'hi' });
  await socket.ask({ input: 'and again' });
  socket.close();
  expect(gateway.logged.map(({ opening }) => opening.asker.consent)).toEqual([false, false]);
});
