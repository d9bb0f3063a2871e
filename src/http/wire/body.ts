/** A request's body as JSON: at once where it is little, in turns of the event loop where it is much. */
import { badRequest, type GyreError, reasonOf } from '../../core/errors.js';
import { parsedInTurns } from '../../core/running/parsed.js';
import { AT_ONCE } from '../../core/running/turns.js';
import { parseJson } from '../../core/text/json.js';
import { MAX_DEPTH, type ReadingPieces, tooDeep } from '../../core/text/json_in_pieces.js';

/** Values in a body. Where each is a list they take a third of a gigabyte. */
const MOST_VALUES = 4 * 1024 * 1024;

/** Throws 400 on what is not JSON, too deep or too much. */
export function jsonInTurns(bytes: Buffer): unknown {
  if (bytes.length >= AT_ONCE) return jsonAndNames(bytes);
  try {
    return parseJson(bytes.toString('utf8'), mayHoldLong(bytes));
  } catch (thrown) {
    throw refusal(thrown);
  }
}

/** As {@link jsonInTurns}; `named` is shown where the names of the outermost object stand. */
export async function jsonAndNames(bytes: Buffer, named?: ReadingPieces['named']): Promise<unknown> {
  try {
    return await parsedInTurns(bytes, { most: MOST_VALUES, named });
  } catch (thrown) {
    throw refusal(thrown);
  }
}

function refusal(thrown: unknown): unknown {
  if (thrown instanceof SyntaxError) return invalid(`is not JSON: ${reasonOf(thrown)}`);
  return thrown instanceof RangeError ? invalid(thrown.message) : thrown;
}

function invalid(what: string): GyreError {
  return badRequest(`The body ${what}.`, undefined, 'invalid_json');
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const ZERO = 0x30;
const NINE = 0x39;

/**
 * Whether a number of 16 digits is in it. Counts brackets outside of texts on the bytes, so that a body of 10,000
 * levels is refused before it is parsed. Throws where it is too deep. A reader in pieces takes three times as long to
 * begin.
 */
function mayHoldLong(bytes: Buffer): boolean {
  let depth = 0;
  let [run, isLong] = [0, false];
  for (let at = 0; at < bytes.length; at += 1) {
    const byte = bytes[at] ?? 0;
    if (byte >= ZERO && byte <= NINE) {
      run += 1;
      isLong ||= run === 16;
      continue;
    }
    run = 0;
    switch (byte) {
      case QUOTE:
        at = endOfString(bytes, at);
        break;
      case 0x5b: // [
      case 0x7b: // {
        depth += 1;
        if (depth > MAX_DEPTH) throw tooDeep();
        break;
      case 0x5d: // ]
      case 0x7d: // }
        depth -= 1;
        break;
      default:
    }
  }
  return isLong;
}

/** The index of the quote that closes the string opened at `from`. */
function endOfString(bytes: Buffer, from: number): number {
  for (let end = bytes.indexOf(QUOTE, from + 1); end !== -1; end = bytes.indexOf(QUOTE, end + 1)) {
    let slashes = 0;
    while (bytes[end - 1 - slashes] === BACKSLASH) slashes += 1;
    if (slashes % 2 === 0) return end;
  }
  return bytes.length;
}
