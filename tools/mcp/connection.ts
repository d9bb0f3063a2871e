/**
 * One session with one tool server, over streamable HTTP or with a child process, by the official SDK. It lists and
 * calls; when to open one again is its owner's matter. The SDK is heavy, so this file is loaded when a server is first
 * reached.
 */
import type { Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';

import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport, type StdioServerParameters } from '@modelcontextprotocol/sdk/client/stdio.js';
import { StreamableHTTPClientTransport, StreamableHTTPError } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { ReadBuffer } from '@modelcontextprotocol/sdk/shared/stdio.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import {
  CallToolResultSchema,
  ErrorCode,
  type JSONRPCMessage,
  McpError,
  ListToolsResultSchema,
  ToolListChangedNotificationSchema,
} from '@modelcontextprotocol/sdk/types.js';
import { Agent } from 'undici';

import type { McpServer } from '../../src/core/config.js';
import { reasonOf } from '../../src/core/errors.js';
import type { ProxyFor } from '../../src/core/proxy.js';
import { marked, markedJson, unmarked, unmarkedValue } from '../../src/core/text/json.js';
import { throughProxy } from '../../src/network/proxied.js';
import { NotDelivered } from './faults.js';
import { observationOf } from './observation.js';
import type { Definition } from './pins.js';
import { HttpWire } from './wire.js';

export interface ConnectionOptions {
  readonly server: McpServer;
  /** The gateway's own version, for the server's information. */
  readonly version: string;
  /** Milliseconds the server may take to come up, and to list its tools. */
  readonly openMs: number;
  /** Milliseconds after which a call is given up, should its caller not have done so. */
  readonly callMs: number;
  readonly signal: AbortSignal;
  /** The proxy for an address of http or https, where one is to be used. */
  readonly proxyFor?: ProxyFor | undefined;
  /** The server says that its list is another. */
  readonly listChanged: () => void;
  /** The transport reported an error outside of any call: the server may be gone. */
  readonly transportError: () => void;
  /** The session is over, and nobody here ended it. */
  readonly closed: () => void;
  /** A line of a child's standard error. */
  readonly line: (text: string) => void;
}

interface Result {
  readonly text: string;
  readonly isError: boolean;
}

export interface Connection {
  list(): Promise<readonly Definition[]>;
  /** Throws {@link NotDelivered} when the server never saw the call, so that it may be sent again. */
  call(tool: string, args: Record<string, unknown>, signal: AbortSignal): Promise<Result>;
  close(): Promise<void>;
}

/** Bytes one message of a server may have: pictures are read and left out. */
const MAX_MESSAGE = 8 * 1024 * 1024;
const CONNECT_MS = 10_000;
const MAX_PAGES = 32;
const MAX_TOOLS = 512;
const LINE_BYTES = 300;
const DRAIN_MS = 1_000;
const GOODBYE_MS = 500;
const CLOSED: number = ErrorCode.ConnectionClosed;

export async function openConnection(options: ConnectionOptions): Promise<Connection> {
  const { server, openMs, signal } = options;
  const client = new Client({ name: 'gyre', version: options.version }, { capabilities: {} });
  const { transport, end } =
    server.url === undefined
      ? byChild(server, options.line)
      : byHttp(new URL(server.url), server.headers, options.proxyFor);
  let closing = false;
  const active = new Set<Promise<unknown>>();
  client.setNotificationHandler(ToolListChangedNotificationSchema, options.listChanged);
  try {
    await client.connect(transport, { timeout: openMs, signal });
  } catch (thrown) {
    await client.close();
    await end();
    throw new Error(causeOf(thrown), { cause: thrown });
  }
  client.onclose = () => closing || options.closed();
  client.onerror = (fault) => closing || fault.name === 'AbortError' || options.transportError();

  return {
    async list() {
      const found: Definition[] = [];
      let cursor: string | undefined;
      for (let page = 0; page === 0 || cursor !== undefined; page += 1) {
        // Not by the client's own listTools, which compiles the schemas that the server names.
        const { tools, nextCursor } = await client.request(
          { method: 'tools/list', params: cursor === undefined ? {} : { cursor } },
          ListToolsResultSchema,
          { timeout: openMs, signal },
        );
        for (const { name, description, inputSchema } of tools)
          found.push({
            name,
            ...(description === undefined ? {} : { description }),
            inputSchema: unmarkedValue(inputSchema) as Definition['inputSchema'],
          });
        if (found.length > MAX_TOOLS || page >= MAX_PAGES)
          throw new Error(`the server lists more than the ${MAX_TOOLS} tools that are taken of one`);
        cursor = nextCursor;
      }
      return found;
    },
    async call(tool, args, aborted) {
      try {
        const calling = client.request(
          { method: 'tools/call', params: { name: tool, arguments: marked(args) as Record<string, unknown> } },
          CallToolResultSchema,
          { timeout: options.callMs, signal: aborted },
        );
        active.add(calling);
        const result = await calling.finally(() => active.delete(calling));
        return { text: observationOf(unmarkedValue(result) as typeof result), isError: result.isError === true };
      } catch (thrown) {
        const reason = causeOf(thrown);
        if (neverArrived(thrown)) throw new NotDelivered(reason, { cause: thrown });
        throw new Error(wasAnswered(thrown) ? reason : `${reason}; whether the call took effect is not known`, {
          cause: thrown,
        });
      }
    },
    async close() {
      closing = true;
      // Calls beside the one that found the session gone get their own error from the server first.
      if (active.size > 0) await Promise.race([Promise.allSettled(active), sleep(DRAIN_MS)]);
      if (transport instanceof StreamableHTTPClientTransport) {
        // The MCP specification asks clients to end their session (DELETE); a server that is gone is not waited for.
        await Promise.race([transport.terminateSession().catch(() => undefined), sleep(GOODBYE_MS)]);
      }
      await client.close().catch(() => undefined);
      await end();
    },
  };
}

interface Link {
  readonly transport: Transport;
  readonly end: () => Promise<void>;
}

/** By streamable HTTP. The transport follows a redirect within the server's origin only. */
function byHttp(url: URL, headers: Readonly<Record<string, string>> | undefined, proxyFor: ProxyFor | undefined): Link {
  // A stream of notifications may be silent for hours; calls have bounds of their own.
  const unbounded = { headersTimeout: 0, bodyTimeout: 0 };
  const proxy = proxyFor?.(url);
  const agent =
    proxy === undefined
      ? new Agent({ ...unbounded, connect: { timeout: CONNECT_MS } })
      : throughProxy(proxy, { ...unbounded, connectTimeout: CONNECT_MS });
  const wire = new HttpWire({
    dispatcher: agent,
    maxBytes: MAX_MESSAGE,
    lost: (answer) => transport.onmessage?.(answer),
  });
  const transport = new StreamableHTTPClientTransport(url, {
    fetch: wire.fetch,
    ...(headers === undefined ? {} : { requestInit: { headers } }),
  });
  transport.onmessage = (message) => wire.received(message);
  return { transport, end: () => agent.destroy() };
}

/** By a child process. It gets what the configuration names, and of our environment only what every program needs. */
function byChild({ command = '', args, env }: McpServer, line: (text: string) => void): Link {
  const transport = new ChildTransport({
    command,
    ...(args === undefined ? {} : { args }),
    ...(env === undefined ? {} : { env }),
    stderr: 'pipe',
    maxBufferSize: MAX_MESSAGE,
  });
  transport.stderr?.on('data', (chunk: Buffer) => {
    const last = chunk
      .toString()
      .split('\n')
      .findLast((text) => text.trim() !== '');
    if (last !== undefined) line(last.trim().slice(0, LINE_BYTES));
  });
  return { transport, end: () => Promise.resolve() };
}

/** The SDK writes a message by JSON.stringify and reads one by JSON.parse, which know no long integers. */
class ChildTransport extends StdioClientTransport {
  constructor(server: StdioServerParameters) {
    super(server);
    Object.assign(this, { _readBuffer: new ExactBuffer({ maxBufferSize: MAX_MESSAGE }) });
  }

  override send(message: JSONRPCMessage): Promise<void> {
    const text = JSON.stringify(message);
    const exact = unmarked(text);
    const { _process: child } = this as unknown as {
      readonly _process?: { readonly stdin?: Writable | null } | undefined;
    };
    if (exact === text || child?.stdin === undefined || child.stdin === null)
      return super.send(JSON.parse(exact) as JSONRPCMessage);
    const { stdin } = child;
    return new Promise((resolve) => {
      if (stdin.write(`${exact}\n`)) resolve();
      else stdin.once('drain', resolve);
    });
  }
}

/** What a child has written and nobody has read: its lines are messages. */
class ExactBuffer extends ReadBuffer {
  override readMessage(): JSONRPCMessage | null {
    const held = this as unknown as { _buffer?: Buffer | undefined };
    const end = held._buffer?.indexOf('\n') ?? -1;
    if (held._buffer !== undefined && end >= 0) {
      const line = held._buffer.toString('utf8', 0, end);
      const marked = markedJson(line);
      if (marked !== line) held._buffer = Buffer.concat([Buffer.from(marked), held._buffer.subarray(end)]);
    }
    return super.readMessage();
  }
}

/** MCP answers an unknown session with 404, some servers with 400; both before anything is run. */
function neverArrived(thrown: unknown): boolean {
  if (thrown instanceof StreamableHTTPError)
    return thrown.code === 404 || (thrown.code === 400 && /session|initiali[sz]/i.test(thrown.message));
  const code = (fetchCause(thrown) as NodeJS.ErrnoException | undefined)?.code ?? '';
  return (
    ['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH', 'UND_ERR_CONNECT_TIMEOUT'].includes(
      code,
    ) || reasonOf(thrown) === 'Not connected'
  );
}

/** The server answered with an error; otherwise the connection broke while the call ran. */
function wasAnswered(thrown: unknown): boolean {
  return thrown instanceof StreamableHTTPError || (thrown instanceof McpError && thrown.code !== CLOSED);
}

/**
 * The reason of an error; of fetch's "fetch failed", its cause. The policy reads it, and tells whoever asks: so of a
 * fault of the system its code alone, without the address.
 */
function causeOf(thrown: unknown): string {
  const cause = reasonOf(thrown) === 'fetch failed' ? fetchCause(thrown) : undefined;
  const { code, message } = (cause ?? {}) as Partial<NodeJS.ErrnoException>;
  return (typeof code === 'string' ? code : message) ?? reasonOf(thrown);
}

/** The cause of a failed fetch; where several addresses were tried, that of the first. */
function fetchCause(thrown: unknown): Error | undefined {
  const cause = thrown instanceof Error ? thrown.cause : undefined;
  const first: unknown = cause instanceof AggregateError ? cause.errors[0] : cause;
  return first instanceof Error ? first : undefined;
}
