/**
 * The tools of a request as the policy knows them, and back. A tool within a namespace is called `namespace__name`; a
 * custom tool is a function of one text; a hosted one is ours or none. How a call is shown follows from the request
 * alone.
 */
import { FREEFORM, freeformDescription } from '../protocol/freeform.js';
import { chosenTool, hostedTool } from '../protocol/hosted.js';
import type { AnswerRequest, ToolName } from '../protocol/request.js';
import type { ResponseFields } from './fields.js';
import type { ChosenTool, NamedTool, ToolChoiceField, ToolField } from './tool_fields.js';

type RequestTool = AnswerRequest['tools'][number];

/** A tool of the client's as the client knows it. */
interface ClientTool {
  readonly kind: NamedTool['type'];
  readonly name: string;
  readonly namespace?: string | undefined;
}

export interface Toolset {
  /** What is offered, in the words all protocols share. */
  readonly offered: readonly RequestTool[];
  /** The client's tools by the names the policy calls them by. */
  readonly client: ReadonlyMap<string, ClientTool>;
  /** Names of server tools that the request asked for: their calls are shown. */
  readonly server: ReadonlySet<string>;
}

/** The label our own tools have as a server of the protocol's. */
export const SERVER_LABEL = 'gyre';
const PREFIX = 'gyre:';

/** The name the policy knows a tool by. */
export function policyName(name: string, namespace: string | null | undefined): string {
  return typeof namespace === 'string' && namespace !== '' ? `${namespace}__${name}` : name;
}

/** Tools are also added by items of the input: what is there already is not added again. */
export function toolsetOf({ tools = [], input }: ResponseFields): Toolset {
  const offered: RequestTool[] = [];
  const client = new Map<string, ClientTool>();
  const server = new Set<string>();
  const add = (tool: NamedTool, namespace?: { readonly name: string; readonly says: string | undefined }): void => {
    const name = policyName(tool.name, namespace?.name);
    client.set(name, { kind: tool.type, name: tool.name, namespace: namespace?.name });
    offered.push({ type: 'function', function: functionOf(tool, name, namespace?.says) });
  };
  const addAny = (tool: ToolField): void => {
    if (isNamed(tool)) return add(tool);
    if (isNamespace(tool))
      return tool.tools.forEach((inner) =>
        isNamed(inner) ? add(inner, { name: tool.name, says: tool.description ?? undefined }) : addAny(inner),
      );
    const own = tool.type.startsWith(PREFIX) ? [tool.type] : ownTools(tool);
    if (own !== undefined) {
      for (const type of own) server.add(type.slice(PREFIX.length));
      for (const type of own) offered.push({ type });
      return;
    }
    const hosted = hostedTool(tool.type);
    if (hosted.as !== undefined) server.add(hosted.as);
    offered.push(hosted);
  };
  tools.forEach(addAny);
  for (const tool of addedBy(input)) if (!namesOf(tool).some((name) => client.has(name))) addAny(tool);
  return { offered, client, server };
}

export function choiceOf(choice: ToolChoiceField | undefined, { client }: Toolset): AnswerRequest['toolChoice'] {
  if (choice === undefined || typeof choice === 'string') return choice;
  if (!isAllowed(choice)) return nameOf(choice, client);
  return {
    mode: choice.mode,
    allowed: choice.tools.flatMap((tool): readonly ToolName[] =>
      tool.type === 'namespace'
        ? [...client].flatMap(([name, { namespace }]) => (namespace === tool.name ? [chosen(name)] : []))
        : [nameOf(tool, client)],
    ),
  };
}

function nameOf(tool: ChosenTool, client: Toolset['client']): ToolName {
  if (tool.type === 'function' || tool.type === 'custom') {
    const { name, namespace } = tool as { readonly name: string; readonly namespace?: string | null };
    return chosen(knownAs(policyName(name, namespace), client));
  }
  if (isOurServer(tool) && typeof tool['name'] === 'string') return chosenTool(PREFIX + tool['name']);
  return chosenTool(tool.type);
}

/** Within a namespace a tool may be named without it where no other has its name. */
function knownAs(name: string, client: Toolset['client']): string {
  if (client.has(name)) return name;
  const within = [...client].filter(([, tool]) => tool.name === name);
  return within.length === 1 ? (within[0]?.[0] ?? name) : name;
}

function chosen(name: string): ToolName {
  return chosenTool('function', name);
}

function functionOf(
  tool: NamedTool,
  name: string,
  before: string | undefined,
): Extract<RequestTool, { readonly function: unknown }>['function'] {
  const grammar = tool.type === 'custom' && tool.format?.type === 'grammar' ? tool.format : undefined;
  return {
    name,
    description: freeformDescription([before, tool.description], grammar),
    ...(tool.type === 'custom'
      ? { parameters: FREEFORM }
      : { parameters: tool.parameters, strict: tool.strict ?? undefined }),
  };
}

/** Server tools asked for as SDKs know them: those of an MCP server named gyre. */
function ownTools(tool: ToolField): readonly string[] | undefined {
  if (!isOurServer(tool)) return undefined;
  const allowed: unknown = tool['allowed_tools'];
  const names: unknown =
    typeof allowed === 'object' && allowed !== null && 'tool_names' in allowed ? allowed.tool_names : allowed;
  return Array.isArray(names) ? names.map((name) => PREFIX + String(name)) : [];
}

function isOurServer(tool: { readonly type: string; readonly [field: string]: unknown }): boolean {
  return tool.type === 'mcp' && tool['server_label'] === SERVER_LABEL;
}

function addedBy(input: ResponseFields['input']): readonly ToolField[] {
  if (input === undefined || typeof input === 'string') return [];
  return input.flatMap((item) =>
    item.type === 'additional_tools' ? (item as unknown as { readonly tools: readonly ToolField[] }).tools : [],
  );
}

function namesOf(tool: ToolField): readonly string[] {
  if (isNamed(tool)) return [tool.name];
  return isNamespace(tool) ? tool.tools.filter(isNamed).map(({ name }) => policyName(name, tool.name)) : [];
}

function isNamed(tool: ToolField): tool is NamedTool {
  return tool.type === 'function' || tool.type === 'custom';
}

type Namespace = Extract<ToolField, { readonly type: 'namespace' }>;

function isNamespace(tool: ToolField): tool is Namespace {
  return tool.type === 'namespace';
}

function isAllowed(choice: object): choice is Extract<ToolChoiceField, { readonly type: 'allowed_tools' }> {
  return 'type' in choice && choice.type === 'allowed_tools';
}
