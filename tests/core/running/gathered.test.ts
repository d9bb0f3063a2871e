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

test('the memory of a piece of its own goes back as soon as it is copied, and of no other piece', async () => {
  const mib = 1024 * 1024;
  const piece = (): Buffer => Buffer.alloc(mib, 7);
  const gathered = new Gathered(8 * mib);
  const [first, second, part] = [piece(), piece(), piece().subarray(0, mib / 2)];
  gathered.addOwn(first);
  expect(first.length).toBe(mib); // it is what is gathered so far
  gathered.addOwn(second);
  gathered.addOwn(part);
  expect([second.length, part.length]).toEqual([0, mib / 2]);
  gathered.add(piece());
  expect(gathered.take().equals(Buffer.alloc(3.5 * mib, 7))).toBe(true);
  await new Promise((resolve) => setTimeout(resolve, 50)); // the first of all has gone, and its way out is open
  const before = process.memoryUsage().arrayBuffers;
  const more = new Gathered(64 * mib);
  for (let at = 0; at < 64; at += 1) more.addOwn(piece());
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(100 * mib);
});
