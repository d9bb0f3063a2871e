/** One GET over a connection of its own: follows no redirect, reads no more than it may, leaves nothing open. */
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream';
import { constants, createBrotliDecompress, createGunzip, createInflate } from 'node:zlib';

import { Agent, request, type buildConnector } from 'undici';

import type { HttpProxy } from '../../src/core/proxy.js';
import { throughProxy } from '../../src/network/proxied.js';

export interface GetOptions {
  readonly connect: buildConnector.connector;
  /** Asked instead of connecting. */
  readonly proxy?: HttpProxy | undefined;
  readonly headers: Readonly<Record<string, string>>;
  /** Bytes that are read of a body, after it is unpacked. */
  readonly maxBytes: number;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  /** Throws on a head whose body is not wanted. */
  readonly head?: ((head: Head) => void) | undefined;
}

export interface Head {
  readonly status: number;
  /** Media type in lower case, without parameters; empty where there is none. */
  readonly type: string;
  readonly charset: string | undefined;
  /** The `location` of a redirect; absent for any other answer. */
  readonly location: string | undefined;
}

export interface GetResult extends Head {
  readonly bytes: Buffer;
  /** The body was longer than `maxBytes`. */
  readonly cut: boolean;
}

const REDIRECTS = [301, 302, 303, 307, 308];
const NOTHING = Buffer.alloc(0);

export async function get(url: URL, options: GetOptions): Promise<GetResult> {
  const bounds = { headersTimeout: options.timeoutMs, bodyTimeout: options.timeoutMs };
  // undici's own Agent reads no proxy from the environment.
  const agent =
    options.proxy === undefined
      ? new Agent({ connect: options.connect, pipelining: 1, ...bounds })
      : throughProxy(options.proxy, { ...bounds, connectTimeout: options.timeoutMs });
  const signal = AbortSignal.any([options.signal, AbortSignal.timeout(options.timeoutMs)]);
  try {
    const { statusCode, headers, body } = await request(url, {
      dispatcher: agent,
      method: 'GET',
      headers: { 'accept-encoding': 'gzip, deflate, br', ...options.headers },
      signal,
    });
    // An error after this is of no interest: the connection is destroyed below.
    body.on('error', () => undefined);
    const field = (name: string): string | undefined => [headers[name]].flat()[0];
    const contentType = field('content-type') ?? '';
    const head: Head = {
      status: statusCode,
      type: contentType.split(';', 1)[0]?.trim().toLowerCase() ?? '',
      charset: /;\s*charset\s*=\s*"?([^";\s]+)/i.exec(contentType)?.[1],
      location: REDIRECTS.includes(statusCode) ? field('location') : undefined,
    };
    if (head.location !== undefined) return { ...head, bytes: NOTHING, cut: false };
    options.head?.(head);
    return { ...head, ...(await read(decompressed(body, field('content-encoding')), options.maxBytes)) };
  } finally {
    await agent.destroy();
  }
}

/** The body decompressed as it is read: of a decompression bomb, only as much as may be read. */
function decompressed(body: Readable, encoding = 'identity'): Readable {
  const lenient = { finishFlush: constants.Z_SYNC_FLUSH };
  const name = encoding.trim().toLowerCase();
  if (name === '' || name === 'identity') return body;
  const decompressor =
    name === 'gzip' || name === 'x-gzip'
      ? createGunzip(lenient)
      : name === 'deflate'
        ? createInflate(lenient)
        : name === 'br'
          ? createBrotliDecompress()
          : undefined;
  if (decompressor === undefined)
    throw new Error(`the answer is packed in a way that is not known here: ${name.slice(0, 40)}`);
  // An error reaches whoever reads the end of the pipeline.
  return pipeline(body, decompressor, () => undefined);
}

async function read(body: Readable, maxBytes: number): Promise<{ readonly bytes: Buffer; readonly cut: boolean }> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    size += chunk.length;
    if (size > maxBytes) return { bytes: Buffer.concat(chunks).subarray(0, maxBytes), cut: true };
  }
  return { bytes: Buffer.concat(chunks), cut: false };
}
