/** Requests that are sent without waiting for the answers before them. */
import { connect, type Socket } from 'node:net';

import { afterEach, describe, expect, it } from 'vitest';

import { inTurn } from '../../fakes/engine.js';
import { startGateway, until, type Gateway, type GatewayOptions } from '../../fakes/gateway.js';

let gateway: Gateway;
let sockets: Socket[] = [];
const start = async (options: GatewayOptions): Promise<Gateway> => (gateway = await startGateway(options));
afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  sockets = [];
  await gateway.close();
});

function request(stream: boolean, path = '/v1/chat/completions', more = ''): string {
  const body = JSON.stringify({ model: 'gyre', messages: [{ role: 'user', content: 'hi' }], stream });
  const { host } = new URL(gateway.url);
  const head = `POST ${path} HTTP/1.1\r\nhost: ${host}\r\ncontent-type: application/json${more}`;
  return `${head}\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
}

interface Line {
  readonly socket: Socket;
  read(): string;
  readonly ended: Promise<void>;
}

async function open(text: string): Promise<Line> {
  const socket = connect(Number(new URL(gateway.url).port), '127.0.0.1');
  sockets.push(socket);
  let got = '';
  socket.on('data', (part: Buffer) => (got += part.toString()));
  socket.on('error', () => undefined);
  const ended = new Promise<void>((resolve) => socket.on('close', () => resolve()));
  await new Promise<void>((resolve) => socket.on('connect', resolve));
  socket.write(text);
  return { socket, read: () => got, ended };
}

describe('requests sent together on one connection', () => {
  it('are answered in their order, each when the one before is over', async () => {
    await start({ script: inTurn({ text: 'one two', delayMs: 10 }, { text: 'three' }, { text: 'four' }) });
    const line = await open(request(true) + request(false) + request(true));
    await until(() => line.read().includes('four'), 'the last answer');
    const said = line.read();
    expect(said.match(/HTTP\/1\.1 200/g)).toHaveLength(3);
    expect(said.indexOf('two')).toBeLessThan(said.indexOf('three'));
    expect(said.indexOf('three')).toBeLessThan(said.indexOf('four'));
  });

  it.each(['streamed', 'whole'])('hold nothing when their connection ends, %s', async (form) => {
    await start({ script: inTurn({ text: 'one two three', stall: 2 }) });
    const line = await open(request(form === 'streamed').repeat(40));
    await until(() => gateway.engine.requests.length === 1, 'the first request');
    expect(gateway.app.inFlight()).toBe(1);
    line.socket.destroy();
    await gateway.app.idle();
    await until(() => gateway.engine.aborts === 1, 'the abort at the engine');
    expect(gateway.app.inFlight()).toBe(0);
    expect(gateway.engine.requests).toHaveLength(1);
  });

  it('of every kind of route wait, and are dropped with their connection', async () => {
    await start({ script: inTurn({ text: 'one two three', stall: 2 }) });
    const { host } = new URL(gateway.url);
    const line = await open(
      `${request(true)}GET /health HTTP/1.1\r\nhost: ${host}\r\n\r\n${request(false, '/nowhere')}`,
    );
    await until(() => line.read().includes('one'), 'the first words');
    line.socket.destroy();
    await gateway.app.idle();
    expect(line.read()).not.toContain('"status"');
  });

  it.each([
    ['HTTP/2', 'h2c', false],
    ['HTTP/2', 'h2c', true],
    ['a WebSocket', 'websocket', true],
  ])('hold nothing where one of them offers %s (%s) before the one before it is answered', async (_, to, early) => {
    const words = 'more than fits into the buffers of a response; '.repeat(2_000);
    await start({ script: inTurn({ text: [words, words, 'the end'] }, { text: 'again' }) });
    const offer = request(true, '/v1/chat/completions', `\r\nconnection: Upgrade\r\nupgrade: ${to}`);
    const { host } = new URL(gateway.url);
    const health = `GET /health HTTP/1.1\r\nhost: ${host}\r\n\r\n`;
    const line = await open(early ? health + offer : health);
    if (!early) {
      await until(() => line.read().includes('"status"'), 'the first answer');
      line.socket.write(offer);
      await until(() => line.read().includes('[DONE]'), 'the second answer');
    } else await line.ended;
    await gateway.app.idle();
    expect(gateway.app.inFlight()).toBe(0);
    expect(gateway.engine.requests).toHaveLength(early ? 0 : 1);
  });

  it('are cut off when there are too many', async () => {
    await start({ script: inTurn({ text: 'one two three', stall: 2 }) });
    const line = await open(request(true).repeat(100));
    await line.ended;
    await gateway.app.idle();
    expect(gateway.engine.requests.length).toBeLessThanOrEqual(1);
  });
});

it('an answer that nobody reads gives its connection up, and is not counted as delivered', async () => {
  // More than the kernel keeps for a reader.
  const config = { 'limits.answer_bytes': 256 * 1024 * 1024 };
  await start({ script: inTurn({ text: 'x'.repeat(40_000_000) }), config, deps: { pace: { slowReaderMs: 200 } } });
  const line = await open(request(false));
  line.socket.pause();
  await expect
    .poll(() => gateway.app.metrics.text(), { timeout: 60_000 })
    .toMatch(/gyre_deliveries_total\{outcome="disconnected"\} 1/);
});
