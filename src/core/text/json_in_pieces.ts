/**
 * JSON read in pieces, each in about a millisecond: 15 million numbers, or half a million small objects, take most of a
 * second at once. What comes of it, and what is refused, is what `parseJson` makes of the whole. Refused besides is
 * what no piece is small enough for: what is nested too deep, a number that fills pages, an object of too many fields.
 *
 * The bytes are looked through once. Of each object and list that is open it is known where its children begin that are
 * not parsed yet. Where these are enough for a piece they are parsed, between brackets of their own; what holds parsed
 * children is then a child that is parsed itself. A long text is parsed as it is looked through.
 */
import { parseJson } from './json.js';
import { cutBefore, slashesBefore } from './json_text.js';

/** Objects and lists inside each other. */
export const MAX_DEPTH = 100;

/** Bytes of a piece: of the smallest values it makes some ten thousand. */
const PIECE_BYTES = 64 * 1024;

/** With more, each doubling of an object's room takes a tenth of a second. No model has as many tokens. */
const MAX_FIELDS = 300_000;

/** To make an integer of so many digits takes a millisecond, and of ten times as many a hundred. */
const MAX_DIGITS = 64 * 1024;

export interface ReadingPieces {
  /** Bytes of a piece, about. */
  readonly piece?: number | undefined;
  /** Whether integers keep all their digits, as `parseJson` has it; else they are what JSON.parse makes of them. */
  readonly exact?: boolean | undefined;
  /** Values there may be in all; without it any number. */
  readonly most?: number | undefined;
  /** Called with the outermost object's names as they are written: the first byte and the one after the last. */
  readonly named?: ((from: number, to: number) => void) | undefined;
}

/**
 * Yields after each piece how many bytes were looked at and parsed for it. Throws SyntaxError on what is not JSON,
 * RangeError on what is too much, with a message that goes on from the name of the thing.
 */
export function* jsonInPieces(bytes: Buffer, reading: ReadingPieces = {}): Generator<number, unknown> {
  const reader = new Reader(bytes, reading);
  for (let more = true; more;) {
    more = reader.readOn();
    yield reader.work;
  }
  return reader.value;
}

/** An object or a list whose end has not come. */
interface Open {
  isList: boolean;
  /** Where its bracket is. */
  at: number;
  /** Fields of an object that were parsed. */
  fields: number;
  /** Its children that are parsed; undefined while none is. */
  value: unknown[] | Record<string, unknown> | undefined;
  /** Where the children begin that are not. */
  from: number;
  /** Where the present child begins. */
  child: number;
  /** The name of the present child, where it is long and so is parsed already. */
  name: string | undefined;
  /** Whether the present child is parsed, and so nothing but blanks may follow. */
  isFilled: boolean;
}

const QUOTE = 0x22;
const COMMA = 0x2c;
const ZERO = 0x30;
const NINE = 0x39;
const COLON = 0x3a;
const LIST = 0x5b;
const BACKSLASH = 0x5c;
const LIST_END = 0x5d;
const OBJECT = 0x7b;
const OBJECT_END = 0x7d;

const BLANK = /^[ \t\n\r]*$/;

/** A text is looked through byte by byte so far; then its next quote is searched for, which is faster if it is far. */
const NEAR = 64;

class Reader {
  readonly #bytes: Buffer;
  readonly #piece: number;
  readonly #exact: boolean;
  readonly #most: number;
  readonly #named: ReadingPieces['named'];
  /** The first stands for the whole: a list of one child. */
  readonly #opens: Open[] = [opened(true, -1)];
  #depth = 0;
  /** Values that began after a bracket or a comma: an empty list counts as if one did. */
  #values = 0;
  #at = 0;
  /** Where the piece in hand ends. */
  #stop = 0;
  /** Digits before the byte in hand, and whether so many have come that an integer may be rounded. */
  #run = 0;
  #digits = false;
  /** Where the text in hand begins, its quote; -1 outside of texts. */
  #quote = -1;
  /** What is parsed of the text in hand, where it is long, and where the rest of it begins. */
  #said: string | undefined;
  #unsaid = 0;
  #isName = false;
  /** The next quote at or after a byte that was asked for. */
  #nextQuote = -1;
  /** Rows of blanks that nobody has to parse. */
  readonly #blanks: (readonly [from: number, to: number])[] = [];
  /** Bytes looked at and parsed in the last piece. */
  work = 0;

  constructor(bytes: Buffer, { piece = PIECE_BYTES, exact = true, most = Infinity, named }: ReadingPieces) {
    this.#bytes = bytes;
    this.#piece = piece;
    this.#exact = exact;
    this.#most = most;
    this.#named = named;
  }

  get value(): unknown {
    return (this.#top.value as readonly unknown[])[0];
  }

  /** Reads one piece. Returns whether there are more. */
  readOn(): boolean {
    const from = this.#at;
    this.work = 0;
    this.#stop = Math.min(this.#bytes.length, from + this.#piece);
    while (this.#at < this.#stop)
      if (this.#quote === -1) this.#look();
      else this.#lookInText();
    this.work += this.#at - from;
    if (this.#at < this.#bytes.length) {
      if (this.#quote === -1) this.#leaveOutBlanks(from);
      return true;
    }
    if (this.#quote !== -1 || this.#depth > 0) throw new SyntaxError('Unexpected end of JSON input');
    this.#parseTo(this.#top, this.#bytes.length);
    return false;
  }

  get #top(): Open {
    return this.#opens[this.#depth] as Open;
  }

  /** To the end of the piece, or to the next text. */
  #look(): void {
    const bytes = this.#bytes;
    let at = this.#at;
    let run = this.#run;
    for (; at < this.#stop; at += 1) {
      const byte = bytes[at] ?? 0;
      if (byte >= ZERO && byte <= NINE) {
        run += 1;
        if (run >= 16) this.#longNumber(run);
        continue;
      }
      run = 0;
      switch (byte) {
        case QUOTE:
          this.#quote = at;
          this.#unsaid = this.#at = at + 1;
          this.#run = 0;
          return;
        case LIST:
        case OBJECT:
          this.#open(byte === LIST, at);
          break;
        case LIST_END:
        case OBJECT_END:
          this.#close(byte === LIST_END, at);
          break;
        case COMMA:
          this.#comma(at);
          break;
        case COLON:
          if (this.#named !== undefined && this.#depth === 1) this.#named(this.#top.child, at);
          break;
        default:
      }
    }
    this.#at = at;
    this.#run = run;
  }

  #longNumber(digits: number): void {
    this.#digits = true;
    if (digits > MAX_DIGITS) throw new RangeError(`holds a number of more than ${MAX_DIGITS} digits`);
  }

  #open(isList: boolean, at: number): void {
    if (this.#depth === MAX_DEPTH) throw tooDeep();
    this.#depth += 1;
    this.#count();
    const open = this.#opens[this.#depth];
    if (open === undefined) this.#opens.push(opened(isList, at));
    else {
      open.isList = isList;
      open.at = at;
      open.fields = 0;
      open.value = undefined;
      open.from = open.child = at + 1;
    }
  }

  #comma(at: number): void {
    const open = this.#top;
    if (this.#depth === 0) throw this.#unexpected(at);
    this.#count();
    if (open.isFilled || open.name !== undefined || at - open.from >= this.#piece) this.#parseTo(open, at);
    open.child = at + 1;
  }

  #count(): void {
    this.#values += 1;
    if (this.#values > this.#most) throw new RangeError(`holds more than ${this.#most} values`);
  }

  #close(isList: boolean, at: number): void {
    const open = this.#top;
    if (this.#depth === 0 || open.isList !== isList) throw this.#unexpected(at);
    const isOfParent = open.value === undefined && at - open.from < this.#piece;
    if (!isOfParent) this.#parseTo(open, at, open.value === undefined);
    this.#depth -= 1;
    if (!isOfParent) this.#fill(open.at, open.value, at + 1);
  }

  /** Parses the children up to a comma or the end; these may be none where it is `maybeEmpty`. */
  #parseTo(open: Open, to: number, maybeEmpty = false): void {
    // However little of the piece was looked at: it is made.
    this.#stop = Math.min(this.#stop, to);
    const text = this.#textOf(open.from, to);
    open.from = to + 1;
    if (open.isFilled) {
      if (!BLANK.test(text)) throw this.#unexpected(to);
      open.isFilled = false;
      return;
    }
    if (open.name !== undefined) {
      const { '': value } = this.#parse(`{""${text}}`) as { readonly '': unknown };
      setField(open.value as Record<string, unknown>, open.name, value);
      open.name = undefined;
      return;
    }
    if (!maybeEmpty && BLANK.test(text)) throw this.#unexpected(to);
    const value = this.#parse(open.isList ? `[${text}]` : `{${text}}`) as unknown[] | Record<string, unknown>;
    if (Array.isArray(value)) {
      if (open.value === undefined) open.value = value;
      else for (const item of value) (open.value as unknown[]).push(item);
      return;
    }
    const names = Object.keys(value);
    open.fields += names.length;
    if (open.fields > MAX_FIELDS) throw new RangeError(`holds an object of more than ${MAX_FIELDS} fields`);
    if (open.value === undefined) open.value = value;
    else for (const name of names) setField(open.value as Record<string, unknown>, name, value[name]);
  }

  /** The children before the present one, and room for it. */
  #parseEarlier(open: Open): void {
    if (open.child > open.from) this.#parseTo(open, open.child - 1);
    open.value ??= open.isList ? [] : {};
  }

  /** The present child of what is open is parsed: it stands from `from`, but for its name, to `to`. */
  #fill(from: number, value: unknown, to: number): void {
    const open = this.#top;
    if (open.isFilled) throw this.#unexpected(from);
    this.#parseEarlier(open);
    const before = this.#textOf(open.child, from);
    if (open.isList) {
      if (!BLANK.test(before)) throw this.#unexpected(from);
      (open.value as unknown[]).push(value);
    } else {
      const named = this.#parse(`{${open.name === undefined ? '' : '""'}${before}null}`) as object;
      setField(open.value as Record<string, unknown>, open.name ?? Object.keys(named)[0] ?? '', value);
    }
    open.name = undefined;
    open.isFilled = true;
    open.from = open.child = to;
  }

  /** To the end of the piece, or of the text. */
  #lookInText(): void {
    const bytes = this.#bytes;
    let at = this.#at;
    while (at < this.#stop) {
      const near = Math.min(this.#stop, at + NEAR);
      while (at < near) {
        const byte = bytes[at];
        if (byte === QUOTE) return this.#closeText(at);
        at += byte === BACKSLASH ? 2 : 1;
      }
      if (this.#nextQuote < at) this.#nextQuote = quoteFrom(bytes, at);
      const next = Math.min(this.#nextQuote, this.#stop);
      if (next > at) at = next + (slashesBefore(bytes, next, at) % 2);
    }
    this.#at = at;
    if (at - this.#unsaid >= this.#piece) this.#sayMore();
  }

  /** Parses what has come of a long text. */
  #sayMore(): void {
    if (this.#said === undefined) {
      const open = this.#top;
      if (open.isFilled) throw this.#unexpected(this.#quote);
      this.#parseEarlier(open);
      this.#isName = !open.isList && open.name === undefined && BLANK.test(this.#textOf(open.child, this.#quote));
      this.#said = '';
    }
    const end = cutBefore(this.#bytes, this.#unsaid, this.#at);
    this.#said += this.#parsedText(end);
    this.#unsaid = end;
  }

  #closeText(at: number): void {
    const from = this.#quote;
    this.#at = at + 1;
    this.#quote = -1;
    if (this.#said === undefined) return;
    const text = this.#said + this.#parsedText(at);
    this.#said = undefined;
    if (!this.#isName) return this.#fill(from, text, at + 1);
    const open = this.#top;
    open.name = text;
    open.from = open.child = at + 1;
  }

  #parsedText(to: number): string {
    return JSON.parse(`"${this.#textOf(this.#unsaid, to)}"`) as string;
  }

  #parse(json: string): unknown {
    return this.#exact ? parseJson(json, this.#digits) : JSON.parse(json);
  }

  #textOf(from: number, to: number): string {
    let text = '';
    let at = from;
    for (const [blank, end] of this.#blanks)
      if (blank >= at && end <= to) {
        text += this.#bytes.toString('utf8', at, blank);
        at = end;
      }
    this.work += to - at + text.length;
    return text + this.#bytes.toString('utf8', at, to);
  }

  /** A piece of blanks is left out but for the first, which may part two words. */
  #leaveOutBlanks(from: number): void {
    const bytes = this.#bytes;
    const end = this.#at;
    for (let at = from; at < end; at += 1) if (!isBlank(bytes[at])) return;
    this.#blanks.push([from + 1, end]);
  }

  #unexpected(at: number): SyntaxError {
    const byte = this.#bytes[at];
    return new SyntaxError(
      byte === undefined ? 'Unexpected end of JSON input' : `Unexpected token '${String.fromCharCode(byte)}'`,
    );
  }
}

export function tooDeep(): RangeError {
  return new RangeError(`is nested deeper than ${MAX_DEPTH} levels`);
}

function opened(isList: boolean, at: number): Open {
  return { isList, at, fields: 0, value: undefined, from: at + 1, child: at + 1, name: undefined, isFilled: false };
}

/** Of two fields of one name the last is the one, in the place of the first. */
function setField(object: Record<string, unknown>, name: string, value: unknown): void {
  if (name !== '__proto__') object[name] = value;
  else Object.defineProperty(object, name, { value, configurable: true, enumerable: true, writable: true });
}

function quoteFrom(bytes: Buffer, at: number): number {
  const found = bytes.indexOf(QUOTE, at);
  return found === -1 ? bytes.length : found;
}

function isBlank(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}
