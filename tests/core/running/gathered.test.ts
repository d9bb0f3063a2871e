import { expect, test } from 'vitest';

import { Gathered } from '../../../src/core/running/gathered.js';

test('pieces come back whole and in their order, however many and large they are', () => {
  for (const lengths of [
    [],
    [5],
    [0, 3],
    [1, 1, 1, 1],
    [70_000, 1, 70_000],
    Array.from({ length: 300 }, (_, at) => at),
  ]) {
    const pieces = lengths.map((length, at) => Buffer.alloc(length, at % 251));
    const gathered = new Gathered();
    for (const piece of pieces) gathered.add(piece);
    const all = Buffer.concat(pieces);
    expect(gathered.length).toBe(all.length);
    expect(gathered.take().equals(all)).toBe(true);
    expect(gathered.length).toBe(0);
  }
});

test('what was taken stays what it is when more is gathered', () => {
  const gathered = new Gathered();
  gathered.add(Buffer.from('one '));
  gathered.add(Buffer.from('two'));
  const first = gathered.take();
  gathered.add(Buffer.from('three '));
  gathered.add(Buffer.from('four'));
  expect([first.toString(), gathered.take().toString()]).toEqual(['one two', 'three four']);
});

test('a piece is not changed by what is added to it', () => {
  const piece = Buffer.from('abc');
  const gathered = new Gathered();
  gathered.add(piece.subarray(0, 1));
  gathered.add(Buffer.from('X'));
  expect([gathered.take().toString(), piece.toString()]).toEqual(['aX', 'abc']);
});
