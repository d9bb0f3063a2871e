/**
 * A request passed on to a server as it came, and its reply passed back as it comes: neither is read. What the server
 * refuses, and whatever happens on the way, becomes a fault as of any other request to it.
 */
import type { Dispatcher } from 'undici';

import { GyreError } from '../../core/errors.js';
import type { RelayReply } from '../../core/serving.js';
import { cancelled, replyTooLarge, statusFault, transportFault, type Party } from './fault.js';

export interface RelayRequest {
  readonly origin: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

/** Bytes kept of a reply that is an error. */
const ERROR_BYTES = 64 * 1024;

/** Resolves when the head of a good reply is there; throws the fault of any other. */
export async function relayTo(
  dispatcher: Dispatcher,
  request: RelayRequest,
  party: Party,
  signal: AbortSignal,
  maxBytes: number,
): Promise<RelayReply> {
  const fault = (thrown: unknown, began: boolean): unknown => {
    if (signal.aborted) return cancelled();
    return thrown instanceof GyreError ? thrown : transportFault(thrown, began, party);
  };
  if (signal.aborted) throw cancelled();
  let reply: Dispatcher.ResponseData;
  try {
    reply = await dispatcher.request({ ...request, method: 'POST', signal });
  } catch (thrown) {
    throw fault(thrown, false);
  }
  const { statusCode: status, headers, body } = reply;
  const header = (name: string): string | undefined => {
    const value = headers[name];
    return Array.isArray(value) ? value[0] : value;
  };
  const pieces = async function* (): AsyncGenerator<Uint8Array> {
    try {
      let bytes = 0;
      for await (const piece of body as AsyncIterable<Buffer>) {
        bytes += piece.length;
        if (bytes > maxBytes) throw replyTooLarge(maxBytes, party);
        yield piece;
      }
    } catch (thrown) {
      throw fault(thrown, true);
    }
  };
  if (Number(header('content-length') ?? 0) > maxBytes) {
    body.destroy();
    throw replyTooLarge(maxBytes, party);
  }
  if (status >= 200 && status < 300) return { status, header, body: pieces() };
  const text = await excerptOf(pieces());
  if (status !== 404 && status !== 405) throw statusFault(status, text, header('retry-after'), party);
  const { message } = statusFault(400, text, undefined, party);
  throw new GyreError({
    side: 'engine',
    status: 404,
    code: 'upstream_not_found',
    message: `It has no such model, or nothing at this address (${status}). ${message}`,
    param: 'model',
  });
}

async function excerptOf(pieces: AsyncIterable<Uint8Array>): Promise<string> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const piece of pieces) {
    parts.push(piece);
    size += piece.length;
    if (size > ERROR_BYTES) break;
  }
  return Buffer.concat(parts).toString('utf8');
}
