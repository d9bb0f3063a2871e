/**
 * The tools a policy may be offered: the only list of them. A new tool is a file of its own and a line here, which
 * `node scripts/new-tool.mjs NAME` writes; servers of tools are named by the configuration.
 */
import type { McpServer, Web } from '../src/core/config.js';
import { operatorError } from '../src/core/errors.js';
import { nearest } from '../src/core/text/nearest.js';
import type { ProxyFor } from '../src/core/proxy.js';
import type { Tool, Toolbox, ToolLimits } from '../src/core/tool.js';
import { createCalculator } from './calculator.js';
import { createFetchPage } from './fetch_page.js';
import { prefixOf } from './mcp/names.js';
import { openToolServers, type ToolServers } from './mcp/servers.js';
import { createSearchCollections, createSearchDocuments } from './search_documents.js';
import { createSearchWeb } from './search_web.js';

export interface ToolOptions {
  /** The folder the operator's data lies in. */
  readonly dataDir: string;
  readonly web: Web;
  readonly limits: ToolLimits;
  /** The proxy for an address, where one is to be used: of tools that reach out, and of servers of tools. */
  readonly proxyFor?: ProxyFor | undefined;
}

/** Makes a tool; undefined where the configuration does not turn it on. */
type Create = (options: ToolOptions) => Tool | undefined;

const TOOLS: readonly Create[] = [createCalculator, createSearchDocuments, createSearchWeb, createFetchPage];

/** Options of tools that come from MCP servers. */
export interface OutsideOptions {
  readonly servers: readonly McpServer[];
  /** `tools.default`: each must be one of our tools, or begin with the prefix of a server that may bring it. */
  readonly defaults: readonly string[];
  /** The gateway's own version. */
  readonly version: string;
  /** One line for the operator. */
  readonly warn: (text: string) => void;
}

export interface Tools {
  /** Every tool under its function name. Those of servers come and go. */
  readonly toolbox: Toolbox;
  readonly servers: ToolServers;
  /** Starts the servers, and what takes a moment to start. */
  warm(): void;
  close(): Promise<void>;
}

/** Whoever creates them closes them. Servers of tools stay down until they are started. */
export function createTools(options: ToolOptions, { servers, defaults, version, warn }: OutsideOptions): Tools {
  const toolbox = new Map<string, Tool>();
  const { dataDir, limits, proxyFor } = options;
  const opened = openToolServers({ servers, dataDir, limits, proxyFor, toolbox, version, warn });
  for (const create of TOOLS) {
    const tool = create(options);
    if (tool !== undefined) toolbox.set(tool.spec.name, tool);
  }
  for (const tool of createSearchCollections(options)) toolbox.set(tool.spec.name, tool);
  const own = [...toolbox.values()];
  for (const name of defaults) {
    if (toolbox.has(name) || servers.some((server) => name.startsWith(prefixOf(server.name)))) continue;
    for (const tool of own) void tool.close?.();
    throw operatorError(
      `"tools.default" names ${JSON.stringify(name)}, which is no tool of this configuration. Did you mean ` +
        `"${nearest(name, [...toolbox.keys()])}"? There are ` +
        `${[...toolbox.keys(), ...servers.map((server) => `${prefixOf(server.name)}...`)].join(', ')}.`,
    );
  }
  return {
    toolbox,
    servers: opened,
    warm() {
      opened.start();
      for (const tool of own) tool.warm?.();
    },
    async close() {
      await opened.close();
      for (const tool of own) await tool.close?.();
    },
  };
}
