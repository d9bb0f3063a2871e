/**
 * The messages of a WebSocket while they come: their bytes take room as those of a body do, and one that does not come
 * is given up. What reads the frames says of a message only when it is whole.
 */
import type { Duplex } from 'node:stream';

import type { WebSocket } from 'ws';

import { takingTurns } from '../../core/running/turns.js';
import { type Bodies, late } from './bodies.js';
import { type Hold, UNCOUNTED } from './room.js';

/** Bytes of a frame that a client sends beside what is in it, at least. */
const FRAME = 6;

/** Takes the room of the message that has come, undefined where it needs none. */
export type TakeHold = () => Hold | undefined;

/** `refuse` is called once, when a message cannot be taken: nothing more is read then. */
export function arriving(
  socket: WebSocket,
  bytes: Duplex,
  { room, arrivals }: Bodies,
  refuse: (why: Error) => void,
): TakeHold {
  let hold: Hold | undefined;
  let unwatch: (() => void) | undefined;
  let over = false;
  const turnAfter = takingTurns();
  const coming = { bytes: 0, halted: false, late: () => end(late(coming.bytes)) };
  const reset = (): void => {
    coming.bytes = 0;
    unwatch?.();
    unwatch = undefined;
    hold = undefined;
  };
  const end = (why?: Error): void => {
    if (over) return;
    over = true;
    const held = hold;
    reset();
    held?.leave();
    if (why === undefined) return;
    socket.pause();
    refuse(why);
  };
  // Before the frames are read of it: then what has come is known when a message is whole.
  bytes.prependListener('data', (part: Buffer) => {
    if (over) return;
    coming.bytes += part.length;
    if (coming.bytes <= UNCOUNTED) return;
    if (hold === undefined) {
      hold = room.begin();
      unwatch = arrivals.add(coming);
    }
    const waiting = coming.bytes <= hold.bytes ? undefined : hold.grow(coming.bytes);
    const turn = turnAfter(part.length);
    if (waiting === undefined && turn === undefined) return;
    coming.halted = true;
    socket.pause();
    Promise.all([waiting, turn]).then(() => {
      coming.halted = false;
      if (!over) socket.resume();
    }, end);
  });
  const beside = (data: Buffer): void => {
    coming.bytes = Math.max(0, coming.bytes - FRAME - data.length);
  };
  socket.on('ping', beside).on('pong', beside);
  socket.on('close', () => end());
  return () => {
    const taken = hold;
    taken?.whole();
    reset();
    return taken;
  };
}
