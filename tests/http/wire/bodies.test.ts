/** Bodies that come slowly, not at all, or more of them than there is room for. */
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

const ASK = { model: 'gyre', messages: [{ role: 'user', content: 'hi' }] };
const large = (bytes: number): object => ({ ...ASK, messages: [{ role: 'user', content: 'x'.repeat(bytes) }] });

/** A request of which only the head and a first piece is sent; resolves to what is answered. */
function unfinished(piece: string, path = '/v1/chat/completions', announced = 5_000): Promise<string> {
  const socket = connect(Number(new URL(gateway.url).port), '127.0.0.1');
  sockets.push(socket);
  let got = '';
  socket.on('data', (part: Buffer) => (got += part.toString()));
  socket.on('error', () => undefined);
  const { host } = new URL(gateway.url);
  socket.write(`POST ${path} HTTP/1.1\r\nhost: ${host}\r\ncontent-length: ${announced}\r\n\r\n${piece}`);
  return new Promise((resolve) => socket.on('close', () => resolve(got)));
}

describe('a body that does not come', () => {
  it.each(['/v1/chat/completions', '/v1/messages', '/v1/responses', '/v1/feedback', '/v1/messages/count_tokens'])(
    'is given up with 408, and its connection closed: %s',
    async (path) => {
      await start({ script: inTurn({}), deps: { pace: { bodyMs: 200 } } });
      const answer = await unfinished('{"model"', path);
      expect(answer).toMatch(/^HTTP\/1\.1 408 /);
      expect(answer).toMatch(/\r\nconnection: close\r\n/i);
      expect(answer).toContain('8 bytes of it are here');
    },
  );

  it('takes no place from those that are there', async () => {
    await start({ script: inTurn({ text: 'Hello' }), config: { 'limits.concurrency': 1 } });
    for (let each = 0; each < 20; each += 1) void unfinished('{');
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect((await gateway.post(ASK)).status).toBe(200);
    expect(gateway.app.inFlight()).toBe(0);
  });

  it('drop by drop is given up as well', async () => {
    await start({ script: inTurn({}), deps: { pace: { bodyMs: 100 } } });
    const answered = unfinished('{');
    const dripping = setInterval(() => sockets[0]?.write(' '), 20);
    expect(await answered).toMatch(/^HTTP\/1\.1 408 /);
    clearInterval(dripping);
  });
});

describe('bodies of which there are too many bytes', () => {
  const config = { 'limits.bytes_in_flight': 250_000 };

  it('wait for those before them, and are answered', async () => {
    await start({ script: inTurn({ text: 'one two', delayMs: 20 }), config });
    const answers = await Promise.all(Array.from({ length: 8 }, async () => gateway.post(large(100_000))));
    expect(answers.map(({ status }) => status)).toEqual(Array(8).fill(200));
    await Promise.all(answers.map((answer) => answer.text()));
    expect(gateway.engine.requests).toHaveLength(8);
  });

  it('get 429 where that takes too long, and small ones are answered beside them', async () => {
    await start({ script: inTurn({ text: 'one two', stall: 1 }), config, deps: { pace: { roomMs: 100 } } });
    const leaving = new AbortController();
    const held = [1, 2].map(() => gateway.post(large(100_000), { signal: leaving.signal }).catch(() => undefined));
    await until(() => gateway.engine.requests.length === 2, 'both');
    const refused = await gateway.post(large(100_000));
    expect(refused.status).toBe(429);
    expect(refused.headers.get('retry-after')).toBe('1');
    expect(await refused.json()).toMatchObject({
      error: { code: 'rate_limit_exceeded', message: expect.stringContaining('"limits.bytes_in_flight"') as unknown },
    });
    const small = gateway.post(ASK, { signal: leaving.signal }).catch(() => undefined);
    await until(() => gateway.engine.requests.length === 3, 'the small one');
    leaving.abort();
    await Promise.all([...held, small]);
    gateway.engine.script = inTurn({ text: 'Hello' });
    await gateway.app.idle();
    expect((await gateway.post(large(100_000))).status).toBe(200);
  });

  it('take no room while they are only announced', async () => {
    await start({ script: inTurn({ text: 'Hello' }), config, deps: { pace: { roomMs: 200 } } });
    for (let each = 0; each < 8; each += 1) void unfinished('x'.repeat(10_000), '/v1/chat/completions', 30_000_000);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect((await gateway.post(large(100_000))).status).toBe(200);
  });

  it('do not wait for each other when all of them are half there', async () => {
    await start({ script: inTurn({ text: 'Hello' }), config: { 'limits.bytes_in_flight': 2_000_000 } });
    const body = JSON.stringify(large(900_000));
    const { host, port } = new URL(gateway.url);
    const head = `POST /v1/chat/completions HTTP/1.1\r\nhost: ${host}\r\ncontent-length: ${body.length}\r\n\r\n`;
    const statuses = Array.from({ length: 8 }, async () => {
      const socket = connect(Number(port), '127.0.0.1');
      sockets.push(socket);
      socket.write(head + body.slice(0, 500_000));
      await new Promise((resolve) => setTimeout(resolve, 100));
      socket.write(body.slice(500_000));
      return new Promise<string>((resolve) => socket.once('data', (part: Buffer) => resolve(part.toString())));
    });
    for (const answer of await Promise.all(statuses)) expect(answer).toMatch(/^HTTP\/1\.1 200 /);
  });

  it('whose rest never comes are refused when others wait for them, and give their room back', async () => {
    const pace = { roomMs: 150, bodyMs: 1_000 };
    await start({ script: inTurn({ text: 'Hello' }), config, deps: { pace } });
    const piece = 'x'.repeat(200_000);
    for (let each = 0; each < 4; each += 1) void unfinished(piece, '/v1/chat/completions', 30_000_000);
    const answers = sockets.map(
      async (socket) =>
        new Promise<string>((resolve) => socket.once('data', (part: Buffer) => resolve(part.toString()))),
    );
    for (const answer of await Promise.all(answers)) expect(answer).toMatch(/^HTTP\/1\.1 (408|429) /);
    expect((await gateway.post(large(100_000))).status).toBe(200);
  });

  it('alone are let in whatever their size', async () => {
    await start({ script: inTurn({ text: 'Hello' }), config });
    expect((await gateway.post(large(1_000_000))).status).toBe(200);
  });
});

describe('a fault that is a bug of ours', () => {
  const broken = (): never => {
    throw new TypeError('x is not a function');
  };

  it.each([
    ['of an answer', '/v1/chat/completions', ASK],
    ['of another route', '/v1/feedback', { trajectory: 'traj_x', rating: 1 }],
  ])('is told with its reason to the operator, and counted: %s', async (_, path, body) => {
    const bugs: [unknown, string][] = [];
    await start({
      deps: { bug: (thrown, id) => bugs.push([thrown, id]) },
      depsOver: () => ({
        log: {
          open: broken,
          flush: () => Promise.reject(new TypeError('x is not a function')),
          refusal: () => undefined,
          failures: 0,
          state: { uncommitted: { answers: 0, bytes: 0 }, wal: { bytes: 0, heldUp: 0 } },
        },
      }),
    });
    const answer = await fetch(gateway.url + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-request-id': 'mine' },
      body: JSON.stringify(body),
    });
    expect(answer.status).toBe(500);
    expect(await answer.text()).not.toContain('x is not a function');
    expect(bugs).toEqual([[expect.objectContaining({ message: 'x is not a function' }), 'mine']]);
    expect(await gateway.app.metrics.text()).toMatch(/^gyre_internal_errors_total 1$/m);
  });
});
