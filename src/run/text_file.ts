/** Files of text that somebody wrote, in whichever encoding an editor or a spreadsheet gave them. */
import { readFileSync } from 'node:fs';

import { operatorError, reasonOf } from '../core/errors.js';
import { decodeText } from '../core/text/decode.js';

/** `what` names it in the error; a path of `-` is what comes from the standard input. */
export function readText(path: string, what: string): string {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path === '-' ? 0 : path);
  } catch (cause) {
    throw operatorError(`${what} cannot be read: ${reasonOf(cause)}`, cause);
  }
  const decoded = decodeText(bytes);
  if (decoded.text === undefined) throw operatorError(`${what} cannot be read: ${decoded.fault}`);
  return decoded.text;
}
