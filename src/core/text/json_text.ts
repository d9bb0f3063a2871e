/** Places in the bytes of a JSON text, between its quotes. */

const BACKSLASH = 0x5c;
const LETTER_U = 0x75;

/** Backslashes in a row before a byte, none before `from`. */
export function slashesBefore(bytes: Buffer, at: number, from: number): number {
  let before = at;
  while (before > from && bytes[before - 1] === BACKSLASH) before -= 1;
  return at - before;
}

/** The nearest place before which neither a character nor an escape is cut in two; both begin at `from` or later. */
export function cutBefore(bytes: Buffer, from: number, near: number): number {
  for (let at = near - 2; at >= Math.max(from, near - 5); at -= 1)
    if (bytes[at + 1] === LETTER_U && slashesBefore(bytes, at + 1, from) % 2 === 1) return at;
  for (let at = near; at >= Math.max(from, near - 3); at -= 1) {
    const byte = bytes[at] ?? 0;
    if (byte >= 0xc0) return at;
    if (byte < 0x80) break;
  }
  // A byte that goes on with no character is one of its own.
  return near;
}
