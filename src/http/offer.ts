/** Which tools a request offers to the policy and whose each name is, settled before anything is spent. */
import { nearest } from '../core/config.js';
import { badRequest } from '../core/errors.js';
import type { FunctionSpec, ToolChoice } from '../core/policy.js';
import type { Tool, Toolbox } from '../core/tool.js';
import type { ChatRequest } from './openai.js';

export interface Offer {
  readonly clientTools: readonly FunctionSpec[];
  readonly serverTools: Toolbox;
  readonly toolChoice: ToolChoice;
}

const PREFIX = 'gyre:';
const NONE: Toolbox = new Map();

/** `defaults` are names of `toolbox`. Throws 400 on `tools`, `tool_choice` or `n`. */
export function settleOffer(request: ChatRequest, toolbox: Toolbox, defaults: readonly string[]): Offer {
  const clientTools: FunctionSpec[] = [];
  const asked: string[] = [];
  for (const entry of request.tools) {
    if ('function' in entry) clientTools.push(specOf(entry.function));
    else asked.push(entry.type.slice(PREFIX.length));
  }
  const clientNames = new Set(clientTools.map((tool) => tool.name));
  if (clientNames.size < clientTools.length) throw badRequest('Two functions in "tools" have the same name; names must be unique.', 'tools');

  const explicit = asked.map((name) => named(name, toolbox));
  for (const tool of explicit) {
    if (clientNames.has(tool.spec.name)) {
      throw badRequest(`"${PREFIX}${tool.spec.name}" and a function of the same name are both in "tools". Rename the function, or leave one of them out.`, 'tools');
    }
  }
  const choice = request.toolChoice;
  const off = choice === 'none';
  if (request.n > 1 && explicit.length > 0 && !off) throw badRequest('"n" above 1 cannot be combined with server tools: every choice would run them again.', 'n');

  const offered = off ? [] : explicit.length > 0 ? explicit : request.n > 1 ? [] : defaultTools(toolbox, defaults, clientNames);
  const serverTools: Toolbox = offered.length === 0 ? NONE : new Map(offered.map((tool) => [tool.spec.name, tool]));
  return { clientTools, serverTools, toolChoice: choiceOf(choice, clientNames, serverTools) };
}

/** A client's function of the same name replaces a default tool. */
function defaultTools(toolbox: Toolbox, defaults: readonly string[], clientNames: ReadonlySet<string>): Tool[] {
  return defaults.flatMap((name) => {
    const tool = clientNames.has(name) ? undefined : toolbox.get(name);
    return tool === undefined ? [] : [tool];
  });
}

function named(name: string, toolbox: Toolbox): Tool {
  const tool = toolbox.get(name);
  if (tool !== undefined) return tool;
  const known = [...toolbox.keys()];
  const hint = known.length === 0 ? 'This gateway has no server tools.' : `Did you mean "${PREFIX}${nearest(name.slice(0, 100), known)}"? There are: ${known.map((each) => PREFIX + each).join(', ')}.`;
  throw badRequest(`There is no server tool "${PREFIX}${name.slice(0, 100)}". ${hint}`, 'tools');
}

function choiceOf(choice: ChatRequest['toolChoice'], clientNames: ReadonlySet<string>, serverTools: Toolbox): ToolChoice {
  if (choice === undefined) return 'auto';
  if (typeof choice === 'string') {
    if (choice === 'required' && clientNames.size + serverTools.size === 0) throw badRequest('"tool_choice" demands a call, but no tools are offered. Offer some in "tools".', 'tool_choice');
    return choice;
  }
  const name = 'function' in choice ? choice.function.name : choice.type.slice(PREFIX.length);
  const offered = serverTools.has(name) || ('function' in choice && clientNames.has(name));
  if (!offered) throw badRequest(`"tool_choice" names ${JSON.stringify(name)}, which is not among the tools of this request.`, 'tool_choice');
  return { name };
}

function specOf(spec: { name: string; description?: string | null | undefined; parameters?: Record<string, unknown> | null | undefined; strict?: boolean | null | undefined }): FunctionSpec {
  return {
    name: spec.name,
    ...(typeof spec.description === 'string' ? { description: spec.description } : {}),
    ...(spec.parameters ? { parameters: spec.parameters } : {}),
    ...(typeof spec.strict === 'boolean' ? { strict: spec.strict } : {}),
  };
}
