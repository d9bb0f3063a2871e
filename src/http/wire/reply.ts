/** A body that may have integers of the log in it, which no `c.json` can write where they are long. */
import { writeJson } from '../../core/text/json.js';

export function jsonReply(value: unknown): Response {
  return new Response(writeJson(value), { headers: { 'content-type': 'application/json' } });
}
