/** A request's body as JSON, within a bound that holds before anything is built from it: depth. */
import { randomUUID } from 'node:crypto';

import { badRequest, reasonOf } from '../../core/errors.js';
import { parseJson } from '../../core/text/json.js';
import { turnFor } from '../../core/running/turns.js';

/** Objects and lists inside each other. */
const MAX_DEPTH = 100;

/** Throws 400 on what is not JSON or too deep. */
export function jsonOf(bytes: Buffer): unknown {
  return parsed(bytes.toString('utf8'), looked(bytes));
}

/** As {@link jsonOf}, a large body in turns. */
export function jsonInTurns(bytes: Buffer): unknown {
  const turn = turnFor(bytes.length);
  return turn === undefined ? jsonOf(bytes) : largeJson(bytes, turn);
}

async function largeJson(bytes: Buffer, turn: Promise<unknown>): Promise<unknown> {
  await turn;
  const look = looked(bytes);
  if (look.long.length > 0)
    try {
      return await withLongTexts(bytes, look);
    } catch {
      // What is wrong, and where, is said of the body as it came.
    }
  await turnFor(bytes.length);
  const text = bytes.toString('utf8');
  await turnFor(bytes.length);
  return parsed(text, look);
}

/** What is seen of JSON before it is parsed. */
interface Look {
  /** Whether a number of 16 digits is in it. */
  readonly digits: boolean;
  /** First byte and the one after the last of the texts so long that they are read in turns, without their quotes. */
  readonly long: readonly (readonly [number, number])[];
}

function parsed(text: string, { digits }: Look): unknown {
  try {
    return parseJson(text, digits);
  } catch (cause) {
    throw badRequest(`The body is not JSON: ${reasonOf(cause)}.`, undefined, 'invalid_json');
  }
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;
/** Bytes of a text that is read in turns, and so many in each. */
const LONG_BYTES = 1024 * 1024;

/** No text of anyone else's begins with it: such a text stands for a long one while the rest is parsed. */
const MARK = `text ${randomUUID()} `;

/** Long texts are read by themselves, so that nothing takes as long as all of them. */
async function withLongTexts(bytes: Buffer, look: Look): Promise<unknown> {
  const texts: string[] = [];
  const rest: string[] = [];
  let at = 0;
  for (const [from, to] of look.long) {
    rest.push(bytes.toString('utf8', at, from), MARK, String(texts.length));
    at = to;
    let text = '';
    for (let begin = from; begin < to;) {
      await turnFor(LONG_BYTES);
      const end = cutBefore(bytes, begin + LONG_BYTES, to);
      text += String(JSON.parse(`"${bytes.toString('utf8', begin, end)}"`));
      begin = end;
    }
    texts.push(text);
  }
  rest.push(bytes.toString('utf8', at));
  await turnFor(LONG_BYTES);
  return withTexts(parseJson(rest.join(''), look.digits), texts);
}

/** The nearest place before which neither a character nor an escape is cut in two. */
function cutBefore(bytes: Buffer, near: number, end: number): number {
  if (near >= end) return end;
  let at = near;
  while (((bytes[at] ?? 0) & 0xc0) === 0x80 && near - at < 4) at -= 1;
  let slash = at - 1;
  while (slash >= at - 5 && bytes[slash] !== BACKSLASH) slash -= 1;
  if (slash < at - 5) return at;
  let before = slash;
  while (bytes[before - 1] === BACKSLASH) before -= 1;
  // The last of a row of backslashes begins an escape where the others are escaped by each other.
  if ((slash - before) % 2 === 1) return at;
  const length = bytes[slash + 1] === LETTER_U ? 6 : 2;
  return slash + length > at ? slash : at;
}

const LETTER_U = 0x75;

/** The value with the long texts in their places. */
function withTexts(value: unknown, texts: readonly string[]): unknown {
  if (typeof value === 'string') return value.startsWith(MARK) ? texts[Number(value.slice(MARK.length))] : value;
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) for (let at = 0; at < value.length; at += 1) value[at] = withTexts(value[at], texts);
  else
    for (const [name, field] of Object.entries(value)) {
      const whole = withTexts(field, texts);
      if (whole !== field) (value as Record<string, unknown>)[name] = whole;
    }
  return value;
}

/**
 * Counts brackets outside strings on the bytes, so that a body of 10,000 levels is refused before it is parsed. Throws
 * 400 where it is too deep.
 */
function looked(bytes: Buffer): Look {
  const long: (readonly [number, number])[] = [];
  let depth = 0;
  let [run, digits] = [0, false];
  for (let at = 0; at < bytes.length; at += 1) {
    const byte = bytes[at] ?? 0;
    if (byte >= ZERO && byte <= NINE) {
      run += 1;
      digits ||= run === 16;
      continue;
    }
    run = 0;
    switch (byte) {
      case QUOTE: {
        const end = endOfString(bytes, at);
        if (end - at > LONG_BYTES && end < bytes.length && !isName(bytes, end)) long.push([at + 1, end]);
        at = end;
        break;
      }
      case 0x5b: // [
      case 0x7b: // {
        depth += 1;
        if (depth > MAX_DEPTH)
          throw badRequest(`The body is nested deeper than ${MAX_DEPTH} levels.`, undefined, 'invalid_json');
        break;
      case 0x5d: // ]
      case 0x7d: // }
        depth -= 1;
        break;
      default:
    }
  }
  return { digits, long };
}

const ZERO = 0x30;
const NINE = 0x39;

/** Whether the string that ends there is the name of a field. */
function isName(bytes: Buffer, quote: number): boolean {
  let at = quote + 1;
  while (BLANKS.includes(bytes[at] ?? 0)) at += 1;
  return bytes[at] === COLON;
}

const BLANKS: readonly number[] = [0x20, 0x09, 0x0a, 0x0d];

/** The index of the quote that closes the string opened at `from`. */
export function endOfString(bytes: Buffer, from: number): number {
  for (let end = bytes.indexOf(QUOTE, from + 1); end !== -1; end = bytes.indexOf(QUOTE, end + 1)) {
    let slashes = 0;
    while (bytes[end - 1 - slashes] === BACKSLASH) slashes += 1;
    if (slashes % 2 === 0) return end;
  }
  return bytes.length;
}
