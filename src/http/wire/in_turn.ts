/**
 * The requests of one connection, answered one after the other. A client may send several without waiting (RFC 9112,
 * 9.3.2); node hands all of them over at once, and a response that is not yet its connection's turn hears of nothing,
 * not even of the connection's end. So a request begins when the one before it is answered, and one whose connection
 * has ended never does.
 */
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** Requests of one connection that may wait for the one under way. Whoever sends more is cut off. */
const MAX_WAITING = 64;

interface Waiting {
  readonly incoming: IncomingMessage;
  readonly outgoing: ServerResponse;
}

/** `slowReaderMs`: how long a client may take nothing of an answer that is whole, milliseconds. */
export function inTurn(listener: RequestListener, slowReaderMs: number): RequestListener {
  const waiting = new WeakMap<Socket, Waiting[]>();

  const begin = ({ incoming, outgoing }: Waiting): void => {
    const { socket } = incoming;
    outgoing.on('prefinish', () => {
      // Everything is handed over, and the answer holds its memory until somebody reads it. Node itself looks whether
      // any of it was taken, and sets the connection's time again when all of it was.
      if (socket.writableLength > 0) socket.setTimeout(slowReaderMs);
    });
    outgoing.on('close', () => {
      const next = socket.destroyed ? undefined : waiting.get(socket)?.shift();
      if (next === undefined) waiting.delete(socket);
      else begin(next);
    });
    listener(incoming, outgoing);
  };

  return (incoming, outgoing) => {
    const { socket } = incoming;
    const behind = waiting.get(socket);
    if (behind === undefined) {
      waiting.set(socket, []);
      begin({ incoming, outgoing });
    } else if (behind.length < MAX_WAITING) behind.push({ incoming, outgoing });
    else socket.destroy();
  };
}
