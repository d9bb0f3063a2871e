/**
 * Answers that are read from the log: they hold room from before they are read until they have left, so that lists
 * nobody takes are as many as there is room for. It is a room of their own: they keep no request from being answered.
 */
import type { ServerResponse } from 'node:http';

import type { MiddlewareHandler } from 'hono';

import { type NodeBindings } from './exchange.js';
import { busy, Room, UNCOUNTED } from './room.js';

/** About what a page of a list has at most, bytes. */
const PAGE = 4 * 1024 * 1024;

export interface AnswersLimits {
  /** Of all answers that were read back and have not left. */
  readonly bytes: number;
  readonly waitMs: number;
}

/** `isOne` says which requests are for such an answer. */
export function answersHeld(
  limits: AnswersLimits,
  isOne: (method: string, path: string) => boolean,
): MiddlewareHandler<{ Bindings: NodeBindings }> {
  const room = new Room({ ...limits, requests: 0, body: 0, full });
  return async (c, next) => {
    if (!isOne(c.req.method, c.req.path)) return next();
    const hold = room.begin();
    try {
      await hold.grow(PAGE, c.req.raw.signal);
    } catch (thrown) {
      hold.leave();
      throw thrown;
    }
    hold.whole();
    const { outgoing } = c.env;
    if (outgoing.destroyed) hold.leave();
    else outgoing.once('close', hold.leave);
    await next();
    const bytes = Number(c.res.headers.get('content-length') ?? (isStream(c.res) ? PAGE : 0));
    hold.settle(bytes <= UNCOUNTED ? 0 : bytes);
  };
}

function isStream({ headers }: Response): boolean {
  return headers.get('content-type')?.startsWith('text/event-stream') === true;
}

function full(bytes: number, limit: number): ReturnType<typeof busy> {
  return busy(
    `Answers of ${bytes} bytes that are read from the log have not left yet; half of "limits.bytes_in_flight", ` +
      `${limit}, is for them. Try again in a second, and read what was answered.`,
  );
}

/** An answer in pieces, each made when its reader has taken the one before; a reader that takes none is given up. */
export function inPieces(
  pieces: AsyncIterator<string>,
  outgoing: ServerResponse,
  slowReaderMs: number,
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  let late: NodeJS.Timeout | undefined;
  return new ReadableStream(
    {
      async pull(controller) {
        clearTimeout(late);
        const next = await pieces.next();
        if (next.done === true) return controller.close();
        controller.enqueue(encoder.encode(next.value));
        late = setTimeout(() => outgoing.destroy(), slowReaderMs);
      },
      cancel: () => clearTimeout(late),
    },
    { highWaterMark: 0 },
  );
}
