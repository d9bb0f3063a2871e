/** An engine given by address, watched over real HTTP while it dies, hangs and comes back. */
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

import { afterEach, describe, expect, it } from 'vitest';

import { type EngineWatch, watchEngine } from '../../../src/policy/serving/watch.js';

interface Running {
  readonly url: string;
  readonly port: number;
  readonly asked: string[];
  close(): Promise<void>;
}

const servers: Running[] = [];
const watches: EngineWatch[] = [];
afterEach(async () => {
  for (const watch of watches.splice(0)) watch.stop();
  for (const server of servers.splice(0)) await server.close();
});

/** A server that answers these paths, and 404 for the rest. */
async function serverOf(answers: Readonly<Record<string, RequestListener>>, port = 0): Promise<Running> {
  const asked: string[] = [];
  const sockets = new Set<Socket>();
  const server: Server = createServer((incoming, outgoing) => {
    asked.push(incoming.url ?? '');
    const answer = answers[incoming.url ?? ''];
    if (answer === undefined) outgoing.writeHead(404).end('{"detail":"Not Found"}');
    else answer(incoming, outgoing);
  });
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  const at = (server.address() as AddressInfo).port;
  const running: Running = {
    url: `http://127.0.0.1:${at}`,
    port: at,
    asked,
    close: () => {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
  servers.push(running);
  return running;
}

const status =
  (code: number, body = ''): RequestListener =>
  (_, outgoing) =>
    void outgoing.writeHead(code).end(body);
const list = (id: string, root?: string, owner = 'vllm'): RequestListener =>
  status(200, JSON.stringify({ data: [{ id, root, owned_by: owner }] }));

function watchOf(url: string, apiKey?: string): EngineWatch {
  const watch = watchEngine({ url, apiKey, changed: () => undefined });
  watches.push(watch);
  return watch;
}

/** How long it took until it held, in milliseconds; throws after six seconds. */
async function until(holds: () => boolean): Promise<number> {
  const began = performance.now();
  while (!holds()) {
    if (performance.now() - began > 6_000) throw new Error('it never held');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return performance.now() - began;
}

describe('an engine given by address', () => {
  it('that dies and comes back is known to, within five seconds', async () => {
    const engine = await serverOf({ '/health': status(200), '/v1/models': list('qwen', '/models/qwen') });
    const watch = watchOf(engine.url);
    await watch.asked;
    expect([watch.trouble, watch.model]).toEqual([undefined, { id: 'qwen', root: '/models/qwen' }]);
    await engine.close();
    expect(await until(() => watch.trouble !== undefined)).toBeLessThan(5_000);
    expect(watch.trouble).toContain('cannot be reached');
    await serverOf({ '/health': status(200), '/v1/models': list('llama') }, engine.port);
    expect(await until(() => watch.trouble === undefined)).toBeLessThan(5_000);
    expect(watch.model).toEqual({ id: 'llama', root: undefined });
  });

  it('that hangs is not ready either', async () => {
    let hangs = false;
    const engine = await serverOf({
      '/health': (incoming, outgoing) => (hangs ? undefined : status(200)(incoming, outgoing)),
      '/v1/models': list('m'),
    });
    const watch = watchOf(`${engine.url}/v1`);
    await watch.asked;
    expect(watch.trouble).toBeUndefined();
    hangs = true;
    expect(await until(() => watch.trouble !== undefined)).toBeLessThan(5_000);
    expect(watch.trouble).toBe('it did not answer within 2 s');
  });

  it('whose core is dead says so itself, and is not ready as long as it does', async () => {
    let dead = false;
    const engine = await serverOf({
      '/health': (incoming, outgoing) => status(dead ? 503 : 200)(incoming, outgoing),
      '/v1/models': list('m'),
    });
    const seen: (string | undefined)[] = [];
    const watch = watchEngine({ url: engine.url, changed: ({ trouble }) => seen.push(trouble) });
    watches.push(watch);
    await watch.asked;
    dead = true;
    await until(() => watch.trouble === 'it says 503 to GET /health');
    const before = seen.length;
    await until(() => seen.length === before + 1);
    expect(watch.trouble).toBe('it says 503 to GET /health');
    dead = false;
    await until(() => watch.trouble === undefined);
  });

  it('that is another server than vLLM is asked for its models alone: its health may cost', async () => {
    const models = list('m', undefined, 'openai');
    const engine = await serverOf({ '/health': status(500), '/api/v4/models': models });
    const watch = watchOf(`${engine.url}/api/v4/`);
    await until(() => engine.asked.length === 3);
    expect(watch.trouble).toBeUndefined();
    expect(new Set(engine.asked)).toEqual(new Set(['/api/v4/models']));
  });

  it('that became another server has no health any more', async () => {
    const engine = await serverOf({ '/health': status(200), '/v1/models': list('m') });
    const watch = watchOf(engine.url);
    await watch.asked;
    await engine.close();
    await until(() => watch.trouble !== undefined);
    const other = await serverOf({ '/health': status(500), '/v1/models': list('m', undefined, 'openai') }, engine.port);
    await until(() => other.asked.length === 2);
    expect(other.asked).toEqual(['/v1/models', '/v1/models']);
    expect(watch.trouble).toBeUndefined();
  });

  it.each([
    ['lists no models', status(404), undefined],
    ['lists something else', status(200, '<html>'), undefined],
    ['asks for patience', status(429), undefined],
    ['refuses the key', status(401), 'it refuses the key (401)'],
    ['is broken', status(502), 'it says 502 to GET /models'],
  ])('that %s is ready or says why not', async (_what, models, trouble) => {
    const engine = await serverOf({ '/v1/models': models });
    const watch = watchOf(engine.url, 'key');
    await watch.asked;
    expect([watch.trouble, watch.model]).toEqual([trouble, undefined]);
  });

  it('is left alone when the watch is stopped, also in the middle of a question', async () => {
    const engine = await serverOf({ '/v1/models': () => undefined });
    const watch = watchOf(engine.url);
    await until(() => engine.asked.length === 1);
    watch.stop();
    await watch.asked;
    await new Promise((resolve) => setTimeout(resolve, 2_500));
    expect(engine.asked).toEqual(['/v1/models']);
  });
});
