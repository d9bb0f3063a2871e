/**
 * The short way through a stream: most chunks of vLLM are one token, alike but for a text, a
 * probability and an id. Once one such chunk has been parsed its like are matched by their shape,
 * which takes a fifth of the time of parsing them. What differs in a single byte from that shape is
 * declined, and parsed; this never guesses.
 */

/** What a token chunk of choice 0 says. */
export interface TokenChunk {
  readonly text: string;
  readonly tokenId: number;
  /** Absent when the chunk carries no logprobs. */
  readonly logprob: number | undefined;
}

const DELTA = '"choices":[{"index":0,"delta":{';

/** From the delta to the last byte. A text with an escape does not match: its first quote may not be its end. */
const TOKEN =
  /(?:"content":"([^"\\]*)")?\},"logprobs":(?:null|\{"content":\[\{"token":"(?:[^"\\]|\\.)*","logprob":(-?[0-9][0-9.eE+-]*),"bytes":\[[0-9,]*\],"top_logprobs":\[\]\}\]\}),"finish_reason":null,"token_ids":\[([0-9]+)\]\}\]\}$/y;

export class QuickReader {
  /** A chunk up to its delta: the same in every chunk of a stream. */
  #head = '';

  /** Takes the head of a chunk that was parsed and found to be one. */
  learn(data: string): void {
    const at = data.indexOf(DELTA);
    if (at !== -1) this.#head = data.slice(0, at + DELTA.length);
  }

  /** Undefined when the chunk is not exactly of the known shape. */
  read(data: string): TokenChunk | undefined {
    const { length } = this.#head;
    if (length === 0 || data.slice(0, length) !== this.#head) return undefined; // three times as fast as startsWith
    TOKEN.lastIndex = length;
    const match = TOKEN.exec(data);
    if (match === null) return undefined;
    const [, text = '', number, tokenId] = match;
    const logprob = number === undefined ? undefined : Number(number);
    return Number.isNaN(logprob) ? undefined : { text, tokenId: Number(tokenId), logprob };
  }
}
