import { expect, test } from 'vitest';

import type { Verdict } from '../../src/core/learning/judging.js';
import { decidingVerdict, rewardOf } from '../../src/judge/decide.js';

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

test('an absent judge leaves the decision to the next', () => {
  expect(
    decidingVerdict([
      verdict('well_formed', true),
      verdict('reference', undefined),
      verdict('follows_observation', false),
    ])?.judge,
  ).toBe('follows_observation');
});

test('a person decides over every rule, and the reward says so', () => {
  expect(rewardOf([verdict('reference', false), verdict('person', true), verdict('well_formed', true)])).toEqual({
    value: 1,
    source: 'feedback',
  });
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
