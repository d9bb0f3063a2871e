/**
 * A request's body as JSON, within limits that hold before anything is built from it: bytes, also after unpacking, and
 * depth.
 */
import type { IncomingMessage } from 'node:http';
import type { Transform } from 'node:stream';
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib';

import { badRequest, GyreError, reasonOf } from '../../core/errors.js';
import { parseJson } from '../../core/text/json.js';
import type { Clock } from '../../loop/clock.js';

/** Bytes of a body, also after unpacking. */
export const BODY_BYTES = 32 * 1024 * 1024;
/** Objects and lists inside each other. */
const MAX_DEPTH = 100;

/**
 * Throws 400 on what is not JSON or too deep, 413 on too many bytes, 415 on an unknown encoding. `empty` is what no
 * body at all means, where that means something.
 */
export async function readJson(incoming: IncomingMessage, maxBytes: number, empty?: unknown): Promise<unknown> {
  const bytes = await readBody(incoming, maxBytes);
  return bytes.length === 0 && empty !== undefined ? empty : jsonOf(bytes);
}

/** The bytes of a body, unpacked. Throws 413 on too many, 415 on an unknown encoding, 408 at the clock's deadline. */
export function readBody(incoming: IncomingMessage, maxBytes: number, clock?: Clock): Promise<Buffer> {
  const declared = Number(incoming.headers['content-length'] ?? 0);
  return declared > maxBytes ? Promise.reject(tooLarge(maxBytes)) : readBytes(incoming, maxBytes, clock);
}

/** Throws 400 on what is not JSON or too deep. */
export function jsonOf(bytes: Buffer): unknown {
  if (isTooDeep(bytes))
    throw badRequest(`The body is nested deeper than ${MAX_DEPTH} levels.`, undefined, 'invalid_json');
  try {
    return parseJson(bytes.toString('utf8'));
  } catch (cause) {
    throw badRequest(`The body is not JSON: ${reasonOf(cause)}.`, undefined, 'invalid_json');
  }
}

async function readBytes(incoming: IncomingMessage, maxBytes: number, clock: Clock | undefined): Promise<Buffer> {
  const unpack = unpacker(incoming.headers['content-encoding']);
  if (unpack === undefined) return collect(incoming, maxBytes, clock);
  incoming.on('error', (cause) => unpack.destroy(cause));
  try {
    return await collect(incoming.pipe(unpack), maxBytes, clock);
  } catch (thrown) {
    if (thrown instanceof GyreError) throw thrown;
    throw badRequest(`The body could not be unpacked: ${reasonOf(thrown)}.`, undefined, 'invalid_encoding');
  } finally {
    incoming.unpipe(unpack);
    unpack.destroy();
  }
}

function unpacker(encoding: string | undefined): Transform | undefined {
  switch (encoding?.toLowerCase().trim()) {
    case undefined:
    case '':
    case 'identity':
      return undefined;
    case 'gzip':
    case 'x-gzip':
      return createGunzip();
    case 'deflate':
      return createInflate();
    case 'br':
      return createBrotliDecompress();
    default:
      throw new GyreError({
        side: 'client',
        status: 415,
        code: 'unsupported_encoding',
        message: `The content encoding ${JSON.stringify(encoding)} is not known. Send gzip, deflate, br or none.`,
      });
  }
}

function collect(source: NodeJS.ReadableStream, maxBytes: number, clock: Clock | undefined): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = [];
    let size = 0;
    let isOver = false;
    const over = (): void => {
      isOver = true;
      clock?.signal.removeEventListener('abort', ended);
    };
    // What still comes is read and dropped, so that the client gets to read the answer.
    const refuse = (refusal: Error): void => {
      over();
      parts.length = 0;
      reject(refusal);
    };
    const ended = (): void => {
      if (clock?.endedBy === 'deadline') refuse(tooLate());
    };
    clock?.signal.addEventListener('abort', ended);
    source.on('data', (part: Buffer) => {
      if (isOver) return;
      size += part.length;
      if (size > maxBytes) refuse(tooLarge(maxBytes));
      else parts.push(part);
    });
    source.on('end', () => {
      if (isOver) return;
      over();
      resolve(parts.length === 1 && parts[0] !== undefined ? parts[0] : Buffer.concat(parts));
    });
    source.on('error', refuse);
    source.on('close', () => {
      if (!isOver) refuse(badRequest('The body ended early.', undefined, 'invalid_json'));
    });
  });
}

function tooLate(): GyreError {
  return new GyreError({
    side: 'client',
    status: 408,
    code: 'request_timeout',
    message: 'The body was not here within "limits.seconds".',
  });
}

function tooLarge(maxBytes: number): GyreError {
  return new GyreError({
    side: 'client',
    status: 413,
    code: 'request_too_large',
    message: `The body is larger than ${maxBytes} bytes, unpacked.`,
  });
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** Counts brackets outside strings on the bytes, so that a body of 10,000 levels is refused before it is parsed. */
function isTooDeep(bytes: Buffer): boolean {
  let depth = 0;
  for (let at = 0; at < bytes.length; at += 1) {
    switch (bytes[at]) {
      case QUOTE:
        at = endOfString(bytes, at);
        break;
      case 0x5b: // [
      case 0x7b: // {
        depth += 1;
        if (depth > MAX_DEPTH) return true;
        break;
      case 0x5d: // ]
      case 0x7d: // }
        depth -= 1;
        break;
      default:
    }
  }
  return false;
}

/** The index of the quote that closes the string opened at `from`. */
export function endOfString(bytes: Buffer, from: number): number {
  for (let end = bytes.indexOf(QUOTE, from + 1); end !== -1; end = bytes.indexOf(QUOTE, end + 1)) {
    let slashes = 0;
    while (bytes[end - 1 - slashes] === BACKSLASH) slashes += 1;
    if (slashes % 2 === 0) return end;
  }
  return bytes.length;
}
