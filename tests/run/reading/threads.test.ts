/** A gateway as a process whose database another program holds: what needs rows waits, and nothing waits with it. */
import { expect, onTestFinished, test } from 'vitest';

import { addKey, revokeKey } from '../../../src/store/keys/keys.js';
import { openStore, type Store } from '../../../src/store/file/db.js';
import { startEngine } from '../../fakes/engine.js';
import { temporaryFolder } from '../../store/fixture.js';
import { gyre } from '../child.js';

interface Started {
  readonly store: Store;
  ask(
    path: string,
    init?: { readonly body?: object; readonly method?: string; readonly key?: string; readonly signal?: AbortSignal },
  ): Promise<Told>;
}
interface Told {
  readonly status: number;
  readonly body: Record<string, unknown>;
  readonly after: string | null;
}

async function started(): Promise<Started> {
  const engine = await startEngine({ script: () => ({ text: 'ok' }) });
  onTestFinished(() => engine.close());
  const folder = temporaryFolder();
  const gateway = gyre(['serve', '--data', folder, '--port', '0', '--engine', engine.url]);
  const url = await gateway.word('ready');
  const store = openStore(folder);
  onTestFinished(() => store.close());
  return {
    store,
    async ask(path, { body, method = body === undefined ? 'GET' : 'POST', key, signal } = {}) {
      const answer = await fetch(`${url}${path}`, {
        method,
        headers: {
          'content-type': 'application/json',
          ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
        },
        ...(signal === undefined ? {} : { signal }),
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      return {
        status: answer.status,
        body: (await answer.json()) as Record<string, unknown>,
        after: answer.headers.get('retry-after'),
      };
    },
  };
}

const chat = (words: string): object => ({ model: 'gyre', messages: [{ role: 'user', content: words }] });

test('chats and /health go on while lists, feedback and a deletion wait for the lock', async () => {
  const { store, ask } = await started();
  await ask('/v1/chat/completions', { body: chat('is deleted') });
  const [listed] = (await ask('/gyre/v1/trajectories')).body['data'] as { readonly id: string }[];
  const rated = await ask('/v1/chat/completions', { body: chat('is rated') });
  store.sqlite.exec('BEGIN EXCLUSIVE');
  await ask('/v1/chat/completions', { body: chat('during the lock') });
  const over: string[] = [];
  const waiting = (
    [
      ['list', '/gyre/v1/trajectories', {}],
      ['feedback', '/v1/feedback', { body: { response_id: rated.body['id'], value: 1 } }],
      ['deletion', `/gyre/v1/trajectories/${listed?.id ?? ''}`, { method: 'DELETE' }],
    ] as const
  ).map(async ([name, path, init]) => {
    let told = await ask(path, init);
    // Whoever has waited for two seconds is told to try again.
    for (; told.status === 503; told = await ask(path, init)) {
      expect(told.body).toMatchObject({ error: { code: 'log_waiting' } });
      await new Promise((resolve) => setTimeout(resolve, Number(told.after) * 1_000));
    }
    over.push(name);
    return told.status;
  });
  for (let at = 0; at < 20; at += 1) {
    expect((await ask('/health')).status).toBe(200);
    expect((await ask('/v1/chat/completions', { body: chat(`beside ${at}`) })).status).toBe(200);
  }
  expect(over).toEqual([]);
  store.sqlite.exec('COMMIT');
  expect(await Promise.all(waiting)).toEqual([200, 200, 200]);
});

test('what a client that has left asked for is not done', async () => {
  const { store, ask } = await started();
  for (const words of ['first', 'second']) await ask('/v1/chat/completions', { body: chat(words) });
  const listed = (await ask('/gyre/v1/trajectories')).body['data'] as { readonly id: string }[];
  const [stays, goes] = listed.map(({ id }) => `/gyre/v1/trajectories/${id}`);
  store.sqlite.exec('BEGIN EXCLUSIVE');
  const deleted = ask(goes ?? '', { method: 'DELETE' });
  await new Promise((resolve) => setTimeout(resolve, 300)); // it waits for the lock now, and others for it
  const leaving = new AbortController();
  const left = ask(stays ?? '', { method: 'DELETE', signal: leaving.signal });
  await new Promise((resolve) => setTimeout(resolve, 300));
  leaving.abort();
  await expect(left).rejects.toThrow();
  await ask('/health');
  store.sqlite.exec('COMMIT');
  expect((await deleted).status).toBe(200);
  expect((await ask(goes ?? '')).status).toBe(404);
  expect((await ask(stays ?? '')).status).toBe(200);
});

test('a key that another process makes is let in at once, and one that it revokes is soon refused', async () => {
  const { store, ask } = await started();
  expect((await ask('/v1/models')).status).toBe(200);
  const ada = addKey(store.db, { name: 'ada' }).secret;
  await expect.poll(async () => (await ask('/v1/models')).status, { timeout: 10_000 }).toBe(401);
  const bob = addKey(store.db, { name: 'bob' }).secret;
  expect((await ask('/v1/models', { key: bob })).status).toBe(200);
  expect((await ask('/v1/models', { key: ada })).status).toBe(200);
  revokeKey(store.db, 'bob');
  await expect.poll(async () => (await ask('/v1/models', { key: bob })).status, { timeout: 10_000 }).toBe(401);
  expect((await ask('/v1/models', { key: ada })).status).toBe(200);
});

test('a client goes on from an answer and sees its own status', async () => {
  const { ask } = await started();
  const first = await ask('/v1/responses', { body: { model: 'gyre', input: 'first' } });
  const next = { model: 'gyre', input: 'and', previous_response_id: first.body['id'] };
  expect((await ask('/v1/responses', { body: next })).status).toBe(200);
  expect((await ask('/v1/responses', { body: { ...next, previous_response_id: 'resp_nobody' } })).status).toBe(404);
  const status = await ask('/gyre/v1/status');
  expect(status).toMatchObject({ status: 200, body: { serving: 0, head: 0 } });
  expect(await ask('/gyre/v1/trajectories?after=nobody')).toMatchObject({
    status: 400,
    body: { error: { param: 'after' } },
  });
});
