/**
 * Bytes that come in pieces, in one buffer that grows. Kept as they come they are small blocks in their thousands, and
 * what is allocated between them keeps the memory of all of them from being given back.
 */
import { MessageChannel, type MessagePort } from 'node:worker_threads';

const NOTHING = Buffer.alloc(0);
/** With so much there, room is made for all that was announced: what is only announced takes none. */
const BELIEVED = 1024 * 1024;

/** Smaller ones are not worth the call, some microseconds. */
const WORTH = 16 * 1024;
/** A port whose other end is closed: what is sent there is let go at once. */
let nowhere: MessagePort | undefined;

/**
 * Gives a buffer's memory back now and not when V8 next looks: until then a thousand of them lie about, and what is
 * allocated between them keeps all of that from the system. Nothing is left in it.
 */
function giveBack(piece: Buffer): void {
  const { buffer } = piece;
  if (piece.length < WORTH || piece.length !== buffer.byteLength || !(buffer instanceof ArrayBuffer)) return;
  if (nowhere === undefined) {
    const { port1, port2 } = new MessageChannel();
    port2.close();
    nowhere = port1;
  }
  nowhere.postMessage(null, [buffer]);
}

export class Gathered {
  /** A first piece as it came, else a buffer of our own. */
  #buffer: Buffer = NOTHING;
  #isOwn = false;
  #length = 0;
  readonly #announced: number;

  /** `announced`: bytes there will be in all, where that was said; it may be wrong. */
  constructor(announced = 0) {
    this.#announced = announced;
  }

  get length(): number {
    return this.#length;
  }

  add(piece: Buffer): void {
    const length = this.#length + piece.length;
    if (this.#length === 0) {
      this.#buffer = piece;
      this.#isOwn = false;
    } else {
      if (!this.#isOwn || length > this.#buffer.length) {
        const all = length > BELIEVED && length <= this.#announced;
        const grown = Buffer.allocUnsafe(all ? this.#announced : 2 * length);
        this.#buffer.copy(grown, 0, 0, this.#length);
        this.#buffer = grown;
        this.#isOwn = true;
      }
      piece.copy(this.#buffer, this.#length);
    }
    this.#length = length;
  }

  /** As {@link add} of a piece that nobody else has or will look at: once it is copied its memory goes back. */
  addOwn(piece: Buffer): void {
    this.add(piece);
    if (this.#isOwn) giveBack(piece);
  }

  /** All of them; nothing is left here. */
  take(): Buffer {
    const all = this.#buffer.subarray(0, this.#length);
    this.#buffer = NOTHING;
    this.#isOwn = false;
    this.#length = 0;
    return all;
  }
}
