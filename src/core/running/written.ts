/** A large value as JSON, written in turns of the event loop. */
import { jsonPieces, PIECE_CHARS } from '../text/json_pieces.js';
import { turnFor } from './turns.js';

/** Characters in one turn: a few milliseconds. */
const TURN_CHARS = 4 * PIECE_CHARS;

/** The bytes of its JSON text, in order. `see` is shown each piece of the text before the next is made. */
export async function writtenInTurns(value: unknown, see?: (piece: string) => void): Promise<readonly Buffer[]> {
  const written: Buffer[] = [];
  let chars = TURN_CHARS;
  for (const piece of jsonPieces(value)) {
    if (chars >= TURN_CHARS) {
      await turnFor(TURN_CHARS);
      chars = 0;
    }
    chars += piece.length;
    see?.(piece);
    written.push(Buffer.from(piece));
  }
  return written;
}
