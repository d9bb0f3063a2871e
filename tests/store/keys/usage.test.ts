/** A key's month is counted with its answers: through restarts, by several gateways, and whatever is deleted. */
import { expect, test } from 'vitest';

import { GYRE_POLICY } from '../../../src/core/learning/policy_name.js';
import { NO_USAGE } from '../../../src/core/policy.js';
import type { Ending } from '../../../src/core/trajectory.js';
import { openStore } from '../../../src/store/file/db.js';
import { addKey } from '../../../src/store/keys/keys.js';
import { openLog } from '../../../src/store/log/log.js';
import { removeTrajectory } from '../../../src/store/read/remove.js';
import { monthOf, tokensUsed, usageOf } from '../../../src/store/keys/usage.js';
import { verify } from '../../../src/store/proof/verify.js';
import { action, answer, DONE, opened, opening, stepOf, temporaryFolder, user } from '../fixture.js';
import { keyringOver } from '../../run/rows.js';

const NOVEMBER = Date.UTC(2026, 10, 30, 23, 59);
const DECEMBER = Date.UTC(2026, 11, 1, 0, 1);
const used = (prompt: number, completion: number): Ending => ({
  ...DONE,
  usage: { ...NO_USAGE, prompt_tokens: prompt, completion_tokens: completion },
});
const by = (keyId: string, at = NOVEMBER): Parameters<typeof opening>[1] => ({ asker: { keyId, consent: true }, at });

test('an answer counts for its key in the month it was asked, and a gateway without keys counts nothing', async () => {
  const { store, log } = opened();
  await answer(log, opening([user('q')], by('key-a')), [{ text: 'a' }], used(10, 5));
  await answer(log, opening([user('q')], by('key-a', DECEMBER)), [{ text: 'a' }], used(100, 50));
  await Promise.all(
    [1, 2, 3].map(async (n) => answer(log, opening([user(`q${n}`)], by('key-b')), [{ text: 'a' }], used(n, 0))),
  );
  await answer(log, opening([user('q')]), [{ text: 'a' }], used(1_000, 1_000));
  expect(monthOf(NOVEMBER)).toBe('2026-11');
  expect([...usageOf(store.db, NOVEMBER)].sort()).toEqual([
    ['key-a', { requests: 1, tokens: 15 }],
    ['key-b', { requests: 3, tokens: 6 }],
  ]);
  expect(tokensUsed(store.db, 'key-a', DECEMBER)).toBe(150);
  expect(tokensUsed(store.db, 'key-c', DECEMBER)).toBe(0);
});

test('deleting gives nothing back, also not in the middle of an answer', async () => {
  const { store, log } = opened();
  const one = await answer(log, opening([user('q')], by('key-a')), [{ text: 'a' }], used(10, 5));
  removeTrajectory(store.db, GYRE_POLICY, one.recording.trajectoryId);
  expect(tokensUsed(store.db, 'key-a', NOVEMBER)).toBe(15);

  const recording = log.open(opening([user('again')], by('key-a')));
  await recording.step(stepOf([user('again')], action('b')), { role: 'assistant', content: 'b' });
  removeTrajectory(store.db, GYRE_POLICY, recording.trajectoryId);
  expect(await recording.finish(used(7, 0))).toBe(false);
  expect(usageOf(store.db, NOVEMBER).get('key-a')).toEqual({ requests: 2, tokens: 22 });
  expect(verify(store.db).problems).toEqual([]);
});

test('several gateways on one folder add to one sum, which a restart finds again', async () => {
  const folder = temporaryFolder();
  const { store, log } = opened(folder);
  const { key } = addKey(store.db, { name: 'ada' });
  const other = openStore(folder);
  const otherLog = openLog(other);
  const ring = keyringOver(other.db, { now: () => NOVEMBER });
  await answer(log, opening([user('q')], by(key.id)), [{ text: 'a' }], used(10, 0));
  expect(await ring.spent(key.id)).toBe(10);
  await answer(otherLog, opening([user('q')], by(key.id)), [{ text: 'a' }], used(20, 0));
  expect(await keyringOver(store.db, { now: () => NOVEMBER }).spent(key.id)).toBe(30);
  other.close();
  store.close();
  const again = openStore(folder);
  expect(tokensUsed(again.db, key.id, NOVEMBER)).toBe(30);
  again.close();
});

test('a commit that fails counts nothing, and neighbours of a bad row are counted once', async () => {
  const { store, log } = opened();
  const good = answer(log, opening([user('q')], by('key-a')), [{ text: 'a' }], used(3, 0));
  // A response id that is there already: its row is refused, the transaction of the group with it.
  const first = await answer(log, opening([user('x')], by('key-b')), [{ text: 'a' }], used(5, 0));
  expect((await good).kept).toBe(true);
  const [twin, neighbour] = await Promise.all([
    answer(
      log,
      opening([user('y')], { ...by('key-b'), responseId: first.opening.responseId }),
      [{ text: 'a' }],
      used(50, 0),
    ),
    answer(log, opening([user('z')], by('key-c')), [{ text: 'a' }], used(4, 0)),
  ]);
  expect([twin.kept, neighbour.kept]).toEqual([false, true]);
  expect(Object.fromEntries([...usageOf(store.db, NOVEMBER)].map(([key, { tokens }]) => [key, tokens]))).toEqual({
    'key-a': 3,
    'key-b': 5,
    'key-c': 4,
  });
});
