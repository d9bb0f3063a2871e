/**
 * The bodies of requests, read within limits that hold while they come: bytes, also after unpacking; room among all
 * bodies that are being answered; and time, so that a body that does not come holds nothing for long.
 */
import type { IncomingMessage } from 'node:http';
import type { Transform } from 'node:stream';
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib';

import { onAbort } from '../../core/running/abort.js';
import { badRequest, GyreError, reasonOf } from '../../core/errors.js';
import { jsonInTurns } from './body.js';
import { full, type Leave, type Room } from './room.js';

export interface BodyLimits {
  /** Bytes of one body, also after unpacking. */
  readonly bytes: number;
  /** How long nothing of a body may come, milliseconds; three times that is what all of a slow one may take. */
  readonly silenceMs: number;
}

/** A body and the room it takes, which is given back when what is made of it is over. */
export interface Body {
  readonly bytes: Buffer;
  readonly leave: Leave | undefined;
}

/** A body that comes faster may take as long as it needs, bytes a second. */
const LEAST_PACE = 64 * 1024;
/** By how much the room of a body grows that did not say how large it is. */
const GROWTH = 1024 * 1024;
/** How often bodies under way are looked at, milliseconds. */
const LOOK_MS = 1000;

/** A body that is coming in. */
interface Coming {
  bytes: number;
  /** What had come at the last look, and for how long nothing came since. */
  seen: number;
  silentMs: number;
  ms: number;
  late(): void;
}

export class Bodies {
  /** Where they are held. */
  readonly room: Room;
  readonly #limits: BodyLimits;
  readonly #coming = new Set<Coming>();
  #looking: NodeJS.Timeout | undefined;

  constructor(room: Room, limits: BodyLimits) {
    this.room = room;
    this.#limits = limits;
  }

  /** Bytes of one body at most. */
  get most(): number {
    return this.#limits.bytes;
  }

  /**
   * Throws 400 on what is not JSON or too deep, and what {@link read} throws. `empty` is what no body at all means,
   * where that means something.
   */
  async json(incoming: IncomingMessage, empty?: unknown): Promise<unknown> {
    const { bytes, leave } = await this.read(incoming);
    try {
      return bytes.length === 0 && empty !== undefined ? empty : await jsonInTurns(bytes);
    } finally {
      leave?.();
    }
  }

  /**
   * Throws 413 on too many bytes, 415 on an unknown encoding, 408 where it does not come, or not before `signal` fires,
   * 429 where there is no room.
   */
  async read(incoming: IncomingMessage, signal?: AbortSignal): Promise<Body> {
    const declared = Number(incoming.headers['content-length'] ?? 0);
    if (declared > this.#limits.bytes) throw tooLarge(this.#limits.bytes);
    const unpack = unpacker(incoming.headers['content-encoding']);
    const holding = this.room.hold(declared, signal);
    const first = holding instanceof Promise ? await holding : holding;
    const held = first === undefined ? [] : [first];
    try {
      const bytes = await this.#take(incoming, unpack, declared, held, signal);
      return { bytes, leave: held.length === 0 ? undefined : () => held.forEach((leave) => leave()) };
    } catch (thrown) {
      for (const leave of held) leave();
      throw thrown;
    }
  }

  async #take(
    incoming: IncomingMessage,
    unpack: Transform | undefined,
    declared: number,
    held: Leave[],
    signal: AbortSignal | undefined,
  ): Promise<Buffer> {
    if (unpack === undefined) return this.#collect(incoming, declared, held, signal);
    incoming.on('error', (cause) => unpack.destroy(cause));
    try {
      return await this.#collect(incoming.pipe(unpack), declared, held, signal);
    } catch (thrown) {
      if (thrown instanceof GyreError) throw thrown;
      throw badRequest(`The body could not be unpacked: ${reasonOf(thrown)}.`, undefined, 'invalid_encoding');
    } finally {
      incoming.unpipe(unpack);
      unpack.destroy();
      // What still comes is read and dropped, so that the connection can be used again.
      incoming.resume();
    }
  }

  #collect(
    source: NodeJS.ReadableStream,
    declared: number,
    held: Leave[],
    signal: AbortSignal | undefined,
  ): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      const most = this.#limits.bytes;
      let room = Math.max(declared, GROWTH);
      const parts: Buffer[] = [];
      let over = false;
      const end = (settle: () => void): void => {
        over = true;
        this.#coming.delete(coming);
        unlisten?.();
        settle();
      };
      const refuse = (why: GyreError): void => {
        parts.length = 0;
        end(() => reject(why));
      };
      const coming: Coming = { bytes: 0, seen: 0, silentMs: 0, ms: 0, late: () => refuse(late(coming.bytes)) };
      this.#look(coming);
      const unlisten = signal && onAbort(signal, coming.late);
      source.on('data', (part: Buffer) => {
        // what still comes is read and dropped, so that the client gets to read the answer
        if (over) return;
        coming.bytes += part.length;
        if (coming.bytes > most) return refuse(tooLarge(most));
        if (coming.bytes > room) {
          const leave = this.room.more(Math.max(GROWTH, coming.bytes - room));
          if (leave === undefined) return refuse(full(this.room.bytes, this.room.most));
          held.push(leave);
          room += Math.max(GROWTH, coming.bytes - room);
        }
        parts.push(part);
      });
      source.on('end', () =>
        end(() => resolve(parts.length === 1 && parts[0] !== undefined ? parts[0] : Buffer.concat(parts))),
      );
      source.on('error', (cause: Error) => end(() => reject(cause)));
      source.on('close', () => {
        if (!over) refuse(badRequest('The body ended early.', undefined, 'invalid_json'));
      });
    });
  }

  #look(coming: Coming): void {
    this.#coming.add(coming);
    this.#looking ??= setInterval(() => this.#lookThrough(), Math.min(LOOK_MS, this.#limits.silenceMs / 4)).unref();
  }

  #lookThrough(): void {
    if (this.#coming.size === 0) {
      clearInterval(this.#looking);
      this.#looking = undefined;
      return;
    }
    const { silenceMs } = this.#limits;
    const passed = Math.min(LOOK_MS, silenceMs / 4);
    for (const coming of this.#coming) {
      coming.ms += passed;
      coming.silentMs = coming.bytes === coming.seen ? coming.silentMs + passed : 0;
      coming.seen = coming.bytes;
      const isSlow = coming.ms > 3 * silenceMs && coming.bytes < (LEAST_PACE * coming.ms) / 1000;
      if (coming.silentMs > silenceMs || isSlow) coming.late();
    }
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

function tooLarge(maxBytes: number): GyreError {
  return new GyreError({
    side: 'client',
    status: 413,
    code: 'request_too_large',
    message: `The body is larger than ${maxBytes} bytes, unpacked.`,
  });
}

/** The connection is closed after it: the rest of the body may still come, and would be read as a request. */
function late(bytes: number): GyreError {
  return new GyreError({
    side: 'client',
    status: 408,
    code: 'request_timeout',
    message: `The body did not come: ${bytes} bytes of it are here, and no more came in time. Send it whole.`,
  });
}
