/** Serving follows the decision rows: the real gateway, a trainer that trains nothing, and what the engine holds. */
import { expect, onTestFinished, test } from 'vitest';

import { GYRE_POLICY } from '../../../src/core/learning/policy_name.js';
import { adapterName } from '../../../src/core/learning/version.js';
import { follow, type Follower } from '../../../src/learner/following/follow.js';
import { followed } from '../../../src/store/clock/followed.js';
import { versionPage } from '../../../src/store/clock/lists.js';
import { promote as promoteByHand, rollback } from '../../../src/learner/promoting.js';
import { learningStore } from '../../../src/store/clock/open.js';
import { saveRemovedWeights, weightsRemoved } from '../../../src/store/learning/weights.js';
import { decide } from '../../../src/store/learning/decisions.js';
import { saveVersion } from '../../../src/store/learning/versions.js';
import { openTrainer } from '../../../src/train/client.js';
import { type Gateway, startGateway, until } from '../../fakes/gateway.js';
import { type FakeTrainer, startTrainer } from '../../fakes/trainer.js';

interface Following extends Gateway {
  readonly trainer: FakeTrainer;
  readonly follower: Follower;
  readonly warnings: string[];
  /** Lets the engine answer the question "slow". */
  readonly release: () => void;
  /** As a gate that passed and a promotion leave it in the rows, followed. */
  promote(version: number, against: number): Promise<void>;
  /** As a training and a gate that refused leave it in the rows, the engine holding the version. */
  refuse(version: number, against: number): Promise<void>;
  ask(content: string): Promise<Asked>;
}
interface Asked {
  readonly version: string | null;
  readonly text: string | null | undefined;
}

async function following(): Promise<Following> {
  let release = (): void => undefined;
  const held = new Promise<void>((resolve) => (release = resolve));
  const gateway = await startGateway({
    script: async ({ body }) => {
      if (body.messages.at(-1)?.content === 'slow') await held;
      return { text: `said by ${body.model}` };
    },
  });
  const trainer = await startTrainer(gateway.engine.url);
  const { load, unload, remove, health } = openTrainer(trainer.url);
  const warnings: string[] = [];
  const { db } = gateway.store;
  const follower = follow({
    rows: () => Promise.resolve(followed(db, GYRE_POLICY)),
    alias: gateway.serving,
    adapters: {
      load,
      unload: (version) => {
        gateway.serving.dropped(version);
        return unload(version);
      },
      remove,
      loaded: async () => (await health()).loaded.map(({ version }) => version),
    },
    known: (version) => gateway.serving.know(version, false),
    gone: (version) => gateway.serving.forget(version),
    removed: (version, reason) =>
      Promise.resolve(saveRemovedWeights(db, GYRE_POLICY, { version, reason, createdAt: Date.now() })),
    failed: (message) => warnings.push(message),
  });
  onTestFinished(async () => {
    follower.stop();
    release();
    await gateway.close();
    await trainer.close();
  });
  const made = new Set<number>();
  return {
    ...gateway,
    trainer,
    follower,
    warnings,
    release,
    promote(version, against) {
      if (!made.has(version))
        saveVersion(db, GYRE_POLICY, {
          version,
          kind: 'trained',
          parent: version - 1,
          batchId: `bat-${version}`,
          metrics: {},
          createdAt: Date.now(),
        });
      made.add(version);
      decide(db, GYRE_POLICY, { kind: 'gate', version, against, passed: true, reason: 'better', numbers: {} });
      decide(db, GYRE_POLICY, { kind: 'promotion', version, against, passed: true, reason: 'better', numbers: {} });
      return follower.check();
    },
    async refuse(version, against) {
      saveVersion(db, GYRE_POLICY, {
        version,
        kind: 'trained',
        parent: version - 1,
        batchId: `bat-${version}`,
        metrics: {},
        createdAt: Date.now(),
      });
      await load(version);
      decide(db, GYRE_POLICY, { kind: 'gate', version, against, passed: false, reason: 'worse', numbers: {} });
      await follower.check();
    },
    async ask(content) {
      const { data, response } = await gateway.client.chat.completions
        .create({ model: 'gyre', messages: [{ role: 'user', content }] })
        .withResponse();
      return {
        version: response.headers.get('x-gyre-policy-version'),
        text: data.choices[0]?.message.content,
      };
    },
  };
}

const unloads = (trainer: FakeTrainer): string[] => trainer.calls.filter((call) => call.endsWith('/unload'));

test('a retired version is unloaded when its last request has ended, which nothing cuts off', async () => {
  const { promote, ask, release, engine, trainer, warnings } = await following();
  await promote(1, 0);
  const running = ask('slow');
  await until(() => engine.requests.length === 1, 'the request at the engine');
  await promote(2, 1);
  await promote(3, 2);
  expect(await ask('quick')).toEqual({ version: '3', text: `said by ${adapterName(3)}` });
  // Nobody serves version 1 any more, but for the request that began with it.
  expect(unloads(trainer)).toEqual([]);
  expect([...engine.adapters]).toEqual([1, 2, 3].map(adapterName));

  release();
  expect(await running).toEqual({ version: '1', text: `said by ${adapterName(1)}` });
  await until(() => !engine.adapters.has(adapterName(1)), 'the end of version 1 in the engine');
  expect(unloads(trainer)).toEqual(['POST /v1/adapters/1/unload']);
  // The version that served before stays, so that going back is immediate.
  expect([...engine.adapters]).toEqual([2, 3].map(adapterName));
  expect(engine.aborts).toBe(0);
  expect(warnings).toEqual([]);
});

test('a version that serves again by the time it is drained stays in the engine', async () => {
  const { promote, ask, release, engine, trainer, follower } = await following();
  await promote(1, 0);
  const running = ask('slow');
  await until(() => engine.requests.length === 1, 'the request at the engine');
  await promote(2, 1);
  await promote(3, 2);
  await promote(1, 3);
  release();
  expect((await running).version).toBe('1');
  await follower.check();
  expect((await ask('quick')).version).toBe('1');
  await until(() => !engine.adapters.has(adapterName(2)), 'the end of version 2 in the engine');
  expect(unloads(trainer)).toEqual(['POST /v1/adapters/2/unload']);
});

test('a version in the making, which has no row yet, stays in the engine while the trainer looks at it', async () => {
  const { promote, engine, trainer } = await following();
  await openTrainer(trainer.url).load(4);
  for (const version of [1, 2, 3]) await promote(version, version - 1);
  await until(() => !engine.adapters.has(adapterName(1)), 'the end of version 1 in the engine');
  expect(unloads(trainer)).toEqual(['POST /v1/adapters/1/unload']);
  expect(engine.adapters.has(adapterName(4))).toBe(true);
});

test('versions that were refused leave the engine and then the disk, and can no longer be promoted', async () => {
  const { promote, refuse, engine, trainer, warnings, client, store } = await following();
  await promote(1, 0);
  for (const version of [2, 3, 4, 5, 6, 7, 8]) {
    await refuse(version, 1);
    await until(() => engine.adapters.size <= 2, `what is not needed of ${version} versions to be unloaded`);
  }
  // What serves, and the head.
  expect([...engine.adapters].sort()).toEqual([1, 8].map(adapterName));
  // Of the disk the newest four and what serves stay.
  const removed = (): string[] => trainer.calls.filter((call) => call.startsWith('DELETE '));
  await until(() => weightsRemoved(store.db, GYRE_POLICY).size === 3, 'the rows of three versions');
  expect(removed()).toEqual([2, 3, 4].map((version) => `DELETE /v1/adapters/${version}`));
  const models = (await client.models.list()).data.map(({ id }) => id);
  expect(models).toEqual(expect.arrayContaining(['gyre@1', 'gyre@5', 'gyre@8']));
  expect(models).not.toContain('gyre@3');
  await expect(
    client.chat.completions.create({ model: 'gyre@3', messages: [{ role: 'user', content: 'x' }] }),
  ).rejects.toMatchObject({ status: 404 });
  decide(store.db, GYRE_POLICY, { kind: 'gate', version: 3, against: 1, passed: true, reason: 'better', numbers: {} });
  const learner = { rows: learningStore(store.db, GYRE_POLICY), decided: () => Promise.resolve() };
  await expect(promoteByHand(learner, 3)).rejects.toMatchObject({
    code: 'weights_removed',
    message: expect.stringContaining('the weights of version 3 were removed on 2') as string,
  });
  expect(
    versionPage(store.db, GYRE_POLICY, { limit: 10 }, undefined).data.map((row) => row.weights_removed_at !== null),
  ).toEqual([...[false, false, false, false], ...[true, true, true], false]);
  expect(warnings).toEqual([]);
});

test('going back to weights that are gone is refused in words, before the trainer is asked', async () => {
  const { promote, trainer, store } = await following();
  await promote(1, 0);
  await promote(2, 1);
  saveRemovedWeights(store.db, GYRE_POLICY, { version: 1, reason: 'of a test', createdAt: Date.UTC(2026, 0, 2) });
  const learner = { rows: learningStore(store.db, GYRE_POLICY), decided: () => Promise.resolve() };
  await expect(rollback(learner, openTrainer(trainer.url), 'why')).rejects.toMatchObject({
    status: 409,
    message: expect.stringContaining('version 1 were removed on 2026-01-02, because of a test') as string,
  });
  expect(trainer.calls).not.toContain('POST /v1/versions');
});
