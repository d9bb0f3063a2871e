/** Large JSON, parsed in turns of the event loop. */
import { parseJson } from '../text/json.js';
import { jsonInPieces, type ReadingPieces } from '../text/json_in_pieces.js';
import { SideBySide } from './side_by_side.js';
import { AT_ONCE, turnFor } from './turns.js';

/** What is larger is not parsed at once to hear in which place it is wrong. */
const PLACED_BYTES = 4 * 1024 * 1024;

/** Bytes half parsed at a time: what becomes of them is several times their size, and V8 walks it in one pause. */
const sideBySide = new SideBySide(16 * 1024 * 1024);

/** `isOver`: asked before each piece, whether nobody wants it any more; then it is undefined. */
interface Parsing extends ReadingPieces {
  readonly isOver?: (() => boolean) | undefined;
}

/** Throws what `jsonInPieces` throws. Large texts are parsed few at a time, so that few are half parsed. */
export async function parsedInTurns(json: Buffer | string, { isOver, ...reading }: Parsing): Promise<unknown> {
  const leave = await sideBySide.enter(json.length);
  try {
    return await parsed(typeof json === 'string' ? Buffer.from(json) : json, { isOver, ...reading });
  } finally {
    leave();
  }
}

async function parsed(bytes: Buffer, { isOver, ...reading }: Parsing): Promise<unknown> {
  const pieces = jsonInPieces(bytes, reading);
  try {
    for (;;) {
      await turnFor(AT_ONCE);
      if (isOver?.() === true) return undefined;
      const piece = pieces.next();
      if (piece.done === true) return piece.value;
    }
  } catch (thrown) {
    if (!(thrown instanceof SyntaxError)) throw thrown;
    // A piece has other places than the whole.
    if (bytes.length > PLACED_BYTES) throw new SyntaxError(thrown.message.replace(PLACE, ''), { cause: thrown });
    await turnFor(bytes.length);
    return parseJson(bytes.toString('utf8'));
  }
}

const PLACE = / (?:in JSON )?at position .*$/s;
