/** What clients do to a gateway, on purpose or not. Each scene ends with all of its connections closed. */
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

import type { EngineRequest, Reply } from '../../tests/fakes/engine.js';
import { asked, chat, connected, head, statusOn, type Target } from './client.js';
import { sockets } from './sockets.js';

/** What went wrong, in words; nothing where all went well. */
export type Scene = (target: Target, minutes: number) => Promise<readonly string[]>;

/** What a gateway answers at once by default. */
export const SLOTS = 256;
const MIB = 1024 * 1024;
const LARGE = 'a word and another, again and again; '.repeat(32_000);

/** The engine's part: what is asked for stands in the last words of the client. */
export function script({ body }: EngineRequest): Reply {
  const last = body.messages.at(-1);
  const words = typeof last?.content === 'string' ? last.content.slice(0, 64) : '';
  if (last?.role === 'tool') return { text: 'The tool has answered.', delayMs: 5 };
  if (words.startsWith('slow')) return { text: 'token '.repeat(50).split(' '), delayMs: 100 };
  if (words.startsWith('large')) return { deltas: [{ content: LARGE }], tokenIds: false };
  // More than any context holds: an engine that took it would not spell its prompt in as many tokens.
  if (words.startsWith('all work')) return { text: 'I hear you.', promptTokenIds: [1, 2, 3] };
  if (words.startsWith('compute')) return { calls: [{ name: 'calculator', arguments: '{"expression":"17*23"}' }] };
  return { text: 'I hear you.' };
}

/** Many streams asked for on few connections, which are then closed. */
const pipelining: Scene = async (target) => {
  for (let round = 0; round < 10; round += 1) {
    const sockets = await Promise.all(Array.from({ length: 8 }, () => connected(target)));
    const many = asked(chat('slow', { stream: true })).repeat(50);
    for (const socket of sockets) socket.write(many);
    await sleep(300);
    for (const socket of sockets) socket.destroy();
  }
  return [];
};

/** Bodies that never come and bodies that drip, while others ask. */
const slowBodies: Scene = async (target) => {
  const sockets = await Promise.all(Array.from({ length: 400 }, () => connected(target)));
  const body = chat('x'.repeat(2_000));
  const dripping = sockets.slice(0, 100);
  for (const socket of sockets) socket.write(head(Buffer.byteLength(body)));
  const drip = setInterval(() => dripping.forEach((socket) => socket.writable && socket.write(' ')), 1_000);
  const answers = sockets.map((socket) => statusOn(socket, 150_000));
  const problems: string[] = [];
  for (let asks = 0; asks < 20; asks += 1) {
    const status = await once(target, chat('meanwhile'));
    if (status !== 200) problems.push(`a request beside bodies that do not come got ${status}`);
    await sleep(100);
  }
  const statuses = new Set(await Promise.all(answers));
  clearInterval(drip);
  for (const socket of sockets) socket.destroy();
  for (const status of statuses)
    if (status !== 408 && status !== 0) problems.push(`a body that did not come got ${status}`);
  if (!statuses.has(408)) problems.push('no body that did not come was answered with 408');
  return problems;
};

/** Large bodies that are announced and of which little comes, while others send theirs. */
const announced: Scene = async (target) => {
  const sockets = await Promise.all(Array.from({ length: 200 }, () => connected(target)));
  for (const socket of sockets) socket.write(head(31 * MIB) + 'x'.repeat(20_000));
  const drip = setInterval(() => sockets.slice(0, 50).forEach((socket) => socket.writable && socket.write(' ')), 1_000);
  const answers = sockets.map((socket) => statusOn(socket, 60_000));
  const problems: string[] = [];
  for (let asks = 0; asks < 20; asks += 1) {
    const status = await once(target, chat('meanwhile '.repeat(10_000)));
    if (status !== 200) problems.push(`a large body beside such as are only announced got ${status}`);
    await sleep(100);
  }
  const statuses = new Set(await Promise.all(answers));
  clearInterval(drip);
  for (const socket of sockets) socket.destroy();
  for (const status of statuses)
    if (status !== 408 && status !== 0) problems.push(`a body that was only announced got ${status}`);
  return problems;
};

/** Requests that offer another protocol, behind others that are not answered yet. */
const offers: Scene = async (target) => {
  for (let round = 0; round < 2 * SLOTS; round += 32)
    await Promise.all(
      Array.from({ length: 32 }, async (_, at) => {
        const socket = await connected(target);
        const to = at % 2 === 0 ? 'h2c' : 'websocket';
        const offer = asked(chat('large', { stream: at % 3 > 0 })).replace(
          '\r\n\r\n',
          `\r\nconnection: Upgrade\r\nupgrade: ${to}\r\n\r\n`,
        );
        const ended = new Promise((resolve) => socket.once('close', resolve));
        socket.write(`GET /health HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n${offer}`);
        await Promise.race([ended, sleep(500)]);
        socket.destroy();
      }),
    );
  return [];
};

/** More bytes at once than there is room for. */
const bigBodies: Scene = async (target) => {
  const words = 'all work and no play '.repeat((31 * MIB) / 21);
  const bytes = Buffer.from(chat(words));
  const statuses = await Promise.all(
    Array.from({ length: 64 }, async () => {
      const socket = await connected(target);
      socket.write(head(bytes.length));
      socket.write(bytes);
      const status = await statusOn(socket, 120_000);
      socket.destroy();
      return status;
    }),
  );
  const strange = statuses.filter((status) => ![200, 429].includes(status));
  return strange.length === 0 ? [] : [`${strange.length} of 64 large bodies got ${[...new Set(strange)].join(', ')}`];
};

/** Bodies of a great many small values: no text of them is long, and all of them take long to parse. */
const smallValues: Scene = async (target) => {
  const problems: string[] = [];
  for (const [what, field] of [
    ['numbers', `[${'1,'.repeat(15 * MIB)}1]`],
    ['numbers that are few enough', `[${'1.25,'.repeat(4_000_000)}1]`],
    ['objects', `[${'{"role":"user","content":"and so on"},'.repeat(600_000)}{}]`],
    ['lists in lists', `[${'[[]],'.repeat(6 * MIB)}1]`],
    ['names', `{${Array.from({ length: 1_500_000 }, (_, at) => `"name ${at}":1`).join(',')}}`],
    ['numbers with a comma too many', `[${'1.25,'.repeat(4_000_000)}]`],
  ] as const) {
    const body = chat('hi').replace(/\}$/, `,"unknown":${field}}`);
    const statuses = await Promise.all(Array.from({ length: 3 }, () => once(target, body)));
    for (const status of statuses) if (status !== 400) problems.push(`a body of ${what} got ${status}`);
  }
  return problems;
};

/** Large answers that nobody reads, streamed and whole. */
const unread: Scene = async (target) => {
  for (const stream of [true, false]) {
    const sockets: Socket[] = [];
    for (let at = 0; at < SLOTS; at += 1) {
      const socket = await connected(target);
      socket.pause();
      socket.write(asked(chat('large', { stream })));
      sockets.push(socket);
    }
    await sleep(15_000);
    for (const socket of sockets) socket.destroy();
    await sleep(2_000);
  }
  return [];
};

/** Clients that leave at any moment: before, in and after the body, the answer and the tool. */
const cancels: Scene = async (target) => {
  const phases: readonly ((socket: Socket) => Promise<void>)[] = [
    () => Promise.resolve(),
    (socket) => Promise.resolve(void socket.write('POST /v1/chat/completions HTTP/1.1\r\nhost: x')),
    (socket) => Promise.resolve(void socket.write(`${head(500)}{"model":`)),
    async (socket) => {
      socket.write(asked(chat('slow', { stream: true })));
      await sleep(Math.random() * 60);
    },
    async (socket) => {
      socket.write(asked(chat('compute', { stream: Math.random() < 0.5 })));
      await sleep(Math.random() * 30);
    },
    async (socket) => {
      socket.write(asked(chat('large', { stream: Math.random() < 0.5 })));
      await sleep(Math.random() * 30);
    },
    async (socket) => {
      socket.write(asked(chat('slow', { stream: true })));
      await statusOn(socket, 5_000);
    },
    (socket) => Promise.resolve(void socket.end(asked(chat('half closed', { stream: true })))),
  ];
  for (let round = 0; round < 60; round += 1)
    await Promise.all(
      Array.from({ length: 48 }, async (_, at) => {
        const socket = await connected(target);
        await phases[at % phases.length]?.(socket);
        if (Math.random() < 0.5) socket.resetAndDestroy();
        else socket.destroy();
      }),
    );
  return [];
};

/** More clients than slots, each asking again as soon as it is answered or refused. */
const slotLimit: Scene = async (target, minutes) => {
  const until = Date.now() + minutes * 60_000;
  const statuses = new Map<number, number>();
  await Promise.all(
    Array.from({ length: SLOTS + 64 }, async () => {
      while (Date.now() < until) {
        const socket = await connected(target);
        const ended = new Promise((resolve) => socket.once('close', resolve));
        socket.write(asked(chat('slow', { stream: true })).replace('\r\n\r\n', '\r\nconnection: close\r\n\r\n'));
        const status = await statusOn(socket, 60_000);
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
        if (status === 200) await ended;
        socket.destroy();
        if (status !== 200) await sleep(1_000);
      }
    }),
  );
  const strange = [...statuses].filter(([status]) => status !== 200 && status !== 429);
  const problems = strange.map(([status, count]) => `${count} requests at the slot limit got ${status}`);
  if (!statuses.has(429)) problems.push('the slot limit was never reached');
  return problems;
};

/** The status of one request. */
export async function once(target: Target, body: string): Promise<number> {
  const socket = await connected(target);
  socket.write(asked(body));
  const status = await statusOn(socket, 60_000);
  socket.destroy();
  return status;
}

/** Every slot taken at once: all of them are answered where none has leaked. */
export async function allSlots(target: Target): Promise<number> {
  const statuses = await Promise.all(Array.from({ length: SLOTS }, () => once(target, chat('slow', { stream: true }))));
  return statuses.filter((status) => status === 200).length;
}

export const SCENES: Readonly<Record<string, Scene>> = {
  pipelining,
  'slow bodies': slowBodies,
  'announced bodies': announced,
  offers,
  'big bodies': bigBodies,
  'small values': smallValues,
  sockets,
  'unread answers': unread,
  cancels,
  'slot limit': slotLimit,
};
