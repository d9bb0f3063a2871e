/** Requests over bare sockets, so that each scene decides what comes when, and what is read of the answer. */
import { once } from 'node:events';
import { createConnection, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

export interface Target {
  readonly host: string;
  readonly port: number;
}

export function targetOf(url: string): Target {
  const { hostname, port } = new URL(url);
  return { host: hostname, port: Number(port) };
}

export async function connected(target: Target): Promise<Socket> {
  const socket = createConnection({ ...target, noDelay: true });
  socket.on('error', () => undefined);
  await Promise.race([once(socket, 'connect'), once(socket, 'close')]);
  return socket;
}

export function head(bytes: number): string {
  return (
    'POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n' +
    `content-length: ${bytes}\r\n\r\n`
  );
}

export function chat(words: string, fields: Readonly<Record<string, unknown>> = {}): string {
  return JSON.stringify({ model: 'gyre', messages: [{ role: 'user', content: words }], ...fields });
}

export function asked(body: string): string {
  return head(Buffer.byteLength(body)) + body;
}

/** The status of the next answer on the socket; 0 where the connection ends or says nothing for so long. */
export async function statusOn(socket: Socket, patienceMs: number): Promise<number> {
  const said = new Promise<number>((resolve) => {
    socket.once('data', (bytes: Buffer) => resolve(Number(/^HTTP\/1\.1 (\d{3})/.exec(bytes.toString('latin1'))?.[1])));
    socket.once('close', () => resolve(0));
    if (socket.destroyed) resolve(0);
  });
  const patience = new AbortController();
  const late = sleep(patienceMs, 0, { signal: patience.signal }).catch(() => 0);
  const status = await Promise.race([said, late]);
  patience.abort();
  return status;
}
