/** An event, or a whole answer, that takes milliseconds to parse: log-probabilities of a long text, most of all. */
import { parsedInTurns } from '../../core/running/parsed.js';
import { garbage, type Party } from './fault.js';

/** Characters or bytes of one that is parsed in turns. */
export const LARGE = 512 * 1024;

/** Bytes of it that an error may quote. */
const QUOTED = 1024;

/** Its value, unless nobody wants it any more, and its first words. Throws an engine fault on what is not JSON. */
export async function readLarge(
  bytes: Buffer,
  party: Party,
  isOver: () => boolean,
): Promise<readonly [value: unknown, words: string]> {
  const words = bytes.toString('utf8', 0, QUOTED);
  try {
    // Arguments that are no text keep their numbers.
    return [await parsedInTurns(bytes, { exact: bytes.includes('"arguments"'), isOver }), words];
  } catch (cause) {
    throw garbage(`${cause instanceof RangeError ? `what ${cause.message}` : 'not JSON'}: ${words}`, party, cause);
  }
}

/** Whether these are events under the name of JSON, as some servers send them. */
export function areEvents(bytes: Buffer): boolean {
  return /^\s*(data|event|:)/.test(bytes.toString('utf8', 0, QUOTED));
}
