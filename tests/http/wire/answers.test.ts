/** Answers that are read from the log and that nobody takes. */
import { connect, type Socket } from 'node:net';

import { afterEach, beforeEach, expect, it } from 'vitest';

import { inTurn } from '../../fakes/engine.js';
import { startGateway, type Gateway } from '../../fakes/gateway.js';

const LARGE = 'x'.repeat(12_000_000);

let gateway: Gateway;
let sockets: Socket[] = [];
let response = '';
let trajectory = '';

beforeEach(async () => {
  gateway = await startGateway({
    script: inTurn({ deltas: [{ content: LARGE }], tokenIds: false }, { text: 'fine' }),
    // Half of it is for what is read back.
    config: { 'limits.bytes_in_flight': 16_000_000, 'limits.answer_bytes': 64_000_000 },
    deps: { pace: { roomMs: 200, slowReaderMs: 3_000 } },
  });
  const answer = await fetch(`${gateway.url}/v1/responses`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'gyre', input: 'q' }),
  });
  expect(answer.status).toBe(200);
  trajectory = answer.headers.get('x-gyre-trajectory') ?? '';
  response = ((await answer.json()) as { id: string }).id;
});

afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  sockets = [];
  await gateway.close();
});

/** Asks, and takes nothing of the answer but its first bytes. */
async function unread(path: string): Promise<Socket> {
  const { host, port } = new URL(gateway.url);
  const socket = connect({ port: Number(port), host: '127.0.0.1' });
  sockets.push(socket);
  socket.on('error', () => undefined);
  socket.write(`GET ${path} HTTP/1.1\r\nhost: ${host}\r\n\r\n`);
  await new Promise((resolve) => socket.once('data', resolve));
  socket.pause();
  return socket;
}

const statusOf = async (path: string): Promise<number> => {
  const answer = await fetch(gateway.url + path);
  await answer.arrayBuffer();
  return answer.status;
};

it('are as many as there is room for, and keep no request from being answered', async () => {
  const socket = await unread(`/gyre/v1/trajectories/${trajectory}`);
  const refused = await fetch(`${gateway.url}/gyre/v1/trajectories`);
  expect(refused.status).toBe(429);
  expect(await refused.text()).toContain('have not left yet');
  const words = 'y'.repeat(100_000);
  expect((await gateway.post({ model: 'gyre', messages: [{ role: 'user', content: words }] })).status).toBe(200);
  socket.destroy();
  await expect.poll(() => statusOf('/gyre/v1/trajectories')).toBe(200);
});

it('in events are told as they are taken, and given up where nobody takes them', async () => {
  const path = `/v1/responses/${response}?stream=true`;
  const socket = await unread(path);
  const closed = new Promise((resolve) => socket.on('close', resolve));
  // Nothing is taken for as long as a reader may take nothing; then what is left ends early.
  await new Promise((resolve) => setTimeout(resolve, 6_000));
  let taken = 0;
  socket.on('data', (part: Buffer) => (taken += part.length)).resume();
  await closed;
  const whole = await (await fetch(gateway.url + path)).text();
  expect(whole.length).toBeGreaterThan(4 * LARGE.length);
  expect(taken).toBeLessThan(whole.length);
  const [last] = whole.match(/(?<=event: )response\.completed(?=\ndata: .{0,100})/) ?? [];
  expect(last).toBe('response.completed');
});
