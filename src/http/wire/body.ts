/** A request's body as JSON, within a bound that holds before anything is built from it: depth. */
import { badRequest, reasonOf } from '../../core/errors.js';
import { parseJson } from '../../core/text/json.js';
import { turnFor } from '../../core/running/turns.js';

/** Objects and lists inside each other. */
const MAX_DEPTH = 100;

/** Throws 400 on what is not JSON or too deep. */
export function jsonOf(bytes: Buffer): unknown {
  refuseDepth(bytes);
  return parsed(bytes.toString('utf8'));
}

/** As {@link jsonOf}, a large body in turns. */
export function jsonInTurns(bytes: Buffer): unknown {
  const turn = turnFor(bytes.length);
  return turn === undefined ? jsonOf(bytes) : largeJson(bytes, turn);
}

async function largeJson(bytes: Buffer, turn: Promise<unknown>): Promise<unknown> {
  await turn;
  refuseDepth(bytes);
  await turnFor(bytes.length);
  const text = bytes.toString('utf8');
  await turnFor(bytes.length);
  return parsed(text);
}

function refuseDepth(bytes: Buffer): void {
  if (isTooDeep(bytes))
    throw badRequest(`The body is nested deeper than ${MAX_DEPTH} levels.`, undefined, 'invalid_json');
}

function parsed(text: string): unknown {
  try {
    return parseJson(text);
  } catch (cause) {
    throw badRequest(`The body is not JSON: ${reasonOf(cause)}.`, undefined, 'invalid_json');
  }
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** Counts brackets outside strings on the bytes, so that a body of 10,000 levels is refused before it is parsed. */
function isTooDeep(bytes: Buffer): boolean {
  let depth = 0;
  for (let at = 0; at < bytes.length; at += 1) {
    switch (bytes[at]) {
      case QUOTE:
        at = endOfString(bytes, at);
        break;
      case 0x5b: // [
      case 0x7b: // {
        depth += 1;
        if (depth > MAX_DEPTH) return true;
        break;
      case 0x5d: // ]
      case 0x7d: // }
        depth -= 1;
        break;
      default:
    }
  }
  return false;
}

/** The index of the quote that closes the string opened at `from`. */
export function endOfString(bytes: Buffer, from: number): number {
  for (let end = bytes.indexOf(QUOTE, from + 1); end !== -1; end = bytes.indexOf(QUOTE, end + 1)) {
    let slashes = 0;
    while (bytes[end - 1 - slashes] === BACKSLASH) slashes += 1;
    if (slashes % 2 === 0) return end;
  }
  return bytes.length;
}
