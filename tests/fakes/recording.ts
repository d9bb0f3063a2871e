/**
 * Keeps every exchange of the gateways under test where `GYRE_RECORD` names a folder: `npm run conformance` reads them
 * against a published document.
 */
import { appendFileSync } from 'node:fs';
import type { RequestListener } from 'node:http';
import { join } from 'node:path';

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
