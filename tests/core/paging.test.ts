/** A page ends where it holds enough, whatever was asked for, and never without an item. */
import { expect, test } from 'vitest';

import { listingOf } from '../../src/core/paging.js';

const MIB = 1024 * 1024;

test.each([
  ['texts', (): unknown => 'x'.repeat(3 * MIB), 3],
  ['lists of numbers', (): unknown => ({ logprobs: new Array<number>(150_000).fill(-0.123_456_789_012_345_67) }), 3],
  ['one that is larger than a page', (): unknown => ({ deep: [{ text: 'x'.repeat(20 * MIB) }] }), 1],
])('a page of %s', (_name, item, held) => {
  const looked: number[] = [];
  const rows = Array.from({ length: 6 }, (_, at) => at);
  const page = listingOf(rows, { limit: 5 }, (row) => (looked.push(row), item()));
  expect(page.data).toHaveLength(held);
  expect(page.has_more).toBe(true);
  expect(looked).toHaveLength(held);
});

test('small items fill the page that was asked for', () => {
  expect(listingOf([1, 2, 3], { limit: 2 }, String)).toEqual({ data: ['1', '2'], has_more: true });
  expect(listingOf([1, 2], { limit: 2 }, String)).toEqual({ data: ['1', '2'], has_more: false });
});
