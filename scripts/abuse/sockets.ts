/** What clients do to the WebSocket of the Responses API. */
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';

import { WebSocket } from 'ws';

import { asked, chat, connected, statusOn, type Target } from './client.js';

const MIB = 1024 * 1024;
const SOCKETS = 16;
const LANES = 8;

async function opened({ host, port }: Target): Promise<WebSocket> {
  const socket = new WebSocket(`ws://${host}:${port}/v1/responses`);
  socket.on('error', () => undefined);
  await Promise.race([once(socket, 'open'), once(socket, 'close')]);
  return socket;
}

const create = (fields: Readonly<Record<string, unknown>>): string =>
  JSON.stringify({ type: 'response.create', model: 'gyre', ...fields });

/** Whether a request of a few words and one of 100 KB are answered beside all that; a large one may be told to wait. */
async function beside(target: Target, problems: string[]): Promise<void> {
  for (const [words, fine] of [
    ['meanwhile', [200]],
    ['meanwhile '.repeat(10_000), [200, 429]],
  ] as const) {
    const socket = await connected(target);
    socket.write(asked(chat(words)));
    const status = await statusOn(socket, 60_000);
    socket.destroy();
    if (!fine.some((each) => each === status)) problems.push(`a request beside WebSockets got ${status}`);
  }
}

/**
 * Conversations that are only to be remembered, in every lane; halves of messages; more messages than may wait; answers
 * that nobody reads; and connections that are cut in the middle of it.
 */
export async function sockets(target: Target): Promise<readonly string[]> {
  const problems: string[] = [];
  const input = 'all work and no play '.repeat((2 * MIB) / 21);
  const remembering = await Promise.all(Array.from({ length: SOCKETS }, () => opened(target)));
  const answers = remembering.map((socket) => {
    let last = 0;
    socket.on('message', (data: Buffer) => {
      if (/^\{"type":"(response\.(completed|failed|incomplete)|error)"/.test(data.toString('latin1', 0, 64))) last += 1;
    });
    for (let lane = 0; lane < LANES; lane += 1) socket.send(create({ generate: false, stream_id: `l${lane}`, input }));
    return () => last;
  });
  for (const until = Date.now() + 60_000; Date.now() < until; await sleep(500)) {
    await beside(target, problems);
    const waits = (at: number): boolean =>
      remembering[at]?.readyState === WebSocket.OPEN && (answers[at]?.() ?? 0) < LANES;
    if (!remembering.some((_, at) => waits(at))) break;
  }
  if (!answers.some((count) => count() === LANES)) problems.push('no connection had all it sent remembered');

  const halves = await Promise.all(Array.from({ length: SOCKETS }, () => opened(target)));
  const given = halves.map((socket) => once(socket, 'close').then(([code]) => Number(code)));
  for (const socket of halves) socket.send('x'.repeat(4 * MIB), { fin: false });
  const codes = await Promise.all(given.map((code) => Promise.race([code, sleep(60_000, 0)])));
  const strange = codes.filter((code) => code !== 1008 && code !== 1013);
  if (strange.length > 0) problems.push(`halves of messages ended with ${[...new Set(strange)].join(', ')}`);

  const busy = await Promise.all(Array.from({ length: 4 * SOCKETS }, () => opened(target)));
  for (const [at, socket] of busy.entries()) {
    socket.pause();
    const words = ['slow', 'large', 'compute'][at % 3] ?? '';
    for (let each = 0; each <= at % 20; each += 1) socket.send(create({ input: words }));
  }
  await sleep(2_000);
  await beside(target, problems);
  for (const socket of [...remembering, ...halves, ...busy]) socket.terminate();
  return problems;
}
