/**
 * Function names of tools of MCP servers: `<server>__<tool>`. A name that OpenAI's rule does not allow is made to fit
 * and ends with a hash of server and tool, so that it is the same at every start, whatever other tools there are.
 */
import { hash } from 'node:crypto';

/** OpenAI's API reference, `tools.function.name`: 1 to 64 letters, digits, "_" or "-". */
const LONGEST = 64;
const MARK = 8;

export function prefixOf(server: string): string {
  return `${server}__`;
}

/**
 * The name of `tool` of `server`. `prefixes` are those of all servers: a tool called `b__c` of a server `a` must not
 * pass for the tool `c` of a server `a__b`.
 */
export function functionName(server: string, tool: string, prefixes: readonly string[]): string {
  const own = prefixOf(server);
  const exact = own + tool;
  const another = prefixes.some((prefix) => prefix.length > own.length && exact.startsWith(prefix));
  if (!another && tool !== '' && exact.length <= LONGEST && /^[A-Za-z0-9_-]+$/.test(exact)) return exact;
  const mark = hash('sha256', `${server}\n${tool}`, 'hex').slice(0, MARK);
  const room = LONGEST - own.length - MARK - 1;
  return `${own}${tool.replace(/[^A-Za-z0-9_-]/g, '_').slice(0, room)}_${mark}`;
}
