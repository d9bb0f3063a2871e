/** Which tools a request offers to the policy and whose each name is, settled before anything is spent. */
import { badRequest, GyreError } from '../../core/errors.js';
import { nearest } from '../../core/text/nearest.js';
import type { FunctionSpec, ToolChoice } from '../../core/policy.js';
import type { Tool, Toolbox } from '../../core/tool.js';
import type { AnswerRequest } from './request.js';

export interface Offer {
  readonly clientTools: readonly FunctionSpec[];
  readonly serverTools: Toolbox;
  readonly toolChoice: ToolChoice;
}

const PREFIX = 'gyre:';
const NONE: Toolbox = new Map();

/**
 * `defaults` are names of `toolbox`; a key that has a list of `allowed` tools is offered those instead, and no others.
 * Throws 400 on `tools`, `tool_choice` or `n`, 403 for a tool that is not the key's.
 */
export function settleOffer(
  request: AnswerRequest,
  toolbox: Toolbox,
  defaults: readonly string[],
  allowed?: readonly string[],
): Offer {
  const clientTools: FunctionSpec[] = [];
  const asked: string[] = [];
  for (const entry of request.tools) {
    if ('function' in entry) clientTools.push(specOf(entry.function));
    else asked.push(entry.type.slice(PREFIX.length));
  }
  const clientNames = new Set(clientTools.map((tool) => tool.name));
  if (clientNames.size < clientTools.length)
    throw badRequest('Two functions in "tools" have the same name; names must be unique.', 'tools');

  const explicit = asked.map((name) => named(name, toolbox, allowed));
  for (const tool of explicit) {
    if (clientNames.has(tool.spec.name)) {
      throw badRequest(
        `"${PREFIX}${tool.spec.name}" and a function of the same name are both in "tools". ` +
          'Rename the function, or leave one of them out.',
        'tools',
      );
    }
  }
  const choice = request.toolChoice;
  const off = choice === 'none';
  if (request.n > 1 && explicit.length > 0 && !off)
    throw badRequest('"n" above 1 cannot be combined with server tools: every choice would run them again.', 'n');

  const offered = off
    ? []
    : explicit.length > 0
      ? explicit
      : request.n > 1
        ? []
        : defaultTools(toolbox, allowed ?? defaults, clientNames);
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

function named(name: string, toolbox: Toolbox, allowed: readonly string[] | undefined): Tool {
  const tool = toolbox.get(name);
  const known = [...toolbox.keys()].filter((each) => allowed?.includes(each) ?? true);
  if (tool !== undefined && allowed?.includes(name) === false) {
    throw new GyreError({
      side: 'client',
      status: 403,
      code: 'tool_not_allowed',
      param: 'tools',
      message:
        `This key may not use the server tool "${PREFIX}${name}". It may use: ` +
        `${known.map((each) => PREFIX + each).join(', ') || 'none'}.`,
    });
  }
  if (tool !== undefined) return tool;
  const hint =
    known.length === 0
      ? 'There are no server tools for this key.'
      : `Did you mean "${PREFIX}${nearest(name.slice(0, 100), known)}"? There are: ` +
        `${known.map((each) => PREFIX + each).join(', ')}.`;
  throw badRequest(`There is no server tool "${PREFIX}${name.slice(0, 100)}". ${hint}`, 'tools');
}

function choiceOf(
  choice: AnswerRequest['toolChoice'],
  clientNames: ReadonlySet<string>,
  serverTools: Toolbox,
): ToolChoice {
  if (choice === undefined) return 'auto';
  if (typeof choice === 'string') {
    if (choice === 'required' && clientNames.size + serverTools.size === 0)
      throw badRequest('"tool_choice" demands a call, but no tools are offered. Offer some in "tools".', 'tool_choice');
    return choice;
  }
  const name = 'function' in choice ? choice.function.name : choice.type.slice(PREFIX.length);
  const offered = serverTools.has(name) || ('function' in choice && clientNames.has(name));
  if (!offered)
    throw badRequest(
      `"tool_choice" names ${JSON.stringify(name)}, which is not among the tools of this request.`,
      'tool_choice',
    );
  return { name };
}

function specOf(spec: {
  name: string;
  description?: string | null | undefined;
  parameters?: Record<string, unknown> | null | undefined;
  strict?: boolean | null | undefined;
}): FunctionSpec {
  return {
    name: spec.name,
    ...(typeof spec.description === 'string' ? { description: spec.description } : {}),
    ...(spec.parameters ? { parameters: spec.parameters } : {}),
    ...(typeof spec.strict === 'boolean' ? { strict: spec.strict } : {}),
  };
}
