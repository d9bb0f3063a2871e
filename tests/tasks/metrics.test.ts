import { expect, test } from 'vitest';

import { exactMatch, f1 } from '../../src/tasks/metrics.js';

/** Numbers that the published script of HotPotQA gives for the same pairs. */
test.each([
  ['the Beatles!', ['Beatles'], 1, 1],
  ['The answer is Rome.', ['Rome'], 0, 0.5],
  ['Barack Hussein Obama', ['Barack Obama'], 0, 0.8],
  ['yes', ['no'], 0, 0],
  ['yes it is', ['yes'], 0, 0],
  ['Paris', ['Rome', 'Paris, France'], 0, 2 / 3],
  ['', ['Rome'], 0, 0],
])('"%s" against %j: exact match %d, F1 %d', (answer, accepted, em, words) => {
  expect(exactMatch(answer, accepted)).toBe(em);
  expect(f1(answer, accepted)).toBeCloseTo(words, 10);
});
