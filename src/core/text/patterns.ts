/**
 * Where regular expressions match in a text as it may be read: as it stands, with the escapes of JSON decoded as often
 * as there are any (JSON in JSON has them twice), and each scalar of a JSON text by itself, for patterns
 * that mean a whole value.
 */
import { decode, type Decoded, type Range } from './escapes.js';

/** Text that is escaped, or JSON that is in JSON, more often than this is not looked into. */
const MOST_LAYERS = 16;
const JSON_BEGINS = /^\s*[[{"]/;
const NUMBER = /-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const ONE_NUMBER = /^\s*-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?\s*$/;
const LITERALS: ReadonlySet<string> = new Set(['true', 'false', 'null']);
const LITERAL = /(?:true|false|null)(?!\w)/y;
/** Patterns that take in no punctuation of JSON and no space: letters, digits, and some signs, classes and groups. */
const IN_ONE_SCALAR = new RegExp(
  String.raw`^(?:[\w@#%&=~'<>;!/+*?|)$^-]|\((?!\?)|\(\?:|\\[dwb.+*?()|$^/-]|\{\d+(?:,\d*)?\}` +
    String.raw`|\[(?:[a-z]-[a-z]|[A-Z]-[A-Z]|\d-\d|[\w.@%+]|\\[dw./+-])+-?\])*$`,
);

/** Whether a text sets out as JSON with anything inside; it may be cut off or be no JSON after all. */
export function looksLikeJson(text: string): boolean {
  return JSON_BEGINS.test(text);
}

export class Patterns {
  readonly #patterns: readonly RegExp[];
  /** Whether a match may take in more than one scalar of a JSON text; if not, what is clean in each is clean in all. */
  readonly reachAcross: boolean;

  constructor(patterns: readonly string[]) {
    this.#patterns = patterns.map((pattern) => new RegExp(pattern, 'gu'));
    this.reachAcross = patterns.some((pattern) => !IN_ONE_SCALAR.test(pattern));
  }

  /**
   * The parts of the text that spell a match, in order and apart from each other; none of them ends within an escape.
   * Throws where it cannot be told: a text too much for the engine of regular expressions, or in too many layers.
   */
  find(text: string): readonly Range[] {
    const found = this.#inJson(text, 0);
    const layers: Decoded[] = [];
    for (let layer = decode(text); layer !== undefined; layer = decode(layer.text)) {
      if (layers.push(layer) > MOST_LAYERS) throw new RangeError('escaped too often');
      for (const match of this.#plain(layer.text)) found.push(sourceOf(match, layers));
    }
    return found.length === 0 ? found : apart(found.map((match) => sourceOf(textOf(match, layers), layers)));
  }

  #plain(text: string): Range[] {
    const found: Range[] = [];
    for (const pattern of this.#patterns) {
      pattern.lastIndex = 0;
      for (let match = pattern.exec(text); match !== null; match = pattern.exec(text)) {
        const [piece] = match;
        if (piece === '') pattern.lastIndex += (text.codePointAt(match.index) ?? 0) > 0xffff ? 2 : 1;
        else found.push([match.index, match.index + piece.length]);
      }
    }
    return found;
  }

  #inJson(text: string, depth: number): Range[] {
    const found = this.#plain(text);
    if (!looksLikeJson(text)) {
      if (ONE_NUMBER.test(text) && this.#plain(String(Number(text))).length > 0) found.push([0, text.length]);
      return found;
    }
    if (depth > MOST_LAYERS) throw new RangeError('JSON in JSON too often');
    for (const [from, to] of valuesOf(text)) {
      const piece = text.slice(from, to);
      if (text[from - 1] !== '"') {
        // Whoever parses a number writes it in another form: 4e3 is 4000.
        const again = LITERALS.has(piece) ? piece : String(Number(piece));
        if (this.#plain(piece).length > 0 || (again !== piece && this.#plain(again).length > 0)) found.push([from, to]);
        continue;
      }
      const decoded = decode(piece);
      for (const inner of this.#inJson(decoded?.text ?? piece, depth + 1)) {
        const [start, end] = decoded?.sourceOf(inner) ?? inner;
        found.push([from + start, from + end]);
      }
    }
    return found;
  }
}

function sourceOf(range: Range, layers: readonly Decoded[]): Range {
  return layers.reduceRight((inner, layer) => layer.sourceOf(inner), range);
}

function textOf(range: Range, layers: readonly Decoded[]): Range {
  return layers.reduce((outer, layer) => layer.textOf(outer), range);
}

/** The strings, without their quotes, and the other scalars of a JSON text, also of one that is cut off. */
function* valuesOf(text: string): Generator<Range> {
  for (let at = 0; at < text.length;) {
    const char = text[at] ?? '';
    if (char === '"') {
      let end = at + 1;
      while (end < text.length && text[end] !== '"') end += text[end] === '\\' ? 2 : 1;
      yield [at + 1, Math.min(end, text.length)];
      at = end + 1;
    } else if (char === '-' || (char >= '0' && char <= '9')) {
      NUMBER.lastIndex = at;
      const end = NUMBER.test(text) ? NUMBER.lastIndex : at + 1;
      yield [at, end];
      at = end;
    } else if (char === 't' || char === 'f' || char === 'n') {
      LITERAL.lastIndex = at;
      const end = LITERAL.test(text) ? LITERAL.lastIndex : at + 1;
      if (end > at + 1) yield [at, end];
      at = end;
    } else at += 1;
  }
}

/** The same ranges in order, those that overlap as one. */
export function apart(ranges: readonly Range[]): readonly Range[] {
  const found: Range[] = [];
  for (const [from, to] of [...ranges].sort(([a], [b]) => a - b)) {
    const last = found.at(-1);
    if (last === undefined || from >= last[1]) found.push([from, to]);
    else if (to > last[1]) found[found.length - 1] = [last[0], to];
  }
  return found;
}
