/**
 * Keeps every exchange of the gateways under test where `GYRE_RECORD` names a folder: `npm run conformance` reads them
 * against a published document.
 */
import { appendFileSync } from 'node:fs';
import type { IncomingMessage, RequestListener } from 'node:http';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';

import type { Sockets } from '../../src/http/wire/sockets.js';

export interface Exchange {
  readonly method: string;
  readonly path: string;
  readonly asked: string;
  readonly status: number;
  readonly type: string;
  readonly answer: string;
  /** False: the client hung up, or the answer was cut off. */
  readonly whole: boolean;
}

export function recorded(listener: RequestListener): RequestListener {
  const folder = process.env['GYRE_RECORD'];
  if (folder === undefined) return listener;
  return (incoming, outgoing) => {
    const [asked, answer]: [Buffer[], Buffer[]] = [[], []];
    const emit = incoming.emit.bind(incoming);
    incoming.emit = (event: string | symbol, ...values: unknown[]) => {
      if (event === 'data') asked.push(Buffer.from(values[0] as Buffer));
      return emit(event, ...values);
    };
    const keep = (part: unknown, encoding: unknown): void => {
      if (typeof part === 'string') answer.push(Buffer.from(part, typeof encoding === 'string' ? 'utf8' : undefined));
      else if (part instanceof Uint8Array) answer.push(Buffer.from(part));
    };
    const write = outgoing.write.bind(outgoing) as (...values: unknown[]) => boolean;
    const end = outgoing.end.bind(outgoing) as (...values: unknown[]) => typeof outgoing;
    outgoing.write = ((...values: unknown[]) => (
      keep(values[0], values[1]),
      write(...values)
    )) as typeof outgoing.write;
    outgoing.end = ((...values: unknown[]) => (keep(values[0], values[1]), end(...values))) as typeof outgoing.end;
    let typeSent = '';
    const writeHead = outgoing.writeHead.bind(outgoing) as (...values: unknown[]) => typeof outgoing;
    outgoing.writeHead = (...values: unknown[]) => {
      typeSent = /content-type"?[:,]"([^"]+)"/i.exec(JSON.stringify(values))?.[1] ?? '';
      return writeHead(...values);
    };
    outgoing.on('close', () => {
      const exchange: Exchange = {
        method: incoming.method ?? '',
        path: (incoming.url ?? '').split('?')[0] ?? '',
        asked: Buffer.concat(asked).toString().slice(0, 20_000),
        status: outgoing.statusCode,
        type: String(outgoing.getHeader('content-type') ?? typeSent),
        answer: unframed(Buffer.concat(answer)),
        whole: outgoing.writableFinished,
      };
      appendFileSync(join(folder, `${process.pid}.jsonl`), `${JSON.stringify(exchange)}\n`);
    });
    listener(incoming, outgoing);
  };
}

/** The messages of a WebSocket are kept as a stream of events, `WEBSOCKET` their method. */
export function recordedSockets(sockets: Sockets): Pick<Sockets, 'upgrade' | 'close' | 'terminate'> {
  const folder = process.env['GYRE_RECORD'];
  if (folder === undefined) return sockets;
  const upgrade = (incoming: IncomingMessage, socket: Duplex, head: Buffer): void => {
    const sent: Buffer[] = [];
    const write = socket.write.bind(socket) as (...values: unknown[]) => boolean;
    socket.write = ((...values: unknown[]) => {
      if (typeof values[0] === 'string' || values[0] instanceof Uint8Array) sent.push(Buffer.from(values[0]));
      return write(...values);
    }) as typeof socket.write;
    socket.on('close', () => {
      const events = messagesIn(Buffer.concat(sent)).map((message) => `data: ${message}\n\n`);
      const exchange: Exchange = {
        method: 'WEBSOCKET',
        path: (incoming.url ?? '').split('?')[0] ?? '',
        asked: '',
        status: 200,
        type: 'text/event-stream',
        answer: events.join(''),
        whole: true,
      };
      appendFileSync(join(folder, `${process.pid}.jsonl`), `${JSON.stringify(exchange)}\n`);
    });
    sockets.upgrade(incoming, socket, head);
  };
  return { upgrade, close: () => sockets.close(), terminate: () => sockets.terminate() };
}

/** The texts behind the answer to the upgrade: a server's frames are not masked, and ours are whole messages. */
function messagesIn(bytes: Buffer): string[] {
  const messages: string[] = [];
  let at = bytes.indexOf('\r\n\r\n') + 4;
  while (at >= 4 && at + 2 <= bytes.length) {
    const short = bytes.readUInt8(at + 1);
    const from = at + (short === 126 ? 4 : short === 127 ? 10 : 2);
    if (from > bytes.length) break;
    const size =
      short === 126 ? bytes.readUInt16BE(at + 2) : short === 127 ? Number(bytes.readBigUInt64BE(at + 2)) : short;
    if (bytes.readUInt8(at) === 0x81 && from + size <= bytes.length)
      messages.push(bytes.toString('utf8', from, from + size));
    at = from + size;
  }
  return messages;
}

/** Streams are written with the frames of chunked coding already around them. */
function unframed(bytes: Buffer): string {
  const parts: Buffer[] = [];
  let at = 0;
  for (let frame = frameAt(bytes, at); frame !== undefined; frame = frameAt(bytes, at)) {
    parts.push(bytes.subarray(frame.from, frame.to));
    at = frame.to + 2;
  }
  return (parts.length === 0 ? bytes : Buffer.concat(parts)).toString();
}

function frameAt(bytes: Buffer, at: number): { readonly from: number; readonly to: number } | undefined {
  const [head, size = ''] = /^([0-9a-f]+)\r\n/i.exec(bytes.toString('latin1', at, at + 12)) ?? [];
  if (head === undefined) return undefined;
  return { from: at + head.length, to: at + head.length + Number.parseInt(size, 16) };
}
