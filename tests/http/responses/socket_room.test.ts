/** What WebSockets may hold: messages while they come and wait, and how many of them there may be. */
import { afterEach, describe, expect, it } from 'vitest';

import { revokeKey } from '../../../src/store/keys/keys.js';
import { inTurn } from '../../fakes/engine.js';
import { startGateway, until, type Gateway, type GatewayOptions } from '../../fakes/gateway.js';
import { dial, type Dialled, type Refused } from '../../fakes/socket.js';

let gateway: Gateway;
let dialled: Dialled[] = [];
afterEach(async () => {
  for (const { socket } of dialled) socket.terminate();
  dialled = [];
  await gateway.close();
});

const start = async (options: GatewayOptions): Promise<Gateway> => (gateway = await startGateway(options));
async function open(headers: Readonly<Record<string, string>> = {}): Promise<Dialled> {
  const socket = await dial(gateway.url, { headers });
  dialled.push(socket);
  return socket;
}

const LARGE = 'x'.repeat(100_000);
const large = { model: 'gyre', messages: [{ role: 'user', content: LARGE }] };

describe('a message that is large', () => {
  const config = { 'limits.bytes_in_flight': 250_000 };

  it('takes room while it is answered, and gives it back', async () => {
    await start({ config, script: inTurn({ text: 'one two', stall: 1 }), deps: { pace: { roomMs: 200 } } });
    for (const socket of [await open(), await open()])
      socket.send({ type: 'response.create', model: 'gyre', input: LARGE });
    await until(() => gateway.engine.requests.length === 2, 'both');
    expect((await gateway.post(large)).status).toBe(429);
    for (const { socket } of dialled) socket.terminate();
    gateway.engine.script = inTurn({ text: 'Hello' });
    await gateway.app.idle();
    expect((await gateway.post(large)).status).toBe(200);
  });

  it('takes room while it waits for the answer before it', async () => {
    await start({ config, script: inTurn({ text: 'one two', stall: 1 }), deps: { pace: { roomMs: 200 } } });
    const socket = await open();
    socket.send({ type: 'response.create', model: 'gyre', input: 'q' });
    for (let at = 0; at < 2; at += 1) socket.send({ type: 'response.create', model: 'gyre', input: LARGE });
    await until(() => gateway.engine.requests.length === 1, 'the first');
    await expect.poll(async () => (await gateway.post(large)).status).toBe(429);
    socket.socket.terminate();
    gateway.engine.script = inTurn({ text: 'Hello' });
    await gateway.app.idle();
    expect((await gateway.post(large)).status).toBe(200);
  });

  it('and does not come is given up, with the connection', async () => {
    await start({ config, script: inTurn({ text: 'Hello' }), deps: { pace: { bodyMs: 200, keepaliveMs: 20 } } });
    const socket = await open();
    socket.socket.send(LARGE, { fin: false });
    expect(await socket.next()).toMatchObject({ type: 'error', status: 408, code: 'request_timeout' });
    expect(await socket.closed).toBe(1008);
    expect((await gateway.post(large)).status).toBe(200);
  });

  it('is told to come later where there is no room for it', async () => {
    await start({ config, script: inTurn({ text: 'one', stall: 1 }), deps: { pace: { roomMs: 100 } } });
    const [first, second, third] = [await open(), await open(), await open()];
    for (const socket of [first, second]) socket.send({ type: 'response.create', model: 'gyre', input: LARGE });
    await until(() => gateway.engine.requests.length === 2, 'both');
    third.send({ type: 'response.create', model: 'gyre', input: LARGE });
    expect(await third.next()).toMatchObject({ type: 'error', status: 429, headers: { 'retry-after': '1' } });
    expect(await third.closed).toBe(1013);
  });

  it('is answered again and again on one connection', async () => {
    await start({ config, script: () => ({ text: 'fine' }) });
    const socket = await open();
    for (let round = 0; round < 10; round += 1) {
      const said = await socket.ask({ input: LARGE });
      expect(said.at(-1)?.type).toBe('response.completed');
    }
    expect((await gateway.post(large)).status).toBe(200);
  });

  it('is not read for a key that was revoked', async () => {
    await start({ script: inTurn({ text: 'one' }) });
    const { headers, id } = gateway.key('ann');
    const socket = await open(headers);
    revokeKey(gateway.store.db, id);
    await expect
      .poll(
        async () => {
          const [said] = await socket.ask({ stream_id: 'a', input: LARGE });
          return [said?.['status'], said?.['stream_id']];
        },
        { timeout: 15_000, interval: 500 },
      )
      .toEqual([401, undefined]);
  });
});

describe('connections', () => {
  it('are no more than 256 for a key, and others have their own', async () => {
    await start({ script: inTurn({ text: 'fine' }) });
    const [ann, bob] = [gateway.key('ann').headers, gateway.key('bob').headers];
    for (let at = 0; at < 256; at += 1) await open(ann);
    await expect(open(ann)).rejects.toMatchObject({ status: 429 } satisfies Partial<Refused>);
    expect((await (await open(bob)).ask({ input: 'q' })).at(-1)?.type).toBe('response.completed');
    dialled.shift()?.socket.terminate();
    await expect
      .poll(() =>
        open(ann).then(
          () => true,
          () => false,
        ),
      )
      .toBe(true);
  });
});
