/**
 * A body that may have integers of the log in it, which no `c.json` can write where they are long. Bytes are JSON
 * already.
 */
import type { JsonBytes } from '../../core/reading.js';
import { writeJson } from '../../core/text/json.js';

export function jsonReply(value: JsonBytes | object): Response {
  return new Response(value instanceof Uint8Array ? value : writeJson(value), {
    headers: { 'content-type': 'application/json' },
  });
}
