/** What a client's key sees of learning: its own part, over real routes and a real cycle. */
import { afterEach, expect, it } from 'vitest';

import { callerOf, requireAdmin, scopeOf } from '../../src/http/callers/auth.js';
import { runCycle } from '../../src/learner/cycle.js';
import { generate } from '../../src/learner/generating.js';
import { learningRoutes } from '../../src/learner/routes.js';
import { type Gateway, startGateway } from '../fakes/gateway.js';
import { askOver, keyringOver } from '../run/rows.js';
import { learningRowsOf } from '../../src/run/reading/asked.js';
import { type Bench, bench, sum, tasks } from './bench.js';

let made: Bench;
let gateway: Gateway;
afterEach(async () => {
  await gateway.close();
  await made.close();
});

type Headers = Readonly<Record<string, string>>;
interface Told {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>> & { readonly data?: readonly Readonly<Record<string, unknown>>[] };
}
async function get(path: string, headers: Headers): Promise<Told> {
  const answer = await fetch(`${gateway.url}/gyre/v1${path}`, { headers });
  return { status: answer.status, body: (await answer.json()) as Told['body'] };
}

it('a key sees the cycles that took up its steps and the versions that learned from them', async () => {
  made = await bench();
  const { learner, store } = made;
  const keys = keyringOver(store.db);
  gateway = await startGateway({
    folder: made.folder,
    deps: {
      keys,
      extra: () => [
        learningRoutes({
          rows: learningRowsOf(askOver(store.db, learner.config), () => ({ trainer: true, learn: true })),
          start: () => Promise.reject(new Error('not here')),
          promote: () => Promise.reject(new Error('not here')),
          rollback: () => Promise.reject(new Error('not here')),
          restart: () => Promise.reject(new Error('not here')),
          allow: async (request, admin) => scopeOf(await (admin ? requireAdmin : callerOf)(keys, request)),
          body: () => Promise.resolve({}),
        }),
      ],
    },
  });
  const ann = gateway.key('ann');
  const bob = gateway.key('bob');
  const root = gateway.key('root', { role: 'admin' });
  await generate(learner, tasks(made, [sum('a', 1, 2), sum('b', 3, 4)]), 1, 0);
  store.sqlite.prepare('UPDATE steps SET key_id = ?').run(ann.id);
  expect((await get('/status', ann.headers)).body['new_states']).toBeGreaterThan(0);
  expect((await get('/status', bob.headers)).body).toMatchObject({ new_states: 0, dropped: {}, heldout_tasks: null });
  const cycle = await runCycle(learner, { heldout: [], gate: false });
  expect(cycle.state).toBe('done');
  const { states } = cycle.counts;
  expect(states).toBeGreaterThan(0);

  const all = await get('/cycles', root.headers);
  const own = await get('/cycles', ann.headers);
  expect(all.body.data).toMatchObject([{ id: cycle.id, note: cycle.note }]);
  expect(own.body.data).toMatchObject([{ id: cycle.id, note: '', counts: { states } }]);
  expect((await get('/cycles', bob.headers)).body.data).toEqual([]);
  expect((await get(`/cycles/${cycle.id}`, ann.headers)).body['counts']).toEqual({ states });
  expect((await get(`/cycles/${cycle.id}`, bob.headers)).status).toBe(404);
  expect((await get(`/cycles?after=${cycle.id}`, bob.headers)).status).toBe(400);

  expect((await get('/versions', root.headers)).body.data).toMatchObject([
    { version: 1, metrics: { published_at: expect.anything() as unknown }, decisions: [{ kind: 'parity' }] },
  ]);
  expect((await get('/versions', ann.headers)).body.data).toMatchObject([{ version: 1, metrics: {}, decisions: [] }]);
  expect((await get('/versions', bob.headers)).body.data).toEqual([]);

  expect((await get('/status', root.headers)).body['last']).toMatchObject({ note: cycle.note });
  expect((await get('/status', ann.headers)).body).toMatchObject({
    last: { note: '', counts: { states } },
    versions: 1,
  });
  expect((await get('/status', bob.headers)).body).toMatchObject({ last: null, running: null, versions: 0 });
});
