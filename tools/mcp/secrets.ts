/**
 * Removes the operator's credentials from the output of a tool server. A server may echo a header in an error page, and
 * its output reaches the policy, the log and the client.
 */
import type { McpServer } from '../../src/core/config.js';

/** Characters; a shorter value may occur in ordinary text. */
const SHORTEST = 8;
const SHORTEST_PART = 16;
const SECRET_NAME = /key|token|secret|password|passwd|credential|auth|cookie|session/i;

/** Takes every credential of `server` out of a text. */
export function scrubber(server: McpServer): (text: string) => string {
  const secrets = secretsOf(server);
  if (secrets.length === 0) return (text) => text;
  return (text) => secrets.reduce((rest, secret) => rest.replaceAll(secret, '[redacted]'), text);
}

/** Longest first: a secret that contains another is removed whole. */
function secretsOf({ headers, env, url }: McpServer): string[] {
  const found = new Set<string>();
  for (const value of Object.values(headers ?? {})) {
    found.add(value);
    // `Bearer xyz` may come back as `xyz` alone.
    for (const part of value.split(/\s+/)) found.add(part);
  }
  for (const [name, value] of Object.entries(env ?? {})) if (SECRET_NAME.test(name)) found.add(value);
  if (url !== undefined) {
    const { searchParams, pathname } = new URL(url);
    for (const value of searchParams.values()) found.add(value);
    // In some addresses a part of the path is the key, and an error page may repeat the path.
    for (const part of pathname.split('/')) if (part.length >= SHORTEST_PART) found.add(part);
  }
  return [...found].filter((secret) => secret.length >= SHORTEST).sort((a, b) => b.length - a.length);
}
