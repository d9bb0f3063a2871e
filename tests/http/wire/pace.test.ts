/** Readers that take some of an answer now and then. */
import { createServer, type ServerResponse } from 'node:http';
import { type AddressInfo, connect } from 'node:net';

import { expect, it } from 'vitest';

import { inTurn } from '../../../src/http/wire/in_turn.js';
import { until } from '../../fakes/gateway.js';

it('an answer that is read drop by drop gives its connection up as well', async () => {
  const bytes = Buffer.alloc(64_000_000);
  let given = false;
  const answer = (_: unknown, outgoing: ServerResponse): void => {
    outgoing.on('close', () => (given = true)).end(bytes);
  };
  const server = createServer(inTurn(answer, 1_500, 50_000_000));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  socket.on('error', () => undefined);
  socket.pause();
  socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n');
  let taken = 0;
  const reading = setInterval(() => {
    const part = socket.read() as Buffer | null;
    taken += part?.length ?? 0;
  }, 20);
  await until(() => given, 'the end of the connection');
  clearInterval(reading);
  expect(taken).toBeGreaterThan(1_000_000);
  expect(taken).toBeLessThan(bytes.length / 2);
  socket.destroy();
  server.close();
});
