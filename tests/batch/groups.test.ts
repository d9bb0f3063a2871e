/** What the actions of one group are worth. */
import { expect, test } from 'vitest';

import { weigh } from '../../src/batch/groups.js';
import type { Sample } from '../../src/core/learning/sample.js';

const sample = (id: string, part: Partial<Sample> = {}): Sample => ({
  id,
  cycleId: 'cyc-1',
  stepId: 'step-1',
  policyVersion: 3,
  text: 'four',
  calls: [],
  promptTokenIds: [1],
  tokenIds: [5, 6],
  logprobs: [-0.1, -0.2],
  temperature: 0.7,
  cut: false,
  createdAt: 0,
  ...part,
});
const call = (args = '{}'): Partial<Sample> => ({ calls: [{ id: 'c', name: 'calculator', arguments: args }] });

const weighed = (
  samples: readonly Sample[],
  rewards: Readonly<Record<string, number>>,
  callsAllowed = true,
): ReturnType<typeof weigh> => weigh({ trajectoryId: 'traj-1', samples, callsAllowed }, (id) => rewards[id]);

test('actions are weighed against each other', () => {
  const { outcome, rewards, examples } = weighed([sample('a'), sample('b'), sample('c')], { a: 1, b: 0, c: 0.5 });
  expect(outcome).toBe('informative');
  expect(rewards).toEqual([1, 0, 0.5]);
  // The one that is worth the mean teaches nothing.
  expect(examples.map(({ id, advantage }) => [id, advantage])).toEqual([
    ['a', 0.5],
    ['b', -0.5],
  ]);
  expect(examples[0]).toMatchObject({ stepId: 'step-1', trajectoryId: 'traj-1', tokenIds: [5, 6] });
});

test('a call where none is run is worth nothing, whatever a judge says of it', () => {
  const group = [sample('a'), sample('b', call())];
  expect(weighed(group, { a: 1, b: 1 }, false)).toMatchObject({
    outcome: 'informative',
    rewards: [1, 0],
    counts: { malformed_call: 1 },
  });
  expect(weighed(group, { a: 1, b: 1 }).outcome).toBe('zero_spread');
});

test('a call that cannot be understood is worth nothing, and stands in its group', () => {
  expect(weighed([sample('a'), sample('b', call('{"expression": 1+'))], { a: 1, b: 1 })).toMatchObject({
    outcome: 'informative',
    rewards: [1, 0],
    counts: { malformed_call: 1 },
  });
});

test('what our own bound cuts is worth nothing; what the user’s cuts is left out', () => {
  const own = { cut: true, bound: 'own' } as const;
  expect(weighed([sample('a'), sample('b', own)], { a: 1, b: 1 })).toMatchObject({
    outcome: 'informative',
    rewards: [1, 0],
    counts: { overlong: 1, cut: 0 },
  });
  for (const bound of ['client', undefined] as const)
    expect(weighed([sample('a'), sample('b', { cut: true, bound })], { a: 1, b: 1 })).toMatchObject({
      outcome: 'cut',
      rewards: [1],
      examples: [],
      counts: { overlong: 0, cut: 1 },
    });
});

test('where no judge knows, malformed actions among others teach nothing', () => {
  const { outcome, rewards, counts } = weighed([sample('a'), sample('b', call('{')), sample('c', call('['))], {});
  expect([outcome, rewards, counts.no_reward]).toEqual(['zero_spread', [0, 0], 1]);
  expect(weighed([sample('a'), sample('b', call('{'))], {}).outcome).toBe('no_reward');
});

test.each([
  ['no_reward', {}],
  ['no_reward', { a: 1 }],
  ['zero_spread', { a: 1, b: 1 }],
] as const)('a group is %s where its actions are worth %j', (outcome, rewards) => {
  expect(weighed([sample('a'), sample('b')], rewards)).toMatchObject({ outcome, examples: [] });
});
