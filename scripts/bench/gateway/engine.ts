/**
 * The engine of the gateway benchmark: canned replies of vLLM over bare sockets, so that what it takes of the two
 * cores is little beside what is measured. It reads just enough of a request to know where it ends and what it asks.
 */
import { createServer, type AddressInfo, type Socket } from 'node:net';

import { encode, type ChatBody } from '../../../tests/fakes/engine.js';

export interface Canned {
  readonly url: string;
  /** Replies whose caller left before their end. */
  readonly cut: () => number;
  close(): Promise<void>;
}

interface Replies {
  readonly json: Buffer;
  /** For who asked for token ids, and for everyone else: one buffer per write. */
  readonly full: readonly Buffer[];
  readonly lean: readonly Buffer[];
}

/** A stream comes in `writes` pieces, one per turn of the event loop; `pauseMs` apart where that is given. */
export interface CannedOptions {
  readonly tokens: number;
  readonly writes: number;
  readonly pauseMs?: number | undefined;
}

export async function startCanned(options: CannedOptions): Promise<Canned> {
  const replies = repliesOf(options);
  const sockets = new Set<Socket>();
  let cut = 0;
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    let pending: Buffer = Buffer.alloc(0);
    let sending = false;
    socket.on('data', (bytes: Buffer) => {
      pending = pending.length === 0 ? bytes : Buffer.concat([pending, bytes]);
      const size = requestSize(pending);
      if (size === undefined || pending.length < size) return;
      const request = pending.subarray(0, size);
      pending = pending.subarray(size);
      sending = true;
      if (!request.includes('"stream":true')) return whole(socket, replies.json, options, () => (sending = false));
      send(
        socket,
        request.includes('"return_token_ids":true') ? replies.full : replies.lean,
        options.pauseMs,
        () => (sending = false),
      );
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      sockets.delete(socket);
      if (sending) cut += 1;
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    cut: () => cut,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

/** Bytes of the first request in `bytes`, once its head is whole. */
function requestSize(bytes: Buffer): number | undefined {
  const end = bytes.indexOf('\r\n\r\n');
  if (end < 0) return undefined;
  const length = /content-length: *(\d+)/i.exec(bytes.toString('latin1', 0, end))?.[1];
  return end + 4 + Number(length ?? 0);
}

function send(socket: Socket, parts: readonly Buffer[], pauseMs: number | undefined, sent: () => void): void {
  let at = 0;
  const next = (): void => {
    if (socket.destroyed) return;
    const part = parts[at];
    at += 1;
    if (at === parts.length) sent();
    if (part !== undefined) socket.write(part);
    if (at >= parts.length) return;
    if (pauseMs === undefined)
      setImmediate(next); // a chunk per turn of the event loop, as an engine sends them
    else setTimeout(next, pauseMs);
  };
  next();
}

/** As long as a stream would take. */
function whole(socket: Socket, reply: Buffer, { pauseMs, writes }: CannedOptions, sent: () => void): void {
  const send = (): void => {
    sent();
    if (!socket.destroyed) socket.write(reply);
  };
  if (pauseMs === undefined) send();
  else setTimeout(send, pauseMs * writes);
}

function repliesOf({ tokens, writes }: CannedOptions): Replies {
  const reply = { text: Array.from({ length: tokens }, (_, at) => (at === 0 ? 'A' : ' leap')) };
  const base: ChatBody = {
    model: 'base',
    messages: [{ role: 'user', content: 'Request: how many days has a leap year, please, in one number?' }],
  };
  const stream = (asked: Record<string, unknown>): Buffer[] =>
    chunked(encode(reply, { ...base, stream: true, ...asked }).events, writes);
  const json = encode(reply, base).json;
  return {
    json: Buffer.from(
      `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(json)}\r\n\r\n${json}`,
    ),
    lean: stream({}),
    full: stream({ logprobs: true, return_token_ids: true, stream_options: { include_usage: true } }),
  };
}

/** As uvicorn sends it: a chunk of the transfer coding per event. */
function chunked(events: readonly string[], writes: number): Buffer[] {
  const size = Math.ceil(events.length / writes);
  const groups = Array.from({ length: Math.ceil(events.length / size) }, (_, at) =>
    events.slice(at * size, (at + 1) * size),
  );
  return groups.map((group, at) => {
    const head =
      at === 0
        ? 'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n'
        : '';
    const body = group.map((event) => `${Buffer.byteLength(event).toString(16)}\r\n${event}\r\n`).join('');
    return Buffer.from(`${head}${body}${at === groups.length - 1 ? '0\r\n\r\n' : ''}`);
  });
}
