/** Tools that others host, as one of ours. What is not here is left out, and that is said in a header. */
import { editDistance } from '../../core/text/nearest.js';
import type { HostedTool, ToolName } from './request.js';

/** Types by what they begin with (`web_search_preview`, `web_search_20250305`), and the server tool that does it. */
const OURS: readonly (readonly [prefix: string, tool: string])[] = [
  ['web_search', 'search_web'],
  ['web_fetch', 'fetch_page'],
];

const PREFIX = 'gyre:';

/** What the name of a type may be made of: it goes into a header. */
const FORM = /^[a-zA-Z0-9_.-]{1,64}$/;

export function hostedTool(type: string): HostedTool {
  return { hosted: type, as: OURS.find(([prefix]) => type.startsWith(prefix))?.[1] };
}

/** The choice of a tool by its type: a function of the client's by the name the policy knows it by, ours, or hosted. */
export function chosenTool(type: string, name = ''): ToolName {
  if (type === 'function') return { type, function: { name } };
  return type.startsWith(PREFIX) ? { type } : hostedTool(type);
}

/** Whether a type may be a hosted one: its word can be told, and it is no slip in one of `known`. */
export function mayBeHosted(type: string, known: readonly string[]): boolean {
  return FORM.test(type) && known.every((each) => editDistance(type, each) > 2);
}
