/**
 * JSON whose integers stay what they are. JSON.parse rounds an integer beyond 2^53; here it becomes a bigint, and is
 * written with the same digits again. Where there is no such number, both are JSON.parse and JSON.stringify.
 */
import { randomUUID } from 'node:crypto';

/** No text of anyone else's begins with it: such a string stands for an integer while it is parsed or written. */
const MARK = `integer ${randomUUID()} `;
const MARKED = new RegExp(`"${MARK}(-?\\d+)"`, 'g');
/** Shorter integers are exact. */
const LONG = /\d{16}/;
/** Where an integer may stand that is not: most texts have long fractions only, or such digits inside a word. */
const LONG_VALUE = /(?:^|[[,:])\s*-?\d{16}/;
const NUMBERS = /-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;

function mayHoldLong(text: string): boolean {
  return LONG.test(text) && LONG_VALUE.test(text);
}

/** Throws SyntaxError as JSON.parse does. `long`: whether a number of 16 digits may be in it, where that is known. */
export function parseJson(text: string, long?: boolean): unknown {
  const value: unknown = JSON.parse(text);
  if (long === false || !mayHoldLong(text)) return value;
  const marked = withMarks(text);
  return marked === undefined
    ? value
    : JSON.parse(marked, (_key, inner: unknown) =>
        typeof inner === 'string' && inner.startsWith(MARK) ? BigInt(inner.slice(MARK.length)) : inner,
      );
}

/** The value with each bigint as a text of which {@link unmarked} makes the integer: for JSON written by others. */
export function marked(value: unknown): unknown {
  if (typeof value === 'bigint') return `${MARK}${value}`;
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(marked);
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, marked(field)]));
}

/** JSON text in which the texts of {@link marked} are integers. */
export function unmarked(text: string): string {
  return text.includes(MARK) ? text.replace(MARKED, '$1') : text;
}

/** JSON text that loses no digit where others call JSON.parse: {@link unmarkedValue} has its integers back. */
export function markedJson(text: string): string {
  return mayHoldLong(text) ? (withMarks(text) ?? text) : text;
}

/** What was parsed of {@link markedJson}, with its integers. */
export function unmarkedValue(value: unknown): unknown {
  if (typeof value === 'string') return value.startsWith(MARK) ? BigInt(value.slice(MARK.length)) : value;
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(unmarkedValue);
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, unmarkedValue(field)]));
}

/** As JSON.stringify of an object or a list writes it. */
export function writeJson(value: unknown): string {
  try {
    return JSON.stringify(value);
  } catch (thrown) {
    if (!(thrown instanceof TypeError) || !/BigInt/.test(thrown.message)) throw thrown;
    return unmarked(
      JSON.stringify(value, (_key, inner: unknown) => (typeof inner === 'bigint' ? `${MARK}${inner}` : inner)),
    );
  }
}

/** Whether a value is what JSON calls an object. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The text with each integer that would be rounded as a marked string; undefined where there is none. */
function withMarks(text: string): string | undefined {
  let out = '';
  let found = false;
  for (let at = 0; at < text.length;) {
    const quote = text.indexOf('"', at);
    const between = text.slice(at, quote === -1 ? text.length : quote);
    if (LONG.test(between)) {
      out += between.replace(NUMBERS, (number) => {
        if (!/^-?\d{16,}$/.test(number) || Number.isSafeInteger(Number(number))) return number;
        found = true;
        return `"${MARK}${number}"`;
      });
    } else out += between;
    if (quote === -1) break;
    const end = endOfString(text, quote);
    out += text.slice(quote, end + 1);
    at = end + 1;
  }
  return found ? out : undefined;
}

/** What JSON text has outside its strings. Not by a regular expression: a long string is more than its stack has. */
export function outsideStrings(json: string): string {
  let out = '';
  for (let at = 0; at < json.length;) {
    const quote = json.indexOf('"', at);
    out += json.slice(at, quote === -1 ? json.length : quote);
    if (quote === -1) break;
    at = endOfString(json, quote) + 1;
  }
  return out;
}

/** The index of the quote that closes the string opened at `from`. */
function endOfString(text: string, from: number): number {
  let end = text.indexOf('"', from + 1);
  for (; end !== -1; end = text.indexOf('"', end + 1)) {
    let slashes = 0;
    while (text[end - 1 - slashes] === '\\') slashes += 1;
    if (slashes % 2 === 0) return end;
  }
  return text.length;
}
