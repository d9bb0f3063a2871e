/**
 * A body that may have integers of the log in it, which no `c.json` can write where they are long. Bytes are JSON
 * already.
 */
import type { JsonBytes } from '../../core/reading.js';
import { writeJson } from '../../core/text/json.js';

export function jsonReply(value: JsonBytes | object): Response {
  const body = value instanceof Uint8Array ? value : Buffer.from(writeJson(value));
  return new Response(body, {
    headers: { 'content-type': 'application/json', 'content-length': String(body.byteLength) },
  });
}
