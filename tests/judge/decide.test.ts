import { expect, test } from 'vitest';

import { type DeclaredJudge, declaredJudges } from '../../src/core/learning/deciding.js';
import type { Verdict } from '../../src/core/learning/judging.js';
import { rewardOf, rewardsOf } from '../../src/judge/decide.js';

const verdict = (judge: string, good: boolean | undefined, score = good === true ? 1 : 0): Verdict => ({
  id: judge,
  subjectKind: 'sample',
  subjectId: 's',
  judge,
  judgeVersion: '1',
  rationale: '',
  createdAt: 0,
  ...(good === undefined ? {} : { good, score }),
});

test('no verdict, no reward', () => {
  expect(rewardOf([])).toBeUndefined();
  expect(rewardOf([verdict('reference', undefined)])).toBeUndefined();
});

test('right is 1, wrong but well formed 0.1, malformed 0', () => {
  expect(rewardOf([verdict('reference', true), verdict('well_formed', true)])?.value).toBe(1);
  expect(rewardOf([verdict('reference', false), verdict('well_formed', true)])?.value).toBe(0.1);
  expect(rewardOf([verdict('reference', false), verdict('well_formed', false)])?.value).toBe(0);
  expect(rewardOf([verdict('reference', true), verdict('well_formed', false)])?.value).toBe(0);
});

test.each([
  ['well formed', [verdict('well_formed', true)]],
  ['malformed', [verdict('well_formed', false)]],
  ['what its tool found', [verdict('follows_observation', true), verdict('well_formed', true)]],
  ['not what its tool found', [verdict('follows_observation', false), verdict('well_formed', true)]],
  ['called good by a judge nobody knows', [verdict('stranger', true), verdict('well_formed', true)]],
])('without a judge that knows right from wrong there is no reward: %s', (_, verdicts) => {
  for (const absent of [[], [verdict('reference', undefined)]])
    expect(rewardOf([...verdicts, ...absent])).toBeUndefined();
});

test('form counts where another of the group can be told right from wrong, and where none can, for nothing', () => {
  const malformed = [verdict('reference', undefined), verdict('well_formed', false)];
  const plain = [verdict('reference', undefined), verdict('well_formed', true)];
  const failed = [verdict('well_formed', true)];
  const right = [verdict('reference', true), verdict('well_formed', true)];
  const values = (group: readonly (readonly Verdict[])[]): unknown => rewardsOf(group).map((reward) => reward?.value);
  expect(values([right, malformed, plain, failed])).toEqual([1, 0, 0.1, undefined]);
  expect(values([malformed, plain, plain, failed])).toEqual([undefined, undefined, undefined, undefined]);
});

test('a call that may be the first of two is worth a little beside a right one, and nothing is known without', () => {
  const right = [verdict('reference', true), verdict('well_formed', true)];
  const other = [verdict('reference', undefined), verdict('well_formed', true)];
  const malformed = [verdict('reference', false), verdict('well_formed', false)];
  const values = (group: readonly (readonly Verdict[])[]): unknown => rewardsOf(group).map((reward) => reward?.value);
  expect(values([right, other, other, right])).toEqual([1, 0.1, 0.1, 1]);
  expect(values([right, other, malformed])).toEqual([1, 0.1, 0]);
  expect(values([other, malformed])).toEqual([0.1, 0]);
  expect(values([other, other, other])).toEqual([undefined, undefined, undefined]);
});

test('a person decides over every rule, and the reward says so', () => {
  expect(rewardOf([verdict('reference', false), verdict('person', true), verdict('well_formed', true)])).toEqual({
    value: 1,
    source: 'feedback',
  });
});

test('a model rewards where it is named and was shown to tell right from wrong, and only then', () => {
  const by = (rewards: readonly string[], calibrated: readonly string[]): unknown =>
    rewardOf(
      [verdict('critic', true, 0.7)],
      declaredJudges({ rewards, configured: [{ name: 'critic', kind: 'model' }], calibrated: new Set(calibrated) }),
    );
  expect(by(['critic'], ['critic'])).toEqual({ value: 0.7, source: 'judge' });
  expect(by(['critic'], [])).toBeUndefined();
  expect(by(['reference'], ['critic'])).toBeUndefined();
});

test('a judge that has to be heard and cannot tell leaves no reward to those after it', () => {
  const judges: readonly DeclaredJudge[] = [
    { name: 'person', kind: 'person', role: 'decides' },
    { name: 'model', kind: 'model', role: 'decides', required: true },
    { name: 'reference', kind: 'rule', role: 'decides' },
  ];
  expect(rewardOf([verdict('reference', true)], judges)).toBeUndefined();
  expect(rewardOf([verdict('reference', true), verdict('model', undefined)], judges)).toBeUndefined();
  expect(rewardOf([verdict('reference', true), verdict('model', false)], judges)?.value).toBe(0);
  expect(rewardOf([verdict('reference', false), verdict('person', true)], judges)?.value).toBe(1);
});

test('what a judge said in an earlier version is withdrawn, also where it cannot tell now', () => {
  const said = (judge: string, good: boolean | undefined, createdAt: number): Verdict => ({
    ...verdict(judge, good),
    createdAt,
  });
  for (const list of [
    [said('reference', true, 1), said('reference', undefined, 2)],
    [said('reference', undefined, 2), said('reference', true, 1)],
  ])
    expect(rewardOf(list)).toBeUndefined();
  const both = [said('reference', true, 2), said('reference', false, 1), said('well_formed', false, 1)];
  expect(rewardOf([...both, said('well_formed', true, 2)])?.value).toBe(1);
});

test('while a judge before it has said nothing, the word of another is worth nothing, whoever is beside it', () => {
  const right = [verdict('reference', true), verdict('well_formed', true)];
  const rewards = ['person', 'model', 'reference'];
  const judges = declaredJudges({
    rewards,
    configured: [{ name: 'model', kind: 'model' }],
    calibrated: new Set(['model']),
  });
  const unheard = new Set(['model']);
  expect(rewardOf(right, judges, unheard)).toBeUndefined();
  expect(rewardOf([...right, verdict('person', true)], judges, unheard)?.value).toBe(1);
  expect(rewardOf(right, judges, new Set(['stranger']))?.value).toBe(1);
  // One that only filters keeps nobody waiting.
  const filters = declaredJudges({ rewards, configured: [{ name: 'model', kind: 'model' }], calibrated: new Set() });
  expect(rewardOf(right, filters, unheard)?.value).toBe(1);
  const malformed = [verdict('reference', undefined), verdict('well_formed', false)];
  const values = rewardsOf([right, right, malformed], judges, [undefined, unheard, unheard]);
  expect(values.map((reward) => reward?.value)).toEqual([1, undefined, undefined]);
});
