/** What a model judge may answer where it is to put several actions in order, and what is no order. */
import { describe, expect, test } from 'vitest';

import { rankingOf } from '../../../src/judge/model/ranking.js';

describe.each<[string, number, readonly [boolean, number][]]>([
  [
    'ORDER: 2 > 1 > 3\nGOOD: 2',
    3,
    [
      [false, 0.25],
      [true, 1],
      [false, 0],
    ],
  ],
  [
    'Both do.\nORDER: 1 = 2\nGOOD: 1, 2',
    2,
    [
      [true, 0.75],
      [true, 0.75],
    ],
  ],
  [
    '**ORDER:** 1 = 3 > 2\n**GOOD:** none.',
    3,
    [
      [false, 0.375],
      [false, 0],
      [false, 0.375],
    ],
  ],
  ['order: 1\ngood: 1', 1, [[true, 0.75]]],
  ['ORDER: 1\nGOOD:', 1, [[false, 0.25]]],
  [
    'I first thought ORDER: 1 > 2\n\n- ORDER: 2 > 1\n\n- GOOD: 2\n',
    2,
    [
      [false, 0],
      [true, 1],
    ],
  ],
])('%j', (text, count, ranked) => {
  test('is an order', () => {
    expect(rankingOf(text, count)).toMatchObject({ ranked: ranked.map(([good, score]) => ({ good, score })) });
  });
});

test.each([
  ['', 2],
  ['The first is best.', 2],
  ['ORDER: 1 > 2', 2],
  ['GOOD: 1\nORDER: 1 > 2', 2],
  ['ORDER: 1 > 1\nGOOD: 1', 2],
  ['ORDER: 1 > 2 > 3\nGOOD: 1', 2],
  ['ORDER: 1\nGOOD: 1', 2],
  ['ORDER: 1 > two\nGOOD: 1', 2],
  ['ORDER: 0 > 1\nGOOD: 1', 2],
  ['ORDER: 1 > 2\nGOOD: 3', 2],
  ['ORDER: 1 > 2\nGOOD: both', 2],
  ['ORDER: 1 > 2\nGOOD: 2', 2],
  ['ORDER: 1 > 2\nGOOD: 1\nIs that all?', 2],
])('%j is none', (text, count) => {
  expect(rankingOf(text, count)).toEqual({ unclear: expect.any(String) as string });
});
