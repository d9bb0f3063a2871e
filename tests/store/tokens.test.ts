import fc from 'fast-check';
import { expect, test } from 'vitest';

import { packF32, packU32, sharedPrefix, typedIds, unpackF32, unpackU32 } from '../../src/store/tokens.js';

test('ids and log-probabilities come back as they were, whatever the alignment of the bytes', () => {
  fc.assert(fc.property(fc.array(fc.nat({ max: 0xffff_ffff })), fc.array(fc.float({ noNaN: true })), (ids, values) => {
    expect(unpackU32(Buffer.concat([Buffer.from([1]), packU32(ids)]).subarray(1))).toEqual(ids);
    expect(unpackF32(Buffer.concat([Buffer.from([1]), packF32(values)]).subarray(1))).toEqual(values);
  }));
});

test('the bytes are little endian', () => {
  expect([...packU32([1, 258])]).toEqual([1, 0, 0, 0, 2, 1, 0, 0]);
  expect([...packF32([1])]).toEqual([0, 0, 128, 63]);
});

test('what is no token id is refused, not rounded', () => {
  for (const bad of [1.5, -1, 2 ** 32, Number.NaN]) expect(() => packU32([7, bad])).toThrow(`token id ${bad} at position 1`);
});

test('a packed list does not follow its source', () => {
  const source = typedIds([1, 2]);
  const bytes = packU32(source);
  source[0] = 9;
  expect(unpackU32(bytes)).toEqual([1, 2]);
});

test('the shared prefix is the number of leading ids in common', () => {
  expect(sharedPrefix(typedIds([1, 2, 3]), typedIds([1, 2, 4]))).toBe(2);
  expect(sharedPrefix(typedIds([]), typedIds([1]))).toBe(0);
  expect(sharedPrefix(typedIds([1]), typedIds([1, 2]))).toBe(1);
});
