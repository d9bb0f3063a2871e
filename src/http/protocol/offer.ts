/** Which tools a request offers to the policy and whose each name is, settled before anything is spent. */
import { badRequest, GyreError, quoted } from '../../core/errors.js';
import { nearest } from '../../core/text/nearest.js';
import type { FunctionSpec, ToolChoice } from '../../core/policy.js';
import type { Tool, Toolbox } from '../../core/tool.js';
import type { AnswerRequest, HostedTool, ToolName } from './request.js';

export interface Offer {
  readonly clientTools: readonly FunctionSpec[];
  readonly serverTools: Toolbox;
  readonly toolChoice: ToolChoice;
  /** A call is demanded of a client that knows of no tools but its own: it waits for one of those. */
  readonly ownCall?: boolean | undefined;
  /** Types of hosted tools that are not here, as the client wrote them. */
  readonly leftOut: readonly string[];
}

/** The name of what was left out among the logged fields of a request. */
export const LEFT_OUT = 'gyre_tools_left_out';

/** The header that says once which of a request's tools were left out; none where all are there. */
export function leftOutHeader({ leftOut }: Offer): Readonly<Record<string, string>> {
  return leftOut.length === 0 ? {} : { 'x-gyre-tools-left-out': leftOut.join(', ') };
}

const PREFIX = 'gyre:';
const NONE: Toolbox = new Map();
const NOTHING_OFFERED: Offer = { clientTools: [], serverTools: NONE, toolChoice: 'auto', ownCall: false, leftOut: [] };

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
  if (request.tools.length === 0 && request.toolChoice === undefined)
    return request.n > 1 ? NOTHING_OFFERED : defaultOffer(defaultTools(toolbox, allowed ?? defaults));
  const clientTools: FunctionSpec[] = [];
  const asked: string[] = [];
  const hosted: HostedTool[] = [];
  for (const entry of request.tools) {
    if ('function' in entry) clientTools.push(specOf(entry.function));
    else if ('hosted' in entry) hosted.push(entry);
    else asked.push(entry.type.slice(PREFIX.length));
  }
  const clientNames = new Set(clientTools.map((tool) => tool.name));
  if (clientNames.size < clientTools.length)
    throw badRequest(
      `Two functions in "tools" have the same name, ${quoted(repeated(clientTools))}; names must be unique, with ` +
        'their namespaces too.',
      'tools',
    );

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
  const leftOut = new Set<string>();
  for (const entry of hosted) {
    const own = ownTool(entry, toolbox, allowed, clientNames);
    if (own === undefined) leftOut.add(entry.hosted);
    else explicit.push(own);
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
  const all = { clientTools, serverTools, leftOut: [...leftOut] };
  const demands = choice === 'required' || (typeof choice === 'object' && 'mode' in choice && choice.mode !== 'auto');
  if (demands && leftOut.size > 0 && clientTools.length + explicit.length === 0)
    throw badRequest(
      `"tool_choice" demands a call, but what "tools" offers is not here: ${all.leftOut.join(', ')}.`,
      'tool_choice',
    );
  if (typeof choice === 'object' && 'allowed' in choice) return narrowed(all, choice.allowed, choice.mode);
  const ownCall = choice === 'required' && clientTools.length > 0 && explicit.length === 0;
  return { ...all, toolChoice: choiceOf(choice, clientNames, serverTools), ownCall };
}

function repeated(tools: readonly FunctionSpec[]): string | undefined {
  return tools.find(({ name }, at) => tools.findIndex((other) => other.name === name) < at)?.name;
}

/** Only what may be called is declared: no engine knows a list of what it may call among its tools. */
function narrowed(
  { clientTools, serverTools, leftOut }: Omit<Offer, 'toolChoice'>,
  names: readonly ToolName[],
  mode: 'auto' | 'required',
): Offer {
  const clientNames = new Set(clientTools.map((tool) => tool.name));
  const kept = new Set(
    names.flatMap((tool) => {
      const name = nameOf(tool);
      if (serverTools.has(name) || ('function' in tool && clientNames.has(name))) return [name];
      if ('hosted' in tool && leftOut.includes(tool.hosted)) return [];
      throw notOffered(name);
    }),
  );
  if (mode === 'required' && kept.size === 0)
    throw badRequest('"tool_choice" demands a call, but none of the tools it allows is here.', 'tool_choice');
  return {
    clientTools: clientTools.filter((tool) => kept.has(tool.name)),
    serverTools: new Map([...serverTools].filter(([name]) => kept.has(name))),
    toolChoice: mode,
    leftOut,
  };
}

/** The server tool that does what a hosted one does; a client's function of the same name goes before it. */
function ownTool(
  { as: name }: HostedTool,
  toolbox: Toolbox,
  allowed: readonly string[] | undefined,
  clientNames: ReadonlySet<string>,
): Tool | undefined {
  if (name === undefined || clientNames.has(name) || allowed?.includes(name) === false) return undefined;
  return toolbox.get(name);
}

/** A client's function of the same name replaces a default tool. */
function defaultTools(toolbox: Toolbox, defaults: readonly string[], clientNames?: ReadonlySet<string>): Tool[] {
  const found: Tool[] = [];
  for (const name of defaults) {
    const tool = clientNames?.has(name) === true ? undefined : toolbox.get(name);
    if (tool !== undefined) found.push(tool);
  }
  return found;
}

/** Most requests ask for no tools and are offered the same ones as the request before. */
let last: { readonly tools: readonly Tool[]; readonly offer: Offer } = { tools: [], offer: NOTHING_OFFERED };

function defaultOffer(tools: readonly Tool[]): Offer {
  if (tools.length === 0) return NOTHING_OFFERED;
  if (tools.length !== last.tools.length || tools.some((tool, at) => tool !== last.tools[at])) {
    const serverTools = new Map(tools.map((tool) => [tool.spec.name, tool]));
    last = { tools, offer: { ...NOTHING_OFFERED, serverTools } };
  }
  return last.offer;
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
  choice: Exclude<AnswerRequest['toolChoice'], { readonly allowed: unknown }>,
  clientNames: ReadonlySet<string>,
  serverTools: Toolbox,
): ToolChoice {
  if (choice === undefined) return 'auto';
  if (typeof choice === 'string') {
    if (choice === 'required' && clientNames.size + serverTools.size === 0)
      throw badRequest('"tool_choice" demands a call, but no tools are offered. Offer some in "tools".', 'tool_choice');
    return choice;
  }
  const name = nameOf(choice);
  const offered = serverTools.has(name) || ('function' in choice && clientNames.has(name));
  if (offered) return { name };
  if ('hosted' in choice)
    throw badRequest(
      `"tool_choice" demands ${JSON.stringify(choice.hosted)}, which is not here. ` +
        'Leave it to "auto", or offer a function.',
      'tool_choice',
    );
  throw notOffered(name);
}

function nameOf(tool: ToolName): string {
  if ('function' in tool) return tool.function.name;
  return 'hosted' in tool ? (tool.as ?? tool.hosted) : tool.type.slice(PREFIX.length);
}

function notOffered(name: string): GyreError {
  return badRequest(
    `"tool_choice" names ${JSON.stringify(name)}, which is not among the tools of this request.`,
    'tool_choice',
  );
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
