/**
 * JSON text of a large value in pieces, each made in about a millisecond. Put together they are what `writeJson` makes
 * of the value, which takes 100 ms for 31 MiB.
 */
import { writeJson } from './json.js';

/** Characters in a piece, about. */
export const PIECE_CHARS = 256 * 1024;

/** Whether a value's JSON has more than about so many characters; looks no further than it has to. */
export function isLarge(value: unknown, most = PIECE_CHARS): boolean {
  return left(value, most) < 0;
}

export function* jsonPieces(value: unknown): Generator<string> {
  let piece = '';
  for (const part of parts(value)) {
    piece += part;
    if (piece.length < PIECE_CHARS) continue;
    yield piece;
    piece = '';
  }
  if (piece !== '') yield piece;
}

/** What is left of `room` beside the value; less than nothing where it does not fit. */
function left(value: unknown, room: number): number {
  if (typeof value === 'string') return room - value.length - 2;
  if (typeof value !== 'object' || value === null) return room - 4;
  let rest = room - 2;
  if (Array.isArray(value))
    for (let at = 0; at < value.length && rest >= 0; at += 1) {
      const item: unknown = value[at];
      // Token ids and log-probabilities, of which there are many in each answer that is logged.
      rest = typeof item === 'number' ? rest - 5 : left(item, rest - 1);
    }
  else
    for (const name in value) {
      rest = left((value as Record<string, unknown>)[name], rest - name.length - 4);
      if (rest < 0) break;
    }
  return rest;
}

function* parts(value: unknown): Generator<string> {
  if (typeof value === 'string') yield* textParts(value);
  else if (!isLarge(value)) yield writeJson(value);
  else if (Array.isArray(value)) yield* listParts(value);
  else yield* objectParts(value as Readonly<Record<string, unknown>>);
}

function* textParts(text: string): Generator<string> {
  if (text.length <= PIECE_CHARS) {
    yield JSON.stringify(text);
    return;
  }
  yield '"';
  for (let at = 0; at < text.length;) {
    let end = at + PIECE_CHARS;
    // The halves of a character stay together: alone each would be escaped.
    if (isFirstHalf(text.charCodeAt(end - 1))) end += 1;
    yield JSON.stringify(text.slice(at, end)).slice(1, -1);
    at = end;
  }
  yield '"';
}

function isFirstHalf(code: number): boolean {
  return code >= 0xd800 && code <= 0xdbff;
}

/** Small items are written together. */
function* listParts(list: readonly unknown[]): Generator<string> {
  let before = '[';
  let together: unknown[] = [];
  let room = PIECE_CHARS;
  const written = (): string => {
    const text = `${before}${writeJson(together).slice(1, -1)}`;
    before = ',';
    together = [];
    room = PIECE_CHARS;
    return text;
  };
  for (const item of list) {
    room = left(item, room);
    if (room >= 0) {
      together.push(item);
      continue;
    }
    if (together.length > 0) yield written();
    room = left(item, PIECE_CHARS);
    if (room >= 0) {
      together.push(item);
      continue;
    }
    yield before;
    before = ',';
    room = PIECE_CHARS;
    yield* parts(item);
  }
  if (together.length > 0) yield written();
  yield ']';
}

function* objectParts(object: Readonly<Record<string, unknown>>): Generator<string> {
  let before = '{';
  for (const [name, field] of Object.entries(object)) {
    if (field === undefined) continue;
    yield `${before}${JSON.stringify(name)}:`;
    yield* parts(field);
    before = ',';
  }
  yield before === '{' ? '{}' : '}';
}
