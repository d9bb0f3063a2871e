/** The socket: opens a port for an app and closes it without cutting anyone off who can still be answered. */
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

import { GyreError, operatorError, reasonOf } from '../../core/errors.js';
import { requestIdOf } from './exchange.js';
import { failureOf } from './failure.js';

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

/** Throws an operator error when the port cannot be had. */
export async function listen(
  listener: RequestListener,
  options: { readonly host: string; readonly port: number },
): Promise<Listening> {
  const server = createServer(listener);
  // Node's 5 s closes a pooled connection just as its client sends again; that client sees a failed request.
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => reject(refusal(cause, options)));
    server.listen(options.port, options.host, resolve);
  });
  const { port } = server.address() as AddressInfo;
  const host = options.host.includes(':') ? `[${options.host}]` : options.host;
  return { url: `http://${host}:${port}`, port, close: (deadlineMs = 10_000) => close(server, deadlineMs) };
}

function close(server: Server, deadlineMs: number): Promise<void> {
  return new Promise((resolve) => {
    // A connection that is kept alive is open to new requests, and would hold us until its client drops it.
    server.removeAllListeners('request').on('request', refuse);
    const deadline = setTimeout(() => server.closeAllConnections(), deadlineMs);
    const looking = setInterval(() => server.closeIdleConnections(), LOOK_MS);
    server.close(() => {
      clearTimeout(deadline);
      clearInterval(looking);
      resolve();
    });
    server.closeIdleConnections();
  });
}

function refuse(incoming: IncomingMessage, outgoing: ServerResponse): void {
  const stopping = new GyreError({
    side: 'gateway',
    status: 503,
    code: 'shutting_down',
    message: 'The gateway is shutting down and takes no new requests. Try again in a few seconds.',
    retryAfterMs: 5_000,
  });
  const failure = failureOf(stopping, requestIdOf(incoming.headers['x-request-id']));
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
