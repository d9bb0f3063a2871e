/**
 * The bodies of requests, read within limits that hold while they come: bytes, also after unpacking; room among all
 * bodies that are being answered; and time, so that a body that does not come holds nothing for long.
 */
import type { IncomingMessage } from 'node:http';
import type { Transform } from 'node:stream';
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib';

import { onAbort } from '../../core/running/abort.js';
import { takingTurns } from '../../core/running/turns.js';
import { Gathered } from '../../core/running/gathered.js';
import { badRequest, GyreError, reasonOf } from '../../core/errors.js';
import { jsonInTurns } from './body.js';
import { Arrivals } from './pace.js';
import { type Hold, type Leave, type Room, UNCOUNTED } from './room.js';

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

export class Bodies {
  /** Where they are held. */
  readonly room: Room;
  /** Whether they come. */
  readonly arrivals: Arrivals;
  readonly #limits: BodyLimits;

  constructor(room: Room, limits: BodyLimits) {
    this.room = room;
    this.#limits = limits;
    this.arrivals = new Arrivals(limits.silenceMs);
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
    if (unpack === undefined) return this.#collect(incoming, signal, declared);
    incoming.on('error', (cause) => unpack.destroy(cause));
    try {
      return await this.#collect(incoming.pipe(unpack), signal);
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

  #collect(source: NodeJS.ReadableStream, signal: AbortSignal | undefined, announced = 0): Promise<Body> {
    return new Promise((resolve, reject) => {
      const most = this.#limits.bytes;
      const parts = new Gathered(announced);
      let hold: Hold | undefined;
      let over = false;
      const turnAfter = takingTurns();
      const end = (settle: () => void): void => {
        over = true;
        unwatch();
        unlisten?.();
        settle();
      };
      const refuse = (why: Error): void => {
        if (over) return;
        parts.take();
        end(() => reject(why));
        hold?.leave();
        // What still comes is read and dropped, so that the client gets to read the answer.
        source.resume();
      };
      const coming = { bytes: 0, halted: false, late: () => refuse(late(coming.bytes)) };
      const unwatch = this.arrivals.add(coming);
      const unlisten = signal && onAbort(signal, coming.late);
      source.on('data', (part: Buffer) => {
        if (over) return;
        const { length } = part;
        coming.bytes += length;
        if (coming.bytes > most) return refuse(tooLarge(most));
        parts.addOwn(part);
        if (coming.bytes <= UNCOUNTED) return;
        const waiting = (hold ??= this.room.begin()).grow(coming.bytes, signal);
        const turn = turnAfter(length);
        if (waiting === undefined && turn === undefined) return;
        coming.halted = true;
        source.pause();
        Promise.all([waiting, turn]).then(() => {
          coming.halted = false;
          source.resume();
        }, refuse);
      });
      source.on('end', () => {
        if (over) return;
        hold?.whole();
        end(() => resolve({ bytes: parts.take(), leave: hold?.leave }));
      });
      source.on('error', refuse);
      source.on('close', () => {
        // Every request closes: an error is not made for nothing.
        if (!over) refuse(badRequest('The body ended early.', undefined, 'invalid_json'));
      });
    });
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
export function late(bytes: number): GyreError {
  return new GyreError({
    side: 'client',
    status: 408,
    code: 'request_timeout',
    message: `The body did not come: ${bytes} bytes of it are here, and no more came in time. Send it whole.`,
  });
}
