import { expect, onTestFinished, test } from 'vitest';

import { addKey } from '../../../src/store/keys/keys.js';
import { burstsAt, PaceSums } from '../../../src/store/keys/pace.js';
import { parseConfig } from '../../../src/core/config.js';
import { startGateway } from '../../fakes/gateway.js';
import { opened } from '../fixture.js';
import { statusOf } from '../../learner/counted.js';

const MINUTE = 60_000;
/** The middle of a span of ten minutes. */
const NOW = Math.floor(Date.UTC(2026, 10, 30) / (10 * MINUTE)) * 10 * MINUTE + 5 * MINUTE;

function log(): {
  answered(keyId: string, at: number, times: number): void;
  key(name: string): string;
  bursts(at?: number): ReturnType<typeof burstsAt>;
  spans(): number;
} {
  const { store } = opened();
  return {
    answered(keyId, at, times) {
      const sums = new PaceSums();
      for (let each = 0; each < times; each += 1) sums.add(keyId, at);
      sums.write(store.db);
    },
    key: (name) => addKey(store.db, { name }).key.id,
    bursts: (at = NOW) => burstsAt(store.db, at),
    spans: () => (store.sqlite.prepare('SELECT count(*) AS n FROM key_pace').get() as { n: number }).n,
  };
}

test('a key that asks five times what it uses to is named, with how much', () => {
  const { key, answered, bursts } = log();
  const ann = key('ann');
  const bob = key('bob');
  for (let hour = 1; hour <= 24; hour += 1) {
    answered(ann, NOW - hour * 60 * MINUTE, 20);
    answered(bob, NOW - hour * 60 * MINUTE, 20);
  }
  answered(ann, NOW, 90);
  answered(bob, NOW, 120);
  expect(bursts()).toEqual([{ key_id: bob, name: 'bob', answers: 120, minutes: 10, usual: 20 }]);
  expect(bursts(NOW + 60 * MINUTE)).toEqual([]);
});

test('a burst that goes over the end of a span is seen all the same', () => {
  const { key, answered, bursts } = log();
  const ann = key('ann');
  answered(ann, NOW - 10 * MINUTE, 60);
  answered(ann, NOW, 20);
  expect(bursts()).toMatchObject([{ answers: 50, usual: 0 }]);
});

test('a new key has no past, and a few answers are no burst', () => {
  const { key, answered, bursts } = log();
  const ann = key('ann');
  answered(ann, NOW, 29);
  expect(bursts()).toEqual([]);
  answered(ann, NOW, 1);
  expect(bursts()).toMatchObject([{ key_id: ann, answers: 30, usual: 0 }]);
});

test('what is older than a week is forgotten', () => {
  const { key, answered, spans } = log();
  const ann = key('ann');
  const DAY = 24 * 60 * MINUTE;
  for (let day = 9; day >= 0; day -= 1) answered(ann, NOW - day * DAY, 1);
  expect(spans()).toBe(8);
});

test('what a gateway answers is counted, and an admin is told of a burst, a client is not', async () => {
  const gateway = await startGateway({ script: () => ({ text: 'ok' }) });
  onTestFinished(() => gateway.close());
  const [ann, bob] = [gateway.key('ann'), gateway.key('bob')];
  const ask = async (headers: Readonly<Record<string, string>>): Promise<number> =>
    (await gateway.post({ model: 'gyre', messages: [{ role: 'user', content: 'hi' }] }, { headers })).status;
  for (let each = 0; each < 40; each += 1) expect(await ask(ann.headers)).toBe(200);
  expect(await ask(bob.headers)).toBe(200);
  const seen = (keyId?: string): unknown =>
    statusOf(gateway.store.db, parseConfig({}), { trainer: false, learn: false }, keyId).bursts;
  expect(seen()).toMatchObject([{ key_id: ann.id, name: 'ann', answers: 40, usual: 0 }]);
  expect(seen(bob.id)).toBeNull();
});
