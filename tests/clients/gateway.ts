/**
 * The gateway that clients in other languages are tested against: the real app before the scripted engine, and on a
 * port of its own what the engine and the log saw, which a client cannot know. Prints both addresses as one line of
 * JSON and ends with its standard input.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

import { startGateway } from '../fakes/gateway.js';
import { FOR_CLIENTS } from '../fakes/scenarios.js';

const gateway = await startGateway(FOR_CLIENTS);

const side = createServer((_incoming, outgoing) => {
  outgoing.writeHead(200, { 'content-type': 'application/json' });
  outgoing.end(
    JSON.stringify({
      engine: gateway.engine.requests.map(({ body, aborted }) => ({ body, aborted })),
      log: gateway.logged.map(({ opening, trajectoryId, steps, ending }) => ({
        responseId: opening.responseId,
        trajectoryId,
        steps: steps.map(({ outcome, calls }) => ({
          outcome,
          calls: calls.map(({ id, name, owner, observation }) => ({ id, name, owner, content: observation?.content })),
        })),
        outcome: ending?.outcome,
      })),
    }),
  );
});
await new Promise<void>((resolve) => side.listen(0, '127.0.0.1', resolve));
process.stdout.write(
  `${JSON.stringify({ url: gateway.url, side: `http://127.0.0.1:${(side.address() as AddressInfo).port}` })}\n`,
);

process.stdin
  .on('end', () => {
    side.close();
    side.closeAllConnections();
    void gateway.close().then(() => process.exit(0));
  })
  .resume();
