/**
 * The escapes of JSON strings decoded, and where in the source each decoded character comes from: what is found in
 * the text as it is read can then be cut out of the text as it is written.
 */

/** From its first character up to, and without, the character at `to`. */
export type Range = readonly [from: number, to: number];

const ESCAPE = /\\(?:u([0-9a-fA-F]{4})|(["\\/bfnrt]))/g;
const CONTROL: Readonly<Record<string, string>> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t' };

/** One level of escapes decoded, of a whole JSON text as of a string in it; undefined where nothing is escaped. */
export function decode(source: string): Decoded | undefined {
  if (!source.includes('\\')) return undefined;
  const from: number[] = [];
  const to: number[] = [];
  const at: number[] = [];
  let shrunk = 0;
  const text = source.replace(ESCAPE, (escape, code: string | undefined, char: string, index: number) => {
    from.push(index);
    to.push(index + escape.length);
    at.push(index - shrunk);
    shrunk += escape.length - 1;
    return code === undefined ? (CONTROL[char] ?? char) : String.fromCharCode(Number.parseInt(code, 16));
  });
  return from.length === 0 ? undefined : new Decoded(text, from, to, at);
}

/** Every escape is one character (a UTF-16 unit) of `text`. */
export class Decoded {
  readonly text: string;
  /** Of each escape: where it begins and ends in the source, and where its character is in the text. */
  readonly #from: readonly number[];
  readonly #to: readonly number[];
  readonly #at: readonly number[];

  constructor(text: string, from: readonly number[], to: readonly number[], at: readonly number[]) {
    this.text = text;
    this.#from = from;
    this.#to = to;
    this.#at = at;
  }

  /** What of the source spells this range of the text. */
  sourceOf([from, to]: Range): Range {
    return [this.#sourceAt(from), this.#sourceAt(to)];
  }

  /** The text that a range of the source spells; an escape that the range has a part of counts whole. */
  textOf([from, to]: Range): Range {
    return [this.#textAt(from, false), this.#textAt(to, true)];
  }

  #sourceAt(place: number): number {
    const last = below(this.#at, place) - 1;
    return last < 0 ? place : (this.#to[last] ?? 0) + place - (this.#at[last] ?? 0) - 1;
  }

  #textAt(place: number, after: boolean): number {
    const last = below(this.#from, place) - 1;
    if (last < 0) return place;
    const [at, to] = [this.#at[last] ?? 0, this.#to[last] ?? 0];
    return place < to ? at + (after ? 1 : 0) : at + 1 + place - to;
  }
}

/** How many of the rising numbers are below the limit. */
function below(rising: readonly number[], limit: number): number {
  let [low, high] = [0, rising.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((rising[middle] ?? 0) < limit) low = middle + 1;
    else high = middle;
  }
  return low;
}
