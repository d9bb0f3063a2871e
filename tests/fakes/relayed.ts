/** An upstream that answers every path with what it is told, and remembers what it was sent. */
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

interface RelayedRequest {
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  aborted: boolean;
}

interface RelayUpstream {
  readonly url: string;
  readonly requests: RelayedRequest[];
  close(): Promise<void>;
}

export const VECTOR = {
  object: 'list',
  data: [{ object: 'embedding', index: 0, embedding: [0.5, -0.5] }],
  model: 'text-embedding-3-small',
  usage: { prompt_tokens: 7, total_tokens: 7 },
};

export async function startRelayUpstream(
  reply: (outgoing: ServerResponse, request: RelayedRequest) => unknown = (outgoing) =>
    outgoing.writeHead(200, { 'content-type': 'application/json', 'set-cookie': 'a=b' }).end(JSON.stringify(VECTOR)),
): Promise<RelayUpstream> {
  const requests: RelayedRequest[] = [];
  const server = createServer((incoming, outgoing) => {
    const parts: Buffer[] = [];
    incoming.on('data', (part: Buffer) => parts.push(part));
    incoming.on('end', () => {
      const { url = '', headers } = incoming;
      const request = { url, headers, body: Buffer.concat(parts), aborted: false };
      outgoing.on('close', () => (request.aborted = !outgoing.writableFinished));
      requests.push(request);
      reply(outgoing, request);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    close() {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}
