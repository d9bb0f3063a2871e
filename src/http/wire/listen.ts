/** The socket: opens a port for an app and closes it without cutting anyone off who can still be answered. */
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';

import { operatorError, reasonOf } from '../../core/errors.js';
import { requestIdOf } from './exchange.js';
import { failureOf, shuttingDown } from './failure.js';
import { isAnswering } from './in_turn.js';

/** Longer than the idle time of common clients and load balancers (60 s), so that they close first. */
const KEEP_ALIVE_MS = 75_000;
/** How often connections are looked through for those whose last answer is out. */
const LOOK_MS = 20;

export interface Listening {
  readonly url: string;
  readonly port: number;
  /** Stops accepting, lets open answers finish for `deadlineMs`, then ends what is left. */
  close(deadlineMs?: number): Promise<void>;
}

/** The connections that stop speaking HTTP. */
interface Upgrades {
  upgrade(incoming: IncomingMessage, socket: Duplex, head: Buffer): void;
  /** Sends away who waits for nothing, and the others when they have what they wait for. */
  close(): void;
  /** Cuts off who is left. */
  terminate(): void;
}

interface ListenOptions {
  readonly host: string;
  readonly port: number;
  readonly upgrades?: Upgrades | undefined;
}

/** Throws an operator error when the port cannot be had. */
export async function listen(listener: RequestListener, options: ListenOptions): Promise<Listening> {
  const server = createServer(listener);
  const { upgrades } = options;
  if (upgrades !== undefined) {
    server.on('upgrade', (incoming, socket, head) => {
      // Node has let go of the connection, and of what it was to hear for the answer under way: nothing can come after
      // that on it. Whoever offers an upgrade waits for his answers first.
      if (isAnswering(socket)) socket.destroy();
      else if (incoming.headers.upgrade?.toLowerCase() === 'websocket') upgrades.upgrade(incoming, socket, head);
      else stayHttp(server, incoming, socket, head);
    });
  }
  // Node's 5 s closes a pooled connection just as its client sends again; that client sees a failed request.
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => reject(refusal(cause, options)));
    server.listen(options.port, options.host, resolve);
  });
  const { port } = server.address() as AddressInfo;
  const host = options.host.includes(':') ? `[${options.host}]` : options.host;
  return { url: `http://${host}:${port}`, port, close: (deadlineMs = 10_000) => close(server, upgrades, deadlineMs) };
}

function close(server: Server, upgrades: Upgrades | undefined, deadlineMs: number): Promise<void> {
  return new Promise((resolve) => {
    // A connection that is kept alive is open to new requests, and would hold us until its client drops it.
    server.removeAllListeners('request').on('request', refuse);
    const deadline = setTimeout(() => {
      server.closeAllConnections();
      upgrades?.terminate();
    }, deadlineMs);
    upgrades?.close();
    const looking = setInterval(() => server.closeIdleConnections(), LOOK_MS);
    server.close(() => {
      clearTimeout(deadline);
      clearInterval(looking);
      resolve();
    });
    server.closeIdleConnections();
  });
}

/**
 * Who listens for upgrades is handed every request that offers one, and some clients offer HTTP/2 with each
 * (`Upgrade: h2c`). An offer may be ignored: the request goes back to where it came from, without it.
 */
function stayHttp(server: Server, incoming: IncomingMessage, socket: Duplex, head: Buffer): void {
  const lines = [`${incoming.method ?? 'GET'} ${incoming.url ?? '/'} HTTP/${incoming.httpVersion}`];
  for (let at = 0; at + 1 < incoming.rawHeaders.length; at += 2) {
    const [name = '', value = ''] = incoming.rawHeaders.slice(at, at + 2);
    if (!OFFER.test(name)) lines.push(`${name}: ${value}`);
  }
  socket.unshift(Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), head]));
  server.emit('connection', socket);
}

const OFFER = /^(connection|upgrade|http2-settings)$/i;

function refuse(incoming: IncomingMessage, outgoing: ServerResponse): void {
  const failure = failureOf(shuttingDown(), requestIdOf(incoming.headers['x-request-id']));
  outgoing.writeHead(failure.status, { ...failure.headers, connection: 'close' }).end(failure.body);
}

function refusal(
  cause: NodeJS.ErrnoException,
  { host, port }: { readonly host: string; readonly port: number },
): Error {
  if (cause.code === 'EADDRINUSE')
    return operatorError(`port ${port} on ${host} is taken; choose another with --port`, cause);
  if (cause.code === 'EACCES')
    return operatorError(`port ${port} may not be opened by this user; choose one above 1023 with --port`, cause);
  return operatorError(`cannot listen on ${host}:${port}: ${reasonOf(cause)}`, cause);
}
