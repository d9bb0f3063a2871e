/** A WebSocket client for tests: what it sends, and what comes back message by message. */
import { once } from 'node:events';

import { WebSocket, type ClientOptions } from 'ws';

export interface Said {
  readonly type: string;
  readonly [field: string]: unknown;
}

export interface Dialled {
  readonly socket: WebSocket;
  readonly messages: Said[];
  /** Sends a `response.create` and resolves with its messages, the last of them included. */
  ask(fields: Readonly<Record<string, unknown>>): Promise<Said[]>;
  send(value: unknown): void;
  /** The message after the ones that were taken. */
  next(): Promise<Said>;
  /** The close code. */
  closed: Promise<number>;
  close(): void;
}

const LAST = ['response.completed', 'response.incomplete', 'response.failed', 'error'];

/** Throws the status where the upgrade is refused. */
export async function dial(url: string, options: ClientOptions = {}, path = '/v1/responses'): Promise<Dialled> {
  const socket = new WebSocket(`${url.replace('http', 'ws')}${path}`, options);
  const messages: Said[] = [];
  const waiting: ((said: Said) => void)[] = [];
  const untaken: Said[] = [];
  socket.on('message', (data: Buffer) => {
    const said = JSON.parse(data.toString()) as Said;
    messages.push(said);
    const next = waiting.shift();
    if (next === undefined) untaken.push(said);
    else next(said);
  });
  const closed = once(socket, 'close').then(([code]) => code as number);
  await new Promise<void>((resolve, reject) => {
    socket.once('open', resolve);
    socket.once('error', reject);
    socket.once('unexpected-response', (_, incoming) => {
      let body = '';
      incoming.setEncoding('utf8').on('data', (text: string) => (body += text));
      incoming.on('end', () => reject(new Refused(incoming.statusCode ?? 0, body)));
    });
  });
  const next = (): Promise<Said> => {
    const said = untaken.shift();
    return said === undefined ? new Promise((resolve) => waiting.push(resolve)) : Promise.resolve(said);
  };
  const send = (value: unknown): void => socket.send(typeof value === 'string' ? value : JSON.stringify(value));
  return {
    socket,
    messages,
    next,
    send,
    closed,
    async ask(fields) {
      send({ type: 'response.create', model: 'gyre', ...fields });
      const seen: Said[] = [];
      for (;;) {
        const said = await next();
        seen.push(said);
        if (LAST.includes(said.type)) return seen;
      }
    },
    close: () => socket.close(),
  };
}

/** An upgrade that was answered with a status. */
export class Refused extends Error {
  readonly status: number;
  readonly body: string;

  constructor(status: number, body: string) {
    super(`refused with ${status}`);
    this.status = status;
    this.body = body;
  }
}
