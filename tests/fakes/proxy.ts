/**
 * A real forward proxy: it forwards requests of whole addresses and opens tunnels. Host names lead to servers of the
 * test by its own table, which nobody else knows.
 */
import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';

export interface ForwardProxy {
  readonly url: string;
  /** Ports on this machine by `host:port`. */
  readonly hosts: Map<string, number>;
  /** What was asked of it: `GET http://host/path` and `CONNECT host:port`. */
  readonly asked: string[];
  /** Credentials it was shown. */
  readonly shown: (string | undefined)[];
  /** Answers this status instead of doing anything. */
  refuses: number | undefined;
  close(): Promise<void>;
}

export async function startProxy(): Promise<ForwardProxy> {
  const sockets = new Set<Socket>();
  const proxy = {
    url: '',
    hosts: new Map<string, number>(),
    asked: [] as string[],
    shown: [] as (string | undefined)[],
    refuses: undefined as number | undefined,
    close: () =>
      new Promise<void>((resolve) => {
        for (const socket of sockets) socket.destroy();
        server.close(() => resolve());
      }),
  };
  const server = createServer((incoming: IncomingMessage, outgoing: ServerResponse) => {
    proxy.asked.push(`${incoming.method ?? ''} ${incoming.url ?? ''}`);
    proxy.shown.push(incoming.headers['proxy-authorization']);
    const url = new URL(incoming.url ?? '', 'http://not-absolute.invalid');
    const port = proxy.hosts.get(`${url.hostname}:${url.port || '80'}`);
    if (proxy.refuses !== undefined || port === undefined)
      return void outgoing.writeHead(proxy.refuses ?? 502).end('the proxy does not know this host');
    const { 'proxy-authorization': _shown, ...headers } = incoming.headers;
    const forwarded = request(
      { host: '127.0.0.1', port, method: incoming.method, path: url.pathname + url.search, headers },
      (reply) => {
        outgoing.writeHead(reply.statusCode ?? 502, reply.headers);
        reply.pipe(outgoing);
      },
    );
    forwarded.on('error', () => outgoing.destroy());
    outgoing.on('close', () => forwarded.destroy());
    incoming.pipe(forwarded);
  });
  server.on('connect', (incoming: IncomingMessage, socket: Socket, head: Buffer) => {
    proxy.asked.push(`CONNECT ${incoming.url ?? ''}`);
    proxy.shown.push(incoming.headers['proxy-authorization']);
    const port = proxy.hosts.get(incoming.url ?? '');
    if (proxy.refuses !== undefined || port === undefined)
      return void socket.end(`HTTP/1.1 ${proxy.refuses ?? 502} No\r\ncontent-length: 0\r\n\r\n`);
    const target = connect(port, '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
      target.write(head);
      target.pipe(socket).pipe(target);
    });
    for (const end of [target, socket]) {
      sockets.add(end);
      end.on('error', () => undefined);
      end.on('close', () => sockets.delete(end));
    }
  });
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  proxy.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return proxy;
}
