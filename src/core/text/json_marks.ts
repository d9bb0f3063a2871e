/**
 * Marks in a text that is JSON: it stays JSON, and all that did not match stays as it was written. What is parsed and
 * written again would round long numbers and lose fields that are named twice.
 */
import { decode, type Range } from './escapes.js';
import { parseJson } from './json.js';
import { looksLikeJson } from './patterns.js';

/** What is to stand where a part of the text stood. */
export interface Edit {
  readonly from: number;
  readonly to: number;
  readonly text: string;
}

/** A value as it is written; a list or an object has items. */
interface Written {
  readonly from: number;
  readonly to: number;
  readonly items?: readonly Item[] | undefined;
}

interface Item {
  readonly from: number;
  readonly to: number;
  /** Absent in a list. */
  readonly name?: Written | undefined;
  readonly value: Written;
}

const SCALAR = /[^\s,\]}]*/y;
const SPACE = /\s*/y;

/**
 * The edits by which what was found becomes `mark`; undefined for a text that is no JSON. The ranges are in order and
 * apart. A string keeps what did not match, another value goes whole, and so does every field or item that a match of
 * punctuation reaches into.
 */
export function editsInJson(text: string, found: readonly Range[], mark: string): readonly Edit[] | undefined {
  if (!looksLikeJson(text) || parsed(text) === undefined) return undefined;
  const edits: Edit[] = [];
  const root = new Reader(text).value();
  const quoted = JSON.stringify(mark);
  if (found.every((range) => within(range, root))) new Marking(text, mark, edits).value(root, found);
  else edits.push({ from: 0, to: text.length, text: quoted });
  return edits;
}

/** Undefined where it only looks like JSON. */
export function parsed(text: string): unknown {
  try {
    return parseJson(text);
  } catch {
    return undefined;
  }
}

class Marking {
  readonly #text: string;
  readonly #mark: string;
  readonly #quoted: string;
  readonly #edits: Edit[];

  constructor(text: string, mark: string, edits: Edit[]) {
    this.#text = text;
    this.#mark = mark;
    this.#quoted = JSON.stringify(mark);
    this.#edits = edits;
  }

  /** `found` is within the value. */
  value(value: Written, found: readonly Range[]): void {
    const { from, to, items } = value;
    if (found.length === 0) return;
    const inner = found.every((range) => range[0] > from && range[1] < to);
    if (inner && this.#text[from] === '"') this.#string(value, found);
    else if (!inner || items === undefined || !this.#items(items, found))
      this.#edits.push({ from, to, text: this.#quoted });
  }

  #string({ from, to }: Written, found: readonly Range[]): void {
    const source = this.#text.slice(from + 1, to - 1);
    const decoded = decode(source);
    const ranges = found.map(([start, end]): Range => [start - from - 1, end - from - 1]);
    const inJson = editsInJson(
      decoded?.text ?? source,
      decoded === undefined ? ranges : ranges.map((range) => decoded.textOf(range)),
      this.#mark,
    );
    if (inJson === undefined)
      for (const [start, end] of found) this.#edits.push({ from: start, to: end, text: this.#mark });
    else
      for (const edit of inJson) {
        const [start, end] = decoded?.sourceOf([edit.from, edit.to]) ?? [edit.from, edit.to];
        this.#edits.push({
          from: from + 1 + start,
          to: from + 1 + end,
          text: JSON.stringify(edit.text).slice(1, -1),
        });
      }
  }

  /** False where a match reaches no item, but stands between them. */
  #items(items: readonly Item[], found: readonly Range[]): boolean {
    const reached: (readonly [first: number, last: number])[] = [];
    let at = 0;
    for (const [from, to] of found) {
      while (at < items.length && (items[at]?.to ?? 0) <= from) at += 1;
      let last = at;
      while ((items[last + 1]?.from ?? Infinity) < to) last += 1;
      if ((items[at]?.from ?? Infinity) >= to) return false;
      reached.push([at, last]);
    }
    for (let next = 0; next < found.length;) {
      const first = reached[next]?.[0] ?? 0;
      let last = first;
      const own: Range[] = [];
      for (; (reached[next]?.[0] ?? Infinity) <= last; next += 1) {
        last = Math.max(last, reached[next]?.[1] ?? 0);
        own.push(found[next] ?? [0, 0]);
      }
      this.#reached(items.slice(first, last + 1), own);
    }
    return true;
  }

  #reached(items: readonly Item[], found: readonly Range[]): void {
    const [first, last] = [items[0], items.at(-1)];
    if (first === undefined || last === undefined) return;
    const { name, value } = first;
    const parts = name === undefined ? [value] : [name, value];
    if (first === last && found.every((range) => parts.some((part) => within(range, part))))
      for (const part of parts)
        this.value(
          part,
          found.filter((range) => within(range, part)),
        );
    else {
      const text = name === undefined ? this.#quoted : `${this.#quoted}:${this.#quoted}`;
      this.#edits.push({ from: first.from, to: last.to, text });
    }
  }
}

/** Reads what is known to be JSON. */
class Reader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  value(): Written {
    this.#skip(SPACE);
    const from = this.#at;
    const opens = this.#text[from];
    if (opens === '{' || opens === '[') return this.#container(from, opens === '{');
    if (opens === '"') {
      this.#at += 1;
      while (this.#at < this.#text.length && this.#text[this.#at] !== '"')
        this.#at += this.#text[this.#at] === '\\' ? 2 : 1;
      this.#at += 1;
    } else this.#skip(SCALAR);
    return { from, to: this.#at };
  }

  #container(from: number, named: boolean): Written {
    const items: Item[] = [];
    do {
      this.#at += 1;
      this.#skip(SPACE);
      if (this.#closes()) break;
      const name = named ? this.value() : undefined;
      this.#skip(SPACE);
      if (named) this.#at += 1;
      const value = this.value();
      items.push({ from: name?.from ?? value.from, to: value.to, name, value });
      this.#skip(SPACE);
    } while (!this.#closes());
    this.#at += 1;
    return { from, to: this.#at, items };
  }

  #closes(): boolean {
    const char = this.#text[this.#at];
    return char === '}' || char === ']' || char === undefined;
  }

  #skip(what: RegExp): void {
    what.lastIndex = this.#at;
    if (what.test(this.#text)) this.#at = what.lastIndex;
  }
}

function within([from, to]: Range, outer: Written): boolean {
  return from >= outer.from && to <= outer.to;
}
