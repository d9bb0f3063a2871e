import { expect, test } from 'vitest';

import { groupAdvantages } from '../../src/batch/advantage.js';

const group = (...rewards: number[]): { item: number; reward: number }[] =>
  rewards.map((reward, item) => ({ item, reward }));

test('the advantage is reward minus the group mean, without dividing by the deviation', () => {
  expect(groupAdvantages(group(1, 0, 0, 0))?.map((weighed) => weighed.advantage)).toEqual([0.75, -0.25, -0.25, -0.25]);
});

test('a group without spread says nothing', () => {
  expect(groupAdvantages(group(1, 1, 1))).toBeUndefined();
  expect(groupAdvantages(group(0, 0))).toBeUndefined();
});

test('one reward is no group', () => {
  expect(groupAdvantages(group(1))).toBeUndefined();
  expect(groupAdvantages([])).toBeUndefined();
});
