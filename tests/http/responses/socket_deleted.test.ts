/** What is deleted is gone from what a connection remembers, too: it can be gone on from nowhere. */
import type OpenAI from 'openai';
import { afterEach, expect, it } from 'vitest';

import { GYRE_POLICY } from '../../../src/core/learning/policy_name.js';
import { type Gateway, startGateway } from '../../fakes/gateway.js';
import { dial, type Said } from '../../fakes/socket.js';
import { removeTrajectory } from '../../../src/store/read/remove.js';

let gateway: Gateway;
afterEach(async () => gateway.close());

const idOf = (seen: readonly Said[]): string => (seen.at(-1)?.['response'] as OpenAI.Responses.Response).id;
const only = (): string =>
  gateway.store.sqlite.prepare<[], { id: string }>('SELECT id FROM trajectories ORDER BY id DESC').get()?.id ?? '';
const NOT_FOUND = [{ type: 'error', status: 404, error: { code: 'previous_response_not_found' } }];

it.each([true, false])('a conversation that was deleted is not gone on from (store: %s)', async (store) => {
  gateway = await startGateway({ script: () => ({ text: 'ok' }) });
  const socket = await dial(gateway.url);
  const first = idOf(await socket.ask({ input: 'the secret', store }));
  const second = idOf(await socket.ask({ input: 'go on', store, previous_response_id: first }));
  const gone = await fetch(`${gateway.url}/gyre/v1/trajectories/${only()}`, { method: 'DELETE' });
  expect(gone.status).toBe(200);
  expect(await socket.ask({ input: 'again', store, previous_response_id: second })).toMatchObject(NOT_FOUND);
  expect(JSON.stringify(gateway.engine.requests.at(-1)?.body)).not.toContain('again');
  socket.close();
});

it('nor one that was deleted while it was gone on with', async () => {
  let asked = 0;
  gateway = await startGateway({
    script: () => {
      asked += 1;
      if (asked === 2) removeTrajectory(gateway.store.db, GYRE_POLICY, only());
      return { text: 'ok' };
    },
  });
  const socket = await dial(gateway.url);
  const first = idOf(await socket.ask({ input: 'the secret', store: false }));
  await fetch(`${gateway.url}/gyre/v1/trajectories`);
  const second = idOf(await socket.ask({ input: 'go on', store: false, previous_response_id: first }));
  expect(await socket.ask({ input: 'again', store: false, previous_response_id: second })).toMatchObject(NOT_FOUND);
  socket.close();
});

it('while what was not deleted is', async () => {
  gateway = await startGateway({ script: () => ({ text: 'ok' }) });
  const [one, other] = [await dial(gateway.url), await dial(gateway.url)];
  await one.ask({ input: 'the secret', store: false });
  await fetch(`${gateway.url}/gyre/v1/trajectories`);
  const deleted = only();
  const kept = idOf(await other.ask({ input: 'harmless', store: false }));
  await fetch(`${gateway.url}/gyre/v1/trajectories/${deleted}`, { method: 'DELETE' });
  expect((await other.ask({ input: 'again', store: false, previous_response_id: kept })).at(-1)?.type).toBe(
    'response.completed',
  );
  one.close();
  other.close();
});
