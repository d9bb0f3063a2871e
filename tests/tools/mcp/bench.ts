/** Tool servers under test: real ones, in a temporary folder, looked after at a pace a test can wait for. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach } from 'vitest';

import { parseConfig } from '../../../src/core/config.js';
import type { Observation, Tool } from '../../../src/core/tool.js';
import { execute } from '../../../src/loop/execute.js';
import type { Pace } from '../../../tools/mcp/server.js';
import { openToolServers, type ToolServers } from '../../../tools/mcp/servers.js';
import { startMcp, type McpFake } from '../../fakes/mcp.js';

export interface McpBench {
  readonly toolbox: Map<string, Tool>;
  readonly servers: ToolServers;
  readonly warnings: string[];
  readonly folder: string;
  /** A call as the loop makes it. */
  call(name: string, args?: unknown, signal?: AbortSignal): Promise<Observation>;
}

const QUICK: Pace = { firstMs: 20, longestMs: 100, refreshMs: 60_000, listMs: 20, acceptedMs: 20 };
const BOUNDS = { timeoutMs: 5_000, maxBytes: 16_384 };

const closers: (() => Promise<void> | void)[] = [];
const later = (close: () => Promise<void> | void): void => void closers.push(close);
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'gyre-mcp-'));
  later(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Opens servers as the configuration names them, through the configuration's own parser. */
export function open(
  servers: readonly Record<string, unknown>[],
  options: { readonly folder?: string; readonly pace?: Partial<Pace>; readonly start?: boolean } = {},
): McpBench {
  const folder = options.folder ?? temporaryFolder();
  const toolbox = new Map<string, Tool>();
  const warnings: string[] = [];
  const opened = openToolServers({
    servers: parseConfig({ mcp: servers }).mcp,
    dataDir: folder,
    limits: BOUNDS,
    toolbox,
    version: '1.2.3',
    warn: (text) => warnings.push(text),
    pace: { ...QUICK, ...options.pace },
  });
  later(() => opened.close());
  if (options.start !== false) opened.start();
  return {
    toolbox,
    servers: opened,
    warnings,
    folder,
    call: (name, args = {}, signal = new AbortController().signal) =>
      execute({ id: 'call', name, arguments: JSON.stringify(args) }, toolbox, BOUNDS, signal),
  };
}

/** A server over HTTP, for as long as the test. */
export async function fake(...args: Parameters<typeof startMcp>): Promise<McpFake> {
  const made = await startMcp(...args);
  later(() => made.close());
  return made;
}

/** Open, and up. */
export async function up(
  servers: readonly Record<string, unknown>[],
  options: Parameters<typeof open>[1] = {},
): Promise<McpBench> {
  const made = open(servers, options);
  await until(() => made.servers.parts().every(({ ready }) => ready), 'every server');
  return made;
}

/** Waits until `holds`. Throws after ten seconds: a child process may take one to start. */
export async function until(holds: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`never came: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
