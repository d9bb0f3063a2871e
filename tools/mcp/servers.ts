/**
 * The MCP servers that the configuration names. Their tools are in the toolbox while their server is up.
 */
import type { McpServer } from '../../src/core/config.js';
import { operatorError } from '../../src/core/errors.js';
import type { ProxyFor } from '../../src/core/proxy.js';
import type { Tool, ToolLimits } from '../../src/core/tool.js';
import { prefixOf } from './names.js';
import { PACE, ToolServer, type Pace, type ServerPart } from './server.js';

export interface ToolServersOptions {
  readonly servers: readonly McpServer[];
  readonly dataDir: string;
  /** For servers whose configuration has none of its own. */
  readonly limits: ToolLimits;
  /** For servers over HTTP: the proxy to reach one by, where one is to be used. */
  readonly proxyFor?: ProxyFor | undefined;
  readonly toolbox: Map<string, Tool>;
  /** The gateway's own version. */
  readonly version: string;
  readonly warn: (text: string) => void;
  readonly pace?: Partial<Pace> | undefined;
}

export interface ToolServers {
  /** Brings all of them up, and keeps them up. */
  start(): void;
  /** Brings up those whose tools are among `names`, and waits until they are up or have failed to be. */
  prepare(names: readonly string[]): Promise<void>;
  parts(): readonly ServerPart[];
  /** Ends every session and every child process. */
  close(): Promise<void>;
}

/** Throws an operator error on servers that cannot be told apart, or whose address holds credentials. */
export function openToolServers({
  servers,
  dataDir,
  limits,
  proxyFor,
  toolbox,
  version,
  warn,
  pace,
}: ToolServersOptions): ToolServers {
  refuse(servers);
  const prefixes = servers.map(({ name }) => prefixOf(name));
  const made = servers.map(
    (server) =>
      new ToolServer({
        server,
        version,
        proxyFor,
        prefixes,
        dataDir,
        toolbox,
        warn,
        limits: {
          timeoutMs: server.timeout_seconds === undefined ? limits.timeoutMs : server.timeout_seconds * 1000,
          maxBytes: server.output_bytes ?? limits.maxBytes,
        },
        pace: { ...PACE, ...pace },
      }),
  );
  return {
    start() {
      for (const server of made) server.start();
    },
    async prepare(names) {
      const missing = names.filter((name) => !toolbox.has(name));
      if (missing.length === 0) return;
      await Promise.all(
        made
          .filter((server) => missing.some((name) => name.startsWith(prefixOf(server.name))))
          .map((server) => server.ready()),
      );
    },
    parts: () => made.map((server) => server.part()),
    async close() {
      await Promise.all(made.map((server) => server.close()));
    },
  };
}

function refuse(servers: readonly McpServer[]): void {
  for (const [at, { name, url }] of servers.entries()) {
    if (servers.findIndex((other) => other.name === name) !== at)
      throw operatorError(`the configuration names two servers of tools "${name}"; give each a name of its own`);
    const { username, password } = new URL(url ?? 'http://none');
    if (username !== '' || password !== '')
      throw operatorError(
        `the address of the tool server "${name}" holds a user name or a password; put them ` +
          'into its "headers", as "authorization"',
      );
  }
}
