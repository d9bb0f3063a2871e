/**
 * The fast path through a stream: most chunks of vLLM are one token, alike but for a text, a
 * probability and an id. Once one such chunk has been parsed as JSON, the next are matched by a
 * regular expression, which takes a fifth of the time. A chunk that differs from that shape in a
 * single byte is not read here, and is parsed as JSON.
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

/** A chunk of one token is far shorter, and a regular expression may not have a stack for a much longer one. */
const LONGEST = 16 * 1024;

export class TokenChunkReader {
  /** A chunk up to its delta: the same in every chunk of a stream. */
  #head = '';

  /** Remembers the head of a chunk that was parsed: the next ones of the stream begin with the same bytes. */
  learn(data: string): void {
    const at = data.indexOf(DELTA);
    if (at !== -1) this.#head = data.slice(0, at + DELTA.length);
  }

  /** Undefined when the chunk is not exactly of the known shape. */
  read(data: string): TokenChunk | undefined {
    const { length } = this.#head;
    // Measured three times as fast as startsWith.
    if (length === 0 || data.length > LONGEST || data.slice(0, length) !== this.#head) return undefined;
    TOKEN.lastIndex = length;
    const match = TOKEN.exec(data);
    if (match === null) return undefined;
    const [, text = '', number, tokenId] = match;
    const logprob = number === undefined ? undefined : Number(number);
    return Number.isNaN(logprob) ? undefined : { text, tokenId: Number(tokenId), logprob };
  }
}
