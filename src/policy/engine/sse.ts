/**
 * Server-sent events out of bytes, as fast as they come: an event may be split anywhere, inside a
 * UTF-8 sequence or between CR and LF, and a packet may hold many. Only `data` is read; names, ids,
 * retry times and comments mean nothing to an engine's stream.
 */

import { Gathered } from '../../core/running/gathered.js';

const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const SPACE = 0x20;

/** Bytes an event may hold beside the answer: ids of the prompt, most of all. */
const FRAME_BYTES = 16 * 1024 * 1024;

export class SseParser {
  readonly #onData: (data: string) => void;
  readonly #maxEventBytes: number;
  /** Bytes after the last line feed: a line is decoded only when it is whole, so no character is cut. */
  readonly #rest = new Gathered();
  #data: string | undefined;

  /** `answerBytes` is what the whole answer may have. */
  constructor(onData: (data: string) => void, answerBytes = 0) {
    this.#onData = onData;
    this.#maxEventBytes = answerBytes + FRAME_BYTES;
  }

  /** Bytes that are decoded where these come next, or were for the event they end: what ends no line is only kept. */
  sizeWith(bytes: Buffer): number {
    const last = bytes.lastIndexOf(LINE_FEED);
    return last === -1 ? 0 : this.#rest.length + last + (this.#data?.length ?? 0);
  }

  /** Throws RangeError when one unfinished event has too many bytes, and whatever `onData` throws. */
  push(bytes: Buffer): void {
    const last = bytes.lastIndexOf(LINE_FEED);
    if (last === -1) {
      this.#keep(bytes);
      return;
    }
    const text =
      this.#rest.length === 0 ? bytes.toString('utf8', 0, last + 1) : this.#take(bytes.subarray(0, last + 1));
    if (last + 1 < bytes.length) this.#keep(bytes.subarray(last + 1));
    this.#lines(text);
  }

  /** The end of the bytes: an event without its blank line still counts, because some engines omit it. */
  end(): void {
    if (this.#rest.length > 0) this.#lines(`${this.#rest.take().toString('utf8')}\n`);
    this.#dispatch();
  }

  #keep(bytes: Buffer): void {
    this.#rest.add(bytes);
    if (this.#rest.length + (this.#data?.length ?? 0) > this.#maxEventBytes)
      throw new RangeError(`one event is larger than ${this.#maxEventBytes} bytes`);
  }

  #take(tail: Buffer): string {
    this.#rest.add(tail);
    return this.#rest.take().toString('utf8');
  }

  #lines(text: string): void {
    let from = 0;
    for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', from)) {
      const end = at > from && text.charCodeAt(at - 1) === CARRIAGE_RETURN ? at - 1 : at;
      if (end === from) this.#dispatch();
      else if (text.startsWith('data:', from)) {
        const value = text.slice(text.charCodeAt(from + 5) === SPACE ? from + 6 : from + 5, end);
        this.#data = this.#data === undefined ? value : `${this.#data}\n${value}`;
      }
      from = at + 1;
    }
  }

  #dispatch(): void {
    if (this.#data === undefined) return;
    const data = this.#data;
    this.#data = undefined;
    this.#onData(data);
  }
}

/** What is before the first name of a field, at most. */
const HEAD_BYTES = 1024;

/** Whether these are events under the name of JSON, as some servers send them. */
export function areEvents(bytes: Buffer): boolean {
  return /^\s*(data|event|:)/.test(bytes.toString('utf8', 0, HEAD_BYTES));
}
