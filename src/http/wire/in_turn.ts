/**
 * The requests of one connection, answered one after the other. A client may send several without waiting (RFC 9112,
 * 9.3.2); node hands all of them over at once, and a response that is not yet its connection's turn hears of nothing,
 * not even of the connection's end. So a request begins when the one before it is answered, and one whose connection
 * has ended never does.
 */
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';

import { LEAST_PACE } from './pace.js';

/** Requests of one connection that may wait for the one under way. Whoever sends more is cut off. */
const MAX_WAITING = 64;

interface Asked {
  readonly incoming: IncomingMessage;
  readonly outgoing: ServerResponse;
}

/** What is asked on a connection. */
interface Line {
  answering: Asked | undefined;
  readonly waiting: Asked[];
}

const lines = new WeakMap<Duplex, Line>();

/** Whether a request of this connection is not answered yet. */
export function isAnswering(socket: Duplex): boolean {
  return lines.get(socket)?.answering !== undefined;
}

/**
 * `slowReaderMs`: how long a client may take nothing of an answer that is whole, milliseconds; three times that, and
 * the time that all of it takes at the least pace, is what a slow one may take.
 */
export function inTurn(listener: RequestListener, slowReaderMs: number, leastPace = LEAST_PACE): RequestListener {
  const begin = (line: Line, asked: Asked): void => {
    line.answering = asked;
    const { incoming, outgoing } = asked;
    const { socket } = incoming;
    let late: NodeJS.Timeout | undefined;
    outgoing.on('prefinish', () => {
      if (socket.writableLength === 0) return;
      // Everything is handed over, and the answer holds its memory until somebody reads it. Node itself looks whether
      // any of it was taken, and sets the connection's time again when all of it was.
      socket.setTimeout(slowReaderMs);
      const ms = 3 * slowReaderMs + (1000 * socket.writableLength) / leastPace;
      late = setTimeout(() => socket.destroy(), ms);
    });
    outgoing.on('close', () => {
      clearTimeout(late);
      line.answering = undefined;
      const next = socket.destroyed ? undefined : line.waiting.shift();
      if (next !== undefined) begin(line, next);
    });
    listener(incoming, outgoing);
  };

  return (incoming, outgoing) => {
    const { socket } = incoming;
    let line = lines.get(socket);
    if (line === undefined) {
      lines.set(socket, (line = { answering: undefined, waiting: [] }));
      hearEnd(socket, line);
    }
    if (line.answering === undefined) begin(line, { incoming, outgoing });
    else if (line.waiting.length < MAX_WAITING) line.waiting.push({ incoming, outgoing });
    else socket.destroy();
  };
}

/** Whatever node knows of a response: it is over when its connection is. */
function hearEnd(socket: Duplex, line: Line): void {
  socket.once('close', () => {
    line.waiting.length = 0;
    setImmediate(() => {
      const outgoing = line.answering?.outgoing;
      outgoing?.destroy();
      outgoing?.emit('close');
    });
  });
}
