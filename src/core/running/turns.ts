/**
 * Large work in turns. What takes tens of milliseconds at once, e.g. a body of 30 MiB, is done in pieces, and of all
 * pieces of all requests one in each turn of the event loop: whoever asks for something small waits for one piece, not
 * for all of them.
 */

/** What is smaller takes a fraction of a millisecond, characters or bytes; hundreds of it may come at once. */
export const AT_ONCE = 64 * 1024;

let last: Promise<unknown> = Promise.resolve();

/** Undefined where work on so many characters may be done at once; else resolves when it is its turn. */
export function turnFor(size: number): Promise<unknown> | undefined {
  if (size < AT_ONCE) return undefined;
  return (last = last.then(() => new Promise((resolve) => setImmediate(resolve))));
}

/** So many bytes of what comes on a connection are taken in one turn; node takes 2 MiB where they are there. */
const TAKEN = 256 * 1024;

/** As {@link turnFor} for what comes on one connection: asked each time that so many bytes have come. */
export function takingTurns(): (bytes: number) => Promise<unknown> | undefined {
  let taken = 0;
  return (bytes) => {
    taken += bytes;
    if (taken < TAKEN) return undefined;
    taken = 0;
    return turnFor(TAKEN);
  };
}
