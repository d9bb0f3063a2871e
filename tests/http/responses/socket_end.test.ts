/** How WebSockets end, and who else speaks on them: the official client, and programs that offer HTTP/2. */
import { connect } from 'node:net';

import { ResponsesWS } from 'openai/resources/responses/ws';
import { afterEach, describe, expect, it } from 'vitest';

import { verify } from '../../../src/store/proof/verify.js';
import { inTurn, type Reply } from '../../fakes/engine.js';
import { startGateway, until, type Gateway, type GatewayOptions } from '../../fakes/gateway.js';
import { dial, type Dialled, type Said } from '../../fakes/socket.js';

let gateway: Gateway;
afterEach(async () => gateway.close());

const start = async (...replies: Reply[]): Promise<Dialled> => startBy({ script: inTurn(...replies) });
const startBy = async (options: GatewayOptions): Promise<Dialled> => {
  gateway = await startGateway(options);
  return dial(gateway.url);
};
const textOf = (seen: readonly Said[]): string =>
  seen
    .filter(({ type }) => type === 'response.output_text.delta')
    .map(({ delta }) => String(delta))
    .join('');
const sum: Reply = {
  text: 'Let me see. ',
  calls: [{ id: 'c1', name: 'calculator', arguments: '{"expression":"1+1"}' }],
};
const user = (content: string): object => ({ role: 'user', content });

describe('the end', () => {
  it('of the connection breaks the answer off, as far as the engine', async () => {
    const socket = await start({ text: 'one two three', stall: 2 });
    socket.send({ type: 'response.create', model: 'gyre', input: 'q' });
    await socket.next();
    socket.close();
    await until(() => gateway.engine.aborts === 1, 'the abort');
    await until(() => gateway.logged[0]?.ending !== undefined, 'the end');
    expect(gateway.logged[0]?.ending?.outcome).toBe('cancelled');
    expect(await gateway.app.metrics.text()).toContain('499');
  });

  it('of the gateway: the idle are sent away, who is being answered gets all of it', async () => {
    const idle = await start({ text: 'one two three', delayMs: 30 });
    const busy = await dial(gateway.url);
    const asked = busy.ask({ input: 'q' });
    await until(() => gateway.engine.requests.length === 1, 'the request');
    const stopped = gateway.stop(5_000);
    expect(await idle.closed).toBe(1001);
    expect(textOf(await asked)).toBe('one two three');
    expect(await busy.closed).toBe(1001);
    await stopped;
    expect(gateway.logged[0]?.ending?.outcome).toBe('completed');
    expect(verify(gateway.store.db).ok).toBe(true);
  });

  it('of the gateway at its deadline cuts off who is left', async () => {
    const socket = await start({ text: 'one two three', stall: 2 });
    socket.send({ type: 'response.create', model: 'gyre', input: 'q' });
    await until(() => gateway.engine.requests.length === 1, 'the request');
    await gateway.stop(50);
    expect(await socket.closed).toBe(1006);
    await until(() => gateway.engine.aborts === 1, 'the abort');
  });

  it('comes to a connection that has lasted too long, after the answer under way', async () => {
    const socket = await startBy({
      script: inTurn({ text: 'one two three', delayMs: 60 }),
      deps: { pace: { socketMs: 50 } },
    });
    const seen = await socket.ask({ input: 'q' });
    expect(textOf(seen)).toBe('one two three');
    expect(await socket.next()).toMatchObject({
      type: 'error',
      status: 400,
      error: { code: 'websocket_connection_limit_reached' },
    });
    expect(await socket.closed).toBe(1000);
  });

  it('comes to who does not read, and to who does not answer a ping', async () => {
    const socket = await startBy({
      script: () => ({ text: Array.from({ length: 4_000 }, () => 'x'.repeat(4_000)) }),
      deps: { pace: { slowReaderMs: 100 } },
    });
    socket.socket.pause();
    socket.send({ type: 'response.create', model: 'gyre', input: 'q' });
    await expect.poll(() => gateway.logged[0]?.ending?.outcome, { timeout: 30_000 }).toBe('cancelled');
    socket.socket.terminate();
    await gateway.close();
    const silent = await startBy({ deps: { pace: { keepaliveMs: 20 } } });
    silent.socket.pause();
    await new Promise((resolve) => setTimeout(resolve, 150));
    silent.socket.resume();
    expect(await silent.closed).toBe(1006);
  });

  it('does not come to who is idle and answers pings', async () => {
    const socket = await startBy({ script: inTurn({ text: 'fine' }), deps: { pace: { keepaliveMs: 10 } } });
    await new Promise((resolve) => setTimeout(resolve, 150));
    expect(textOf(await socket.ask({ input: 'q' }))).toBe('fine');
    socket.close();
  });
});

it('the official client reads it', async () => {
  gateway = await startGateway({ script: inTurn(sum, { text: 'Two.' }) });
  const socket = new ResponsesWS(gateway.client);
  const seen: string[] = [];
  const done = new Promise<string>((resolve, reject) => {
    socket.on('event', (event) => {
      seen.push(event.type);
      if (event.type === 'response.completed') resolve(event.response.status ?? '');
    });
    socket.on('error', reject);
  });
  socket.send({ type: 'response.create', model: 'gyre', input: 'q', tools: [{ type: 'gyre:calculator' } as never] });
  expect(await done).toBe('completed');
  expect(seen).toContain('response.mcp_call.completed');
  socket.close();
});

it('a request that offers another protocol than a WebSocket is answered as HTTP', async () => {
  gateway = await startGateway({ script: inTurn({ text: 'fine' }, { text: 'again' }) });
  const { port } = new URL(gateway.url);
  const socket = connect(Number(port), '127.0.0.1');
  let read = '';
  socket.setEncoding('latin1').on('data', (text: string) => (read += text));
  const body = JSON.stringify({ model: 'gyre', messages: [user('hi')] });
  const request =
    `POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n` +
    `HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA\r\nContent-Type: application/json\r\n` +
    `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
  socket.write(request);
  await until(() => read.includes('fine'), 'the answer');
  expect(read).toMatch(/^HTTP\/1.1 200/);
  // and the connection goes on
  socket.write(request.slice(0, 300));
  setTimeout(() => socket.write(request.slice(300)), 20);
  await until(() => read.includes('again'), 'the second answer');
  socket.destroy();
});
