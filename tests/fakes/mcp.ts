/**
 * A real MCP server over streamable HTTP on a free port, made with the official SDK. What it offers and how it fails is
 * set from outside.
 */
import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type Server as HttpServer, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

import { Server } from '@modelcontextprotocol/sdk/server/index.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import { CallToolRequestSchema, ListToolsRequestSchema, type CallToolResult } from '@modelcontextprotocol/sdk/types.js';

export interface FakeTool {
  readonly name: string;
  readonly description?: string;
  readonly inputSchema?: {
    readonly type: 'object';
    readonly properties?: Record<string, object>;
    readonly required?: string[];
  };
  readonly run: (args: Record<string, unknown>, signal: AbortSignal) => CallToolResult | Promise<CallToolResult>;
}

export interface McpFake {
  readonly url: string;
  /** May be replaced at any time; `announce` tells of it. */
  tools: readonly FakeTool[];
  /** What was asked, in order: JSON-RPC methods, and the headers they came with. */
  readonly asked: { readonly method: string; readonly headers: IncomingMessage['headers'] }[];
  /** Calls that the client cancelled. */
  cancelled: number;
  /** Answers instead of the server, when it returns true. */
  instead: ((incoming: IncomingMessage, outgoing: ServerResponse, method: string) => boolean) | undefined;
  /** Sessions opened so far. */
  readonly opened: number;
  announce(): Promise<void>;
  /** Forgets every session, as a restart does. */
  forget(): Promise<void>;
  /** Stops listening and breaks every connection. */
  down(): Promise<void>;
  /** Listens again, at the same address. */
  up(): Promise<void>;
  close(): Promise<void>;
}

export const says = (text: string): CallToolResult => ({ content: [{ type: 'text', text }] });

export const echo: FakeTool = {
  name: 'echo',
  description: 'Says it back.',
  inputSchema: { type: 'object', properties: { text: { type: 'string' } }, required: ['text'] },
  run: ({ text }) => says(`echo: ${String(text)}`),
};

interface Session {
  readonly server: Server;
  readonly transport: StreamableHTTPServerTransport;
}

export async function startMcp(
  tools: readonly FakeTool[] = [echo],
  options: { readonly json?: boolean; readonly listening?: boolean } = {},
): Promise<McpFake> {
  const sessions = new Map<string, Session>();
  const sockets = new Set<Socket>();
  let opened = 0;
  let http: HttpServer;

  const begin = async (): Promise<Session> => {
    opened += 1;
    const server = new Server({ name: 'fake', version: '1' }, { capabilities: { tools: { listChanged: true } } });
    server.setRequestHandler(ListToolsRequestSchema, () => ({
      tools: fake.tools.map(({ name, description, inputSchema }) => ({
        name,
        description,
        inputSchema: inputSchema ?? { type: 'object' as const },
      })),
    }));
    server.setRequestHandler(CallToolRequestSchema, async ({ params }, { signal }) => {
      const tool = fake.tools.find(({ name }) => name === params.name);
      if (tool === undefined) throw new Error(`no tool ${params.name}`);
      signal.addEventListener('abort', () => (fake.cancelled += 1));
      return tool.run(params.arguments ?? {}, signal);
    });
    const session: Session = {
      server,
      transport: new StreamableHTTPServerTransport({
        sessionIdGenerator: randomUUID,
        enableJsonResponse: options.json === true,
        onsessioninitialized: (id) => void sessions.set(id, session),
      }),
    };
    await server.connect(session.transport);
    return session;
  };

  const serve = async (incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> => {
    let text = '';
    for await (const chunk of incoming) text += String(chunk);
    const body = text === '' ? undefined : (JSON.parse(text) as { method?: string });
    const method = body?.method ?? incoming.method ?? '';
    fake.asked.push({ method, headers: incoming.headers });
    if (fake.instead?.(incoming, outgoing, method) === true) return;
    const id = incoming.headers['mcp-session-id'];
    const session = id === undefined ? await begin() : sessions.get(String(id));
    if (session === undefined)
      return void outgoing
        .writeHead(404, { 'content-type': 'application/json' })
        .end('{"jsonrpc":"2.0","error":{"code":-32001,"message":"Session not found"},"id":null}');
    await session.transport.handleRequest(incoming, outgoing, body);
  };

  const listen = async (port: number): Promise<number> => {
    http = createServer((incoming, outgoing) => void serve(incoming, outgoing));
    http.on('connection', (socket) => {
      sockets.add(socket);
      socket.on('close', () => sockets.delete(socket));
    });
    await new Promise<void>((resolve) => http.listen(port, '127.0.0.1', resolve));
    return (http.address() as AddressInfo).port;
  };
  const port = await listen(0);

  const fake = {
    url: `http://127.0.0.1:${port}/mcp`,
    tools,
    asked: [] as { method: string; headers: IncomingMessage['headers'] }[],
    cancelled: 0,
    instead: undefined as McpFake['instead'],
    get opened() {
      return opened;
    },
    async announce() {
      for (const { server } of sessions.values()) await server.sendToolListChanged();
    },
    async forget() {
      const old = [...sessions.values()];
      sessions.clear();
      for (const { server } of old) await server.close();
    },
    async down() {
      await fake.forget();
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => http.close(resolve));
    },
    async up() {
      await listen(port);
    },
    async close() {
      if (http.listening) await fake.down();
    },
  };
  if (options.listening === false) await fake.down();
  return fake;
}
